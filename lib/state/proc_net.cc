#include "state/proc_net.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

#include "base/text.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxServices = 200'000, kMaxCounters = 20'000, kMaxModules = 10'000, kMaxRoutes = 500'000;

/// Hexadecimal digits only, whole string.
std::optional<std::uint64_t> hex(std::string_view digits, std::uint64_t max = UINT64_MAX) {
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
  if (digits.empty() || error != std::errc{} || stop != end || value > max) return std::nullopt;
  return value;
}

/// "C0A8016E" (host order) or "[fd00:...]" or, in ip_vs_conn, the same without brackets.
std::optional<Address> table_address(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) return parse_address(text.substr(1, text.size() - 2));
  if (text.find(':') != std::string_view::npos) return parse_address(text);
  if (text.size() != 8) return std::nullopt;
  const auto value = hex(text, UINT32_MAX);
  return value ? std::optional<Address>(Address::v4(static_cast<std::uint32_t>(*value))) : std::nullopt;
}

/// "C0A8016E:0050", "[fd00:...]:0050": port in hex.
std::optional<Endpoint> table_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto address = table_address(text.substr(0, colon));
  const auto port = text.size() - colon == 5 ? hex(text.substr(colon + 1), 65535) : std::nullopt;
  if (!address || !port) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

Method method_of(std::string_view word) {
  if (word == "Masq") return Method::masq;
  if (word == "Route") return Method::route;
  if (word == "Tunnel") return Method::tunnel;
  if (word == "Local") return Method::local;
  return Method::unknown;
}

std::uint8_t prefix_of_mask(std::uint32_t mask) { return static_cast<std::uint8_t>(__builtin_popcount(mask)); }

}  // namespace

std::optional<ServiceProtocol> protocol_of(std::string_view word) {
  if (word == "TCP") return ServiceProtocol::tcp;
  if (word == "UDP") return ServiceProtocol::udp;
  if (word == "SCTP") return ServiceProtocol::sctp;
  if (word == "FWM") return ServiceProtocol::fwmark;
  return std::nullopt;
}

void merge_services(std::vector<Service>& into, const std::vector<Service>& from) {
  using Key = std::tuple<ServiceProtocol, Address, std::uint16_t, std::uint32_t, bool>;
  const auto key_of = [](const Service& s) { return Key{s.protocol, s.vip, s.port, s.fwmark.value_or(0), s.v6}; };
  std::map<Key, std::size_t> index;
  for (std::size_t i = 0; i < into.size(); ++i) index.emplace(key_of(into[i]), i);
  for (const Service& other : from) {
    const auto [slot, fresh] = index.emplace(key_of(other), into.size());
    if (fresh) {
      into.push_back(other);
      into.back().destinations.clear();
    }
    Service& mine = into[slot->second];
    if (!fresh) {
      if (mine.scheduler.empty()) mine.scheduler = other.scheduler;
      if (!mine.persistence) mine.persistence = other.persistence;
      if (!mine.persistence_prefix) mine.persistence_prefix = other.persistence_prefix;
      if (mine.persistence_engine.empty()) mine.persistence_engine = other.persistence_engine;
      mine.one_packet = mine.one_packet || other.one_packet;
      if (!mine.counters) mine.counters = other.counters;
    }
    std::map<Endpoint, std::size_t> destinations;
    for (std::size_t i = 0; i < mine.destinations.size(); ++i) {
      destinations.emplace(Endpoint{mine.destinations[i].rip, mine.destinations[i].port}, i);
    }
    for (const Destination& theirs : other.destinations) {
      const auto [place, added] = destinations.emplace(Endpoint{theirs.rip, theirs.port}, mine.destinations.size());
      if (added) {
        mine.destinations.push_back(theirs);
        continue;
      }
      Destination& d = mine.destinations[place->second];
      if (d.method == Method::unknown) d.method = theirs.method;
      if (!d.weight) d.weight = theirs.weight;
      if (!d.upper_threshold) d.upper_threshold = theirs.upper_threshold;
      if (!d.lower_threshold) d.lower_threshold = theirs.lower_threshold;
      if (!d.active) d.active = theirs.active;
      if (!d.inactive) d.inactive = theirs.inactive;
      if (!d.counters) d.counters = theirs.counters;
    }
  }
}

