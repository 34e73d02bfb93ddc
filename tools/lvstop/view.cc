#include "view.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "lvsnat/finding.h"

namespace lvsnat::top {
namespace {

constexpr std::array<std::string_view, kViews> kViewNames{"overview", "connections", "findings", "real-servers", "host"};
constexpr std::array<std::string_view, kSorts> kSortNames{"finding",        "legs",       "client",      "VIP",
                                                          "real server",    "state",      "age",         "time left",
                                                          "idle",           "packets",    "answer time", "time in the director",
                                                          "handshake time", "round trip", "bytes",       "sent again"};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string name_of(const View& view, const Address& address) {
  if (!view.show_names) return {};
  const auto it = view.names->find(address);
  return it == view.names->end() ? std::string() : it->second;
}

std::int64_t packets_of(const Connection& c) {
  return std::accumulate(c.legs.begin(), c.legs.end(), std::int64_t{0},
                         [](std::int64_t sum, const LegCount& leg) { return sum + leg.packets; });
}
std::int64_t bytes_of(const Connection& c) {
  return std::accumulate(c.legs.begin(), c.legs.end(), std::int64_t{0},
                         [](std::int64_t sum, const LegCount& leg) { return sum + static_cast<std::int64_t>(leg.bytes); });
}
std::int64_t repeats_of(const Connection& c) {
  return std::accumulate(c.legs.begin(), c.legs.end(), std::int64_t{0},
                         [](std::int64_t sum, const LegCount& leg) { return sum + leg.repeats; });
}

std::string words_of(const View& view, const Connection& c) {
  std::string words;
  if (!view.show_names || view.names->empty()) return words;
  words = name_of(view, c.client.address);
  if (c.vip) words += ' ' + name_of(view, c.vip->address);
  if (c.rip) words += ' ' + name_of(view, c.rip->address);
  return lower(std::move(words));
}

constexpr std::uint32_t kConnectionFields = 0xffffffff;
constexpr std::uint32_t kServerFields = bit(Field::word) | bit(Field::vip) | bit(Field::rip) | bit(Field::port) |
                                        bit(Field::proto) | bit(Field::code) | bit(Field::ms);

bool passes(const Snapshot& s, const ConnectionRow& row, const Filter& filter, const std::string& words,
            const std::string& legs) {
  const Connection& c = row.connection;
  FilterSubject subject;
  subject.has = kConnectionFields;
  subject.cip = c.client, subject.vip = c.vip, subject.rip = c.rip;
  subject.protocol = c.protocol;
  subject.state = row.ipvs_state.empty() ? name(c.state) : std::string_view(row.ipvs_state);
  subject.legs = legs;
  subject.codes = row.codes;
  subject.age = age_of(c, s.now), subject.idle = idle_of(c, s.now);
  subject.ms = c.response ? c.response : c.real_server;
  if (c.director_request) subject.director = *c.director_request + c.director_reply.value_or(0);
  subject.rtt = c.client_rtt;
  subject.packets = packets_of(c), subject.bytes = bytes_of(c), subject.repeats = repeats_of(c);
  subject.words = words;
  return filter.matches(subject);
}

std::uint8_t protocol_of(const Service& service) {
  switch (service.protocol) {
    case ServiceProtocol::tcp:
      return 6;
    case ServiceProtocol::udp:
      return 17;
    case ServiceProtocol::sctp:
      return 132;
    default:
      return 0;
  }
}

bool passes(const View& view, const ServiceRow& service, const RealServerRow* server) {
  FilterSubject subject;
  subject.has = kServerFields;
  if (server == nullptr) subject.has &= ~(bit(Field::rip) | bit(Field::ms));
  if (service.service.protocol != ServiceProtocol::fwmark) subject.vip = Endpoint{service.service.vip, service.service.port};
  if (server != nullptr) subject.rip = Endpoint{server->destination.rip, server->port};
  subject.protocol = protocol_of(service.service);
  const Tally& tally = server != nullptr ? server->tally : service.tally;
  subject.codes = tally.codes;
  if (tally.response) subject.ms = tally.response->p50;
  std::string words = lower(service.name);
  if (subject.vip) words += ' ' + lower(name_of(view, subject.vip->address));
  if (server != nullptr) words += ' ' + lower(name_of(view, server->destination.rip));
  subject.words = words;
  return view.filter.matches(subject);
}

bool passes(const Finding& f, const Filter& filter) {
  FilterSubject subject;
  subject.has = bit(Field::word) | bit(Field::code) | bit(Field::legs) | bit(Field::rip) | bit(Field::cip);
  const int codes[]{f.code};
  subject.codes = codes;
  std::string legs = f.legs ? f.legs->str() : "";
  if (!f.legs) subject.has &= ~bit(Field::legs);
  subject.legs = legs;
  const auto address = [](const std::optional<std::string>& text) -> std::optional<Endpoint> {
    if (!text) return std::nullopt;
    const auto parsed = parse_address(*text);
    return parsed ? std::optional(Endpoint{*parsed, 0}) : std::nullopt;
  };
  subject.rip = address(f.subject.real_server);
  subject.cip = address(f.subject.client);
  if (!subject.rip) subject.has &= ~bit(Field::rip);
  if (!subject.cip) subject.has &= ~bit(Field::cip);
  const std::string words = lower(f.title + ' ' + f.subject.service.value_or("") + ' ' + f.subject.interface.value_or("") + ' ' +
                                  f.subject.gateway.value_or(""));
  subject.words = words;
  return filter.matches(subject);
}

/// Smaller comes first.
int compare(const Snapshot& s, SortBy by, const ConnectionRow& a, const ConnectionRow& b) {
  const auto three = [](auto x, auto y) { return x < y ? -1 : y < x ? 1 : 0; };
  const Connection &ca = a.connection, &cb = b.connection;
  switch (by) {
    case SortBy::finding: {
      const auto rank = [](const ConnectionRow& r) {
        return r.worst ? 2 + static_cast<int>(*r.worst) : is_broken(r.connection) ? 1 : 0;
      };
      if (const int order = three(rank(b), rank(a)); order != 0) return order;
      return three(cb.last, ca.last);
    }
    case SortBy::legs:
      return ca.leg_string.text < cb.leg_string.text ? -1 : cb.leg_string.text < ca.leg_string.text ? 1 : 0;
    case SortBy::client:
      return three(ca.client, cb.client);
    case SortBy::vip:
      return three(ca.vip.value_or(Endpoint{}), cb.vip.value_or(Endpoint{}));
    case SortBy::real_server:
      return three(ca.rip.value_or(Endpoint{}), cb.rip.value_or(Endpoint{}));
    case SortBy::state:
      return three(static_cast<int>(ca.state), static_cast<int>(cb.state));
    case SortBy::age:
      return three(cb.first, ca.first);  // youngest first
    case SortBy::left:
      return three(a.expires.value_or(UINT32_MAX), b.expires.value_or(UINT32_MAX));
    case SortBy::idle:
      return three(ca.last, cb.last);  // longest idle first
    case SortBy::answer: {
      const auto of = [](const Connection& c) { return c.response ? *c.response : c.real_server.value_or(-1); };
      return three(of(cb), of(ca));
    }
    case SortBy::director:
      return three(cb.director_request.value_or(-1), ca.director_request.value_or(-1));
    case SortBy::handshake:
      return three(cb.real_server.value_or(-1), ca.real_server.value_or(-1));
    case SortBy::rtt:
      return three(cb.client_rtt.value_or(-1), ca.client_rtt.value_or(-1));
    case SortBy::repeats:
      return three(repeats_of(cb), repeats_of(ca));
    case SortBy::packets:
      return three(packets_of(cb), packets_of(ca));
    case SortBy::bytes:
      return three(bytes_of(cb), bytes_of(ca));
  }
  (void)s;
  return 0;
}

}  // namespace

std::string_view name(ViewName v) { return kViewNames[index(v)]; }
std::string_view name(SortBy by) { return kSortNames[static_cast<std::size_t>(by)]; }

std::optional<ViewName> find_view(std::string_view text) {
  std::string wanted = lower(std::string(text));
  std::replace(wanted.begin(), wanted.end(), '_', '-');
  std::replace(wanted.begin(), wanted.end(), ' ', '-');
  for (std::size_t i = 0; i < kViews; ++i) {
    if (wanted == kViewNames[i] || wanted == std::to_string(i + 1)) return static_cast<ViewName>(i);
  }
  return std::nullopt;
}

std::uint8_t scope_of(ViewName v) {
  constexpr std::array<std::uint8_t, kViews> scopes{kOverview, kConnections, kFindings, kRealServers, kHost};
  return scopes[index(v)];
}

std::size_t Listing::rows(ViewName v) const {
  switch (v) {
    case ViewName::overview:
      return overview.size();
    case ViewName::connections:
      return connections.size();
    case ViewName::findings:
      return findings.size();
    case ViewName::real_servers:
      return real_servers.size();
    case ViewName::host:
      return facts.size();
  }
  return 0;
}

Listing list_rows(const Snapshot& s, const View& view) {
  Listing listing;
  const Filter& filter = view.filter;
  // By address, whatever order the kernel or the packets brought them in: a row that jumps cannot be read.
  std::vector<std::size_t> services(s.services.size());
  std::iota(services.begin(), services.end(), std::size_t{0});
  std::stable_sort(services.begin(), services.end(), [&](std::size_t a, std::size_t b) {
    const auto rank = [&](std::size_t i) {
      const Service& service = s.services[i].service;
      return std::make_tuple(service.protocol == ServiceProtocol::fwmark, service.vip, service.port, service.protocol,
                             service.fwmark.value_or(0));
    };
    return rank(a) < rank(b);
  });
  for (const std::size_t i : services) {
    const ServiceRow& service = s.services[i];
    const bool whole = filter.empty() || passes(view, service, nullptr);
    std::vector<int> servers;
    for (std::size_t j = 0; j < service.real_servers.size(); ++j) {
      if (filter.empty() || passes(view, service, &service.real_servers[j])) {
        servers.push_back(static_cast<int>(j));
      }
    }
    const auto by_address = [&service](int a, int b) {
      const RealServerRow &x = service.real_servers[static_cast<std::size_t>(a)],
                          &y = service.real_servers[static_cast<std::size_t>(b)];
      return std::tie(x.destination.rip, x.port) < std::tie(y.destination.rip, y.port);
    };
    std::stable_sort(servers.begin(), servers.end(), by_address);
    for (const int j : servers) listing.real_servers.push_back({i, j});
    if (servers.empty() && !(whole && service.real_servers.empty())) continue;
    listing.overview.push_back({i, -1});
    if (view.folded.contains(service.name)) continue;
    for (const int j : servers) listing.overview.push_back({i, j});
  }

  for (std::size_t i = 0; i < s.connections.size(); ++i) {
    const ConnectionRow& row = s.connections[i];
    if (view.problems_only && row.codes.empty() && !is_broken(row.connection)) continue;
    if (!filter.empty()) {
      const std::string words = words_of(view, row.connection);
      if (!passes(s, row, filter, words, row.connection.leg_string.str())) continue;
    }
    listing.connections.push_back(i);
  }
  const SortBy by = view.follow ? SortBy::age : view.sort;
  const bool inverted = !view.follow && view.inverted;
  std::stable_sort(listing.connections.begin(), listing.connections.end(), [&](std::size_t a, std::size_t b) {
    int order = compare(s, by, s.connections[a], s.connections[b]);
    if (inverted) order = -order;
    if (order != 0) return order < 0;
    return id_of(s.connections[a].connection) < id_of(s.connections[b].connection);
  });

  for (std::size_t i = 0; i < s.report.findings.size(); ++i) {
    if (filter.empty() || passes(s.report.findings[i], filter)) listing.findings.push_back(i);
  }
  listing.facts.resize(s.facts.size());
  std::iota(listing.facts.begin(), listing.facts.end(), std::size_t{0});
  return listing;
}

std::string row_key(const Snapshot& s, const Listing& listing, ViewName v, std::size_t row) {
  switch (v) {
    case ViewName::overview:
    case ViewName::real_servers: {
      const Listing::OverviewRow& r = v == ViewName::overview ? listing.overview[row] : listing.real_servers[row];
      const ServiceRow& service = s.services[r.service];
      if (r.real_server < 0) return service.name;
      const RealServerRow& server = service.real_servers[static_cast<std::size_t>(r.real_server)];
      return service.name + ' ' + to_string(Endpoint{server.destination.rip, server.port});
    }
    case ViewName::connections: {
      const Connection& c = s.connections[listing.connections[row]].connection;
      return std::to_string(c.record) + ' ' + std::to_string(c.first);
    }
    case ViewName::findings: {
      const Finding& f = s.report.findings[listing.findings[row]];
      return std::to_string(f.code) + ' ' + f.subject.service.value_or("") + ' ' + f.subject.real_server.value_or("") + ' ' +
             f.subject.client.value_or("") + ' ' + f.subject.interface.value_or("");
    }
    case ViewName::host: {
      const Fact& f = s.facts[listing.facts[row]];
      return f.section + ' ' + f.name;
    }
  }
  return {};
}

std::string row_text(const Snapshot& s, const Listing& listing, const View& view, std::size_t row) {
  const ViewName v = view.current;
  std::string text;
  const auto add = [&](std::string_view part) { text.append(text.empty() ? "" : " ").append(part); };
  const auto add_codes = [&](const std::vector<int>& codes) {
    for (const int code : codes) add(code_name(code));
  };
  switch (v) {
    case ViewName::overview:
    case ViewName::real_servers: {
      const Listing::OverviewRow& r = v == ViewName::overview ? listing.overview[row] : listing.real_servers[row];
      const ServiceRow& service = s.services[r.service];
      if (r.real_server < 0) {
        add(service.name), add(name_of(view, service.service.vip)), add_codes(service.tally.codes);
      } else {
        const RealServerRow& server = service.real_servers[static_cast<std::size_t>(r.real_server)];
        add(to_string(Endpoint{server.destination.rip, server.port})), add(name_of(view, server.destination.rip)),
            add_codes(server.tally.codes);
        if (v == ViewName::real_servers) add(service.name);
      }
      break;
    }
    case ViewName::connections: {
      const ConnectionRow& r = s.connections[listing.connections[row]];
      const Connection& c = r.connection;
      add(c.leg_string.str()), add(to_string(c.client));
      if (c.vip) add(to_string(*c.vip));
      if (c.rip) add(to_string(*c.rip));
      add(name(c.state)), add(r.ipvs_state), add_codes(r.codes), add(words_of(view, c));
      break;
    }
    case ViewName::findings: {
      const Finding& f = s.report.findings[listing.findings[row]];
      add(code_name(f.code)), add(f.title), add(f.subject.service.value_or("")), add(f.subject.real_server.value_or(""));
      add(f.subject.client.value_or("")), add(f.cause);
      break;
    }
    case ViewName::host: {
      const Fact& f = s.facts[listing.facts[row]];
      add(f.section), add(f.name), add(f.value), add(f.note);
      break;
    }
  }
  return lower(std::move(text));
}

void settle(const Snapshot& s, const Listing& listing, View& view, int height, int lines_per_row) {
  Selection& selection = view.selection();
  const auto count = static_cast<int>(listing.rows(view.current));
  if (count == 0) {
    selection.row = selection.top = 0;
    return;
  }
  const auto key_at = [&](int row) { return row_key(s, listing, view.current, static_cast<std::size_t>(row)); };
  const bool follow = view.follow && view.current == ViewName::connections;
  if (selection.key.empty() || follow) {
    selection.row = follow ? 0 : std::clamp(selection.row, 0, count - 1);
  } else if (selection.row >= count || selection.row < 0 || key_at(selection.row) != selection.key) {
    int found = -1;
    for (int row = 0; row < count && found < 0; ++row) {
      if (key_at(row) == selection.key) found = row;
    }
    selection.row = found >= 0 ? found : std::clamp(selection.row, 0, count - 1);
  }
  selection.key = key_at(selection.row);
  const int visible = std::max(1, height / std::max(1, lines_per_row));
  if (selection.row < selection.top) selection.top = selection.row;
  if (selection.row >= selection.top + visible) selection.top = selection.row - visible + 1;
  selection.top = std::clamp(selection.top, 0, std::max(0, count - visible));
}

const Finding* selected_finding(const Scene& scene) {
  const Snapshot& s = scene.snapshot;
  const auto count = scene.listing.rows(scene.view.current);
  const auto row = static_cast<std::size_t>(std::max(0, scene.view.selection().row));
  if (row >= count) return nullptr;
  const auto of = [&](const std::vector<int>& codes, const std::string& rip) -> const Finding* {
    for (const int code : codes) {
      for (const Finding& f : s.report.findings) {
        if (f.code == code && (!f.subject.real_server || rip.empty() || *f.subject.real_server == rip)) return &f;
      }
      if (const Finding* f = find_finding(s, code)) return f;
    }
    return nullptr;
  };
  switch (scene.view.current) {
    case ViewName::overview:
    case ViewName::real_servers: {
      const Listing::OverviewRow& r =
          scene.view.current == ViewName::overview ? scene.listing.overview[row] : scene.listing.real_servers[row];
      const ServiceRow& service = s.services[r.service];
      if (r.real_server < 0) return of(service.tally.codes, "");
      const RealServerRow& server = service.real_servers[static_cast<std::size_t>(r.real_server)];
      return of(server.tally.codes, to_string(server.destination.rip));
    }
    case ViewName::connections: {
      const ConnectionRow& r = s.connections[scene.listing.connections[row]];
      return of(r.codes, r.connection.rip ? to_string(r.connection.rip->address) : "");
    }
    case ViewName::findings:
      return &s.report.findings[scene.listing.findings[row]];
    case ViewName::host:
      return nullptr;
  }
  return nullptr;
}

std::string address_text(const Scene& scene, const Address& address) {
  if (!scene.view.show_names) return to_string(address);
  if (std::string known = name_of(scene.view, address); !known.empty()) return known;
  // A screen shows some hundred addresses at most.
  constexpr std::size_t kMostNameless = 1'000;
  if (scene.nameless != nullptr && scene.nameless->size() < kMostNameless) scene.nameless->insert(address);
  return to_string(address);
}

std::string endpoint_text(const Scene& scene, const Endpoint& endpoint) {
  std::string text = scene.view.show_names ? address_text(scene, endpoint.address) : std::string();
  if (text.empty() || scene.view.names->find(endpoint.address) == scene.view.names->end()) return to_string(endpoint);
  return text + ':' + std::to_string(endpoint.port);
}

}  // namespace lvsnat::top