Reading parse_proc_ip_vs(std::string_view text, KernelState& state) {
  Reading reading;
  std::vector<Service> services;
  std::size_t number = 0;
  bool headed = false;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    constexpr std::string_view kTitle = "IP Virtual Server version ";
    if (line.starts_with(kTitle)) {
      headed = true;
      const std::string_view rest = line.substr(kTitle.size());
      state.ipvs.version = printable(rest.substr(0, rest.find(' ')), kMaxName);
      if (const auto at = rest.find("size="); at != std::string_view::npos) {
        std::uint64_t size = 0;
        const std::string_view digits = rest.substr(at + 5, rest.find(')', at) - at - 5);
        if (parse_number(digits, UINT32_MAX, size)) state.ipvs.table_size = static_cast<std::uint32_t>(size);
      }
      continue;
    }
    if (words[0] == "Prot" || (words.size() > 1 && words[0] == "->" && words[1].starts_with("RemoteAddress"))) continue;
    if (words[0] == "->") {
      const auto rip = words.size() >= 6 ? table_endpoint(words[1]) : std::nullopt;
      std::uint64_t active = 0, inactive = 0;
      int weight = 0;
      if (!rip || services.empty() || !parse_number(words[4], UINT32_MAX, active) ||
          !parse_number(words[5], UINT32_MAX, inactive) ||
          std::from_chars(words[3].data(), words[3].data() + words[3].size(), weight).ec != std::errc{}) {
        reading.note(number, "no destination that is understood");
        continue;
      }
      Destination destination;
      destination.rip = rip->address;
      destination.port = rip->port;
      destination.method = method_of(words[2]);
      destination.weight = weight;
      destination.active = static_cast<std::uint32_t>(active);
      destination.inactive = static_cast<std::uint32_t>(inactive);
      // The kernel shows no family beside a mark; its destinations tell it.
      if (services.back().protocol == ServiceProtocol::fwmark) services.back().v6 = !rip->address.is_v4();
      services.back().destinations.push_back(destination);
      continue;
    }
    const auto protocol = protocol_of(words[0]);
    Service service;
    bool understood = protocol.has_value() && words.size() >= 3 && services.size() < kMaxServices;
    if (understood && *protocol == ServiceProtocol::fwmark) {
      const auto mark = hex(words[1], UINT32_MAX);
      understood = mark.has_value();
      service.fwmark = static_cast<std::uint32_t>(mark.value_or(0));
    } else if (understood) {
      const auto vip = table_endpoint(words[1]);
      understood = vip.has_value();
      if (vip) {
        service.vip = vip->address;
        service.port = vip->port;
        service.v6 = !vip->address.is_v4();
      }
    }
    if (!understood) {
      reading.note(number, "no service that is understood");
      continue;
    }
    service.protocol = *protocol;
    service.scheduler = printable(words[2], kMaxName);
    for (std::size_t i = 3; i < words.size(); ++i) {
      if (words[i] == "ops") service.one_packet = true;
      std::uint64_t seconds = 0;
      if (words[i] == "persistent" && i + 1 < words.size() && parse_number(words[i + 1], UINT32_MAX, seconds)) {
        service.persistence = static_cast<std::uint32_t>(seconds);
        const auto mask = i + 2 < words.size() ? hex(words[i + 2], UINT32_MAX) : std::nullopt;
        if (mask && !service.v6) service.persistence_prefix = prefix_of_mask(static_cast<std::uint32_t>(*mask));
      }
    }
    services.push_back(std::move(service));
  }
  merge_services(state.ipvs.services, services);
  if (headed) state.ipvs.present = true;
  if (!headed && reading.problem.empty()) reading.problem = "no table of IPVS";
  reading.known = headed && reading.problem.empty();
  if (reading.known) state.known.services = true;
  return reading;
}

Reading parse_proc_ip_vs_conn(std::string_view text, KernelState& state) {
  Reading reading;
  std::size_t number = 0;
  bool headed = false;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "Pro") {
      headed = true;
      continue;
    }
    IpvsConnection connection;
    const bool mark = words[0] == "IP";  // template of a firewall mark: ToIP is the mark (ip_vs_conn_seq_show)
    bool understood = words.size() >= 9 && (mark || words[0] == "TCP" || words[0] == "UDP" || words[0] == "SCTP");
    if (understood) {
      const auto client = table_address(words[1]), rip = table_address(words[5]);
      const auto vip = table_address(words[3]);
      const auto cport = hex(words[2], 65535), vport = hex(words[4], 65535), dport = hex(words[6], 65535);
      std::uint64_t expires = 0;
      understood = client && rip && vip && cport && vport && dport && parse_number(words[8], UINT32_MAX, expires);
      if (understood) {
        connection.protocol = static_cast<std::uint8_t>(words[0] == "TCP"    ? 6
                                                        : words[0] == "UDP"  ? 17
                                                        : words[0] == "SCTP" ? 132
                                                                             : 0);
        connection.client = {*client, static_cast<std::uint16_t>(*cport)};
        connection.rip = {*rip, static_cast<std::uint16_t>(*dport)};
        if (mark) {
          // The mark stands in the low 32 bits of the address that is printed.
          const auto& b = vip->bytes;
          const auto be32 = [&b](std::size_t at) {
            return std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 | std::uint32_t{b[at + 2]} << 8 | b[at + 3];
          };
          connection.fwmark = vip->is_v4() ? vip->v4_value() : be32(0) != 0 ? be32(0) : be32(12);
        } else {
          connection.vip = {*vip, static_cast<std::uint16_t>(*vport)};
        }
        connection.state = printable(words[7], kMaxName);
        connection.expires = static_cast<std::uint32_t>(expires);
      }
    }
    if (!understood) {
      reading.note(number, "no connection that is understood");
      continue;
    }
    if (state.ipvs.connections.size() >= kMaxIpvsConnections) {
      state.ipvs.connections_complete = false;
      break;
    }
    state.ipvs.connections.push_back(std::move(connection));
  }
  if (!headed && reading.problem.empty()) reading.problem = "no table of IPVS connections";
  reading.known = headed && reading.problem.empty();
  if (headed) state.ipvs.present = true;
  if (reading.known) state.known.connections = true;
  return reading;
}

Reading parse_proc_ip_vs_stats(std::string_view text, KernelState& state) {
  Reading reading;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.size() != 5) continue;
    ServiceCounters totals;
    std::uint64_t* const fields[] = {&totals.connections, &totals.packets_in, &totals.packets_out, &totals.bytes_in,
                                     &totals.bytes_out};
    bool all = true;
    for (std::size_t i = 0; i < 5; ++i) {
      const auto value = hex(words[i]);
      all = all && value.has_value();
      *fields[i] = value.value_or(0);
    }
    if (!all) continue;
    state.ipvs.totals = totals;  // the first such row; rates follow below
    state.ipvs.present = true;
    reading.known = true;
    return reading;
  }
  reading.problem = "no totals in it";
  return reading;
}

Reading parse_proc_rt_cache(std::string_view text, KernelState& state) {
  constexpr std::uint64_t kRedirected = 0x00040000;
  struct Row {
    std::string dev;
    std::uint32_t destination, gateway, source;
  };
  Reading reading;
  std::vector<Row> rows;
  std::size_t number = 0;
  bool big = false;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty() || words[0] == "Iface") continue;
    const bool whole = words.size() >= 8;
    const auto destination = whole ? hex(words[1], UINT32_MAX) : std::nullopt;
    const auto gateway = whole ? hex(words[2], UINT32_MAX) : std::nullopt;
    const auto flags = whole ? hex(words[3]) : std::nullopt;
    const auto source = whole ? hex(words[7], UINT32_MAX) : std::nullopt;
    if (!destination || !gateway || !flags || !source) {
      reading.note(number, "no entry of the routing cache that is understood");
      continue;
    }
    reading.known = true;
    // Network-order words as host integers; the loopback address tells which order that is, and most hosts are little-endian.
    big = big || *destination == 0x7f000001 || *source == 0x7f000001;
    if ((*flags & kRedirected) == 0) continue;
    if (rows.size() >= kMaxRoutes) {
      reading.note(number, "more entries than are kept");
      break;
    }
    rows.push_back({printable(words[0], kMaxName), static_cast<std::uint32_t>(*destination), static_cast<std::uint32_t>(*gateway),
                    static_cast<std::uint32_t>(*source)});
  }
  const auto host = [big](std::uint32_t v) { return Address::v4(big ? v : __builtin_bswap32(v)); };
  for (const Row& row : rows) {
    RouteException e;
    e.destination = host(row.destination);
    if (row.gateway != row.destination) e.gateway = host(row.gateway);
    if (row.source != 0) e.source = host(row.source);
    e.dev = row.dev == "*" ? std::string{} : row.dev;
    e.redirected = true;
    state.exceptions.push_back(std::move(e));
  }
  return reading;
}

Reading parse_proc_route(std::string_view text, KernelState& state) {
  constexpr std::uint64_t kUp = 0x1, kGateway = 0x2, kReject = 0x200;
  struct Row {
    std::string dev;
    std::uint32_t destination, gateway, mask, metric;
    std::uint64_t flags;
    std::size_t line;
  };
  Reading reading;
  std::vector<Row> rows;
  std::size_t number = 0;
  bool headed = false;
  const auto is_mask = [](std::uint32_t m) { return (m & (~m >> 1)) == 0 && (m == 0 || (m & 0x80000000u) != 0); };
  bool little = true, big = true;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "Iface") {
      headed = true;
      continue;
    }
    const auto destination = words.size() >= 8 ? hex(words[1], UINT32_MAX) : std::nullopt;
    const auto gateway = words.size() >= 8 ? hex(words[2], UINT32_MAX) : std::nullopt;
    const auto flags = words.size() >= 8 ? hex(words[3]) : std::nullopt;
    const auto mask = words.size() >= 8 ? hex(words[7], UINT32_MAX) : std::nullopt;
    std::uint64_t metric = 0;
    if (!destination || !gateway || !flags || !mask || !parse_number(words[6], UINT32_MAX, metric) || rows.size() >= kMaxRoutes) {
      reading.note(number, "no route that is understood");
      continue;
    }
    rows.push_back({printable(words[0], kMaxName), static_cast<std::uint32_t>(*destination), static_cast<std::uint32_t>(*gateway),
                    static_cast<std::uint32_t>(*mask), static_cast<std::uint32_t>(metric), *flags, number});
    little = little && is_mask(__builtin_bswap32(rows.back().mask));
    big = big && is_mask(rows.back().mask);
  }
  // The kernel prints network-order words as host integers: which order that is, the masks tell (little endian where both fit).
  const bool swap = little || !big;
  const auto host = [swap](std::uint32_t v) { return swap ? __builtin_bswap32(v) : v; };
  for (const Row& row : rows) {
    if (!is_mask(host(row.mask))) {
      reading.note(row.line, "no route that is understood");
      continue;
    }
    if ((row.flags & kUp) == 0) continue;
    Route route;
    route.destination =
        Prefix{Address::v4(host(row.destination & row.mask)), static_cast<std::uint8_t>(__builtin_popcount(row.mask))};
    route.metric = row.metric;
    if ((row.flags & kReject) != 0) route.type = RouteType::unreachable;
    NextHop hop;
    hop.dev = row.dev == "*" ? std::string{} : row.dev;
    if ((row.flags & kGateway) != 0) hop.gateway = Address::v4(host(row.gateway));
    if (!hop.dev.empty()) route.nexthops.push_back(std::move(hop));
    state.routes.push_back(std::move(route));
  }
  if (!headed && reading.problem.empty()) reading.problem = "no routing table";
  reading.known = headed && reading.problem.empty();
  return reading;
}

Reading parse_proc_arp(std::string_view text, KernelState& state) {
  constexpr std::uint64_t kComplete = 0x2, kPermanent = 0x4;
  constexpr std::size_t kMaxNeighbours = 500'000;
  Reading reading;
  std::size_t number = 0;
  bool headed = false;
  std::map<std::pair<Address, std::string>, std::size_t> known;
  for (std::size_t i = 0; i < state.neighbours.size(); ++i)
    known.emplace(std::pair{state.neighbours[i].address, state.neighbours[i].dev}, i);
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "IP") {
      headed = true;
      continue;
    }
    const auto address = words.size() >= 6 ? parse_address(words[0]) : std::nullopt;
    const auto flags = words.size() >= 6 && words[2].starts_with("0x") ? hex(words[2].substr(2)) : std::nullopt;
    if (!address || !flags || state.neighbours.size() >= kMaxNeighbours) {
      reading.note(number, "no ARP entry that is understood");
      continue;
    }
    Neighbour neighbour;
    neighbour.address = *address;
    neighbour.dev = printable(words[5], kMaxName);
    if (const auto mac = parse_mac(words[3])) neighbour.mac = *mac;
    // /proc/net/arp knows only complete, permanent and not.
    neighbour.state = (*flags & kPermanent) != 0 ? "PERMANENT" : (*flags & kComplete) != 0 ? "STALE" : "INCOMPLETE";
    if (known.emplace(std::pair{neighbour.address, neighbour.dev}, state.neighbours.size()).second) {
      state.neighbours.push_back(std::move(neighbour));
    }
  }
  if (!headed && reading.problem.empty()) reading.problem = "no ARP table";
  reading.known = headed && reading.problem.empty();
  if (reading.known) state.known.neighbours = true;
  return reading;
}

Reading parse_proc_counters(std::string_view text, KernelState& state) {
  Reading reading;
  const auto lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto names = words_of(lines[i]);
    if (names.empty()) continue;
    const auto values = i + 1 < lines.size() ? words_of(lines[i + 1]) : std::vector<std::string_view>{};
    // A head line and a value line, with the same group and length.
    if (values.size() != names.size() || names[0] != values[0] || !names[0].ends_with(':')) {
      reading.note(i + 1, "no pair of names and values");
      continue;
    }
    for (std::size_t k = 1; k < names.size() && state.counters.size() < kMaxCounters; ++k) {
      std::int64_t value = 0;  // Tcp:MaxConn is -1
      const char* end = values[k].data() + values[k].size();
      const auto [stop, error] = std::from_chars(values[k].data(), end, value);
      if (error == std::errc{} && stop == end)
        state.counters[printable(names[0], kMaxName) + printable(names[k], kMaxName)] = value;
    }
    ++i;
    reading.known = true;
  }
  if (!reading.known && reading.problem.empty()) reading.problem = "no counters in it";
  if (reading.known) state.known.counters = true;
  return reading;
}

Reading parse_proc_modules(std::string_view text, KernelState& state) {
  Reading reading;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty() || (words.size() >= 2 && words[0] == "Module" && words[1] == "Size")) continue;  // lsmod's head
    std::uint64_t size = 0, users = 0;
    if (words.size() < 3 || !parse_number(words[1], UINT64_MAX, size) ||
        !(words[2] == "-" || parse_number(words[2], UINT64_MAX, users)) || state.modules.size() >= kMaxModules) {
      reading.note(number, "no module");
      continue;
    }
    state.modules.push_back({printable(words[0], kMaxName), users});
  }
  reading.known = reading.problem.empty();
  if (reading.known) state.known.modules = true;
  return reading;
}

Reading parse_proc_ip_vs_app(std::string_view text, KernelState& state) {
  // "prot port    usecnt name", then "TCP  21      0      ftp" (ip_vs_app_seq_show()).
  constexpr std::size_t kMaxHelpers = 1'000;
  Reading reading;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    const auto words = words_of(line);
    if (++number == 1 || words.empty()) continue;
    std::uint64_t port = 0;
    if (words.size() < 4 || !parse_number(words[1], 65535, port) || state.ipvs.helpers.size() >= kMaxHelpers) {
      reading.note(number, "no helper");
      continue;
    }
    const std::uint8_t protocol = words[0] == "TCP" ? 6 : words[0] == "UDP" ? 17 : words[0] == "SCTP" ? 132 : 0;
    state.ipvs.helpers.push_back({protocol, static_cast<std::uint16_t>(port), printable(words[3], kMaxName)});
  }
  if (number == 0) reading.problem = "empty";
  reading.known = reading.problem.empty();
  state.known.helpers = reading.known;
  return reading;
}

void parse_legacy_tables(std::string_view text, bool v6, KernelState& state) {
  std::vector<std::string>& tables = v6 ? state.legacy_tables_v6 : state.legacy_tables_v4;
  for (const std::string_view line : lines_of(text)) {
    constexpr std::size_t kMaxTables = 16;
    const std::string name = printable(trim(line), kMaxName);
    if (name.empty() || tables.size() >= kMaxTables || std::find(tables.begin(), tables.end(), name) != tables.end()) continue;
    tables.push_back(name);
  }
  (v6 ? state.known.legacy_tables_v6 : state.known.legacy_tables_v4) = true;
}

void tell_legacy_tables(bool v6, KernelState& state) {
  const std::vector<std::string>& tables = v6 ? state.legacy_tables_v6 : state.legacy_tables_v4;
  if (tables.empty()) return;
  std::string names;
  for (const std::string& table : tables) names += (names.empty() ? "" : ", ") + table;
  const std::string command = v6 ? "ip6tables-legacy" : "iptables-legacy";
  state.gaps.push_back({"rules of " + command,
                        "there are tables of it (" + names + "); reading them takes a program: " + command + "-save",
                        "whether one of them drops or rewrites requests or replies"});
}

}  // namespace lvsnat
