// Rules as ipvsadm-save writes them. Options and defaults: ipvsadm 1.31, parse_options() and process_options().
#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

#include "base/text.h"
#include "state/ipvsadm_text.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxName = 64;

enum class Command { none, add_service, edit_service, delete_service, clear, add_server, edit_server, delete_server, set, other };

struct Option {
  std::string_view shorthand, word;
  char id;
  bool takes_value;
};
// Commands have capital or d/a/e ids as in ipvsadm; '1'.. are long options without a letter.
constexpr Option kOptions[] = {
    {"-A", "--add-service", 'A', false},
    {"-E", "--edit-service", 'E', false},
    {"-D", "--delete-service", 'D', false},
    {"-C", "--clear", 'C', false},
    {"-R", "--restore", 'R', false},
    {"-S", "--save", 'S', false},
    {"-L", "--list", 'L', false},
    {"-l", "--list", 'L', false},
    {"-Z", "--zero", 'Z', false},
    {"-a", "--add-server", 'a', false},
    {"-e", "--edit-server", 'e', false},
    {"-d", "--delete-server", 'd', false},
    {"", "--set", '1', false},
    {"", "--start-daemon", '2', true},
    {"", "--stop-daemon", '3', true},
    {"-t", "--tcp-service", 't', true},
    {"-u", "--udp-service", 'u', true},
    {"", "--sctp-service", '4', true},
    {"-f", "--fwmark-service", 'f', true},
    {"-6", "--ipv6", '6', false},
    {"-s", "--scheduler", 's', true},
    {"-b", "--sched-flags", 'b', true},
    {"-p", "--persistent", 'p', false},
    {"-M", "--netmask", 'M', true},
    {"", "--pe", '5', true},
    {"-o", "--ops", 'o', false},
    {"-O", "--ops", 'o', false},
    {"-r", "--real-server", 'r', true},
    {"-g", "--gatewaying", 'g', false},
    {"-i", "--ipip", 'i', false},
    {"-m", "--masquerading", 'm', false},
    {"-w", "--weight", 'w', true},
    {"-x", "--u-threshold", 'x', true},
    {"-y", "--l-threshold", 'y', true},
    {"", "--tun-type", '7', true},
    {"", "--tun-port", '8', true},
    {"", "--tun-nocsum", '9', false},
    {"", "--tun-csum", '9', false},
    {"", "--tun-remcsum", '9', false},
    {"-n", "--numeric", 'n', false},
    {"", "--mcast-interface", '7', true},
    {"", "--syncid", '7', true},
    {"", "--sync-maxlen", '7', true},
    {"", "--mcast-group", '7', true},
    {"", "--mcast-port", '7', true},
    {"", "--mcast-ttl", '7', true},
};

const Option* find_option(std::string_view word) {
  for (const Option& option : kOptions) {
    if ((!option.shorthand.empty() && option.shorthand == word) || option.word == word) return &option;
  }
  return nullptr;
}

std::string_view transport_of(ServiceProtocol protocol) {
  return protocol == ServiceProtocol::udp ? "udp" : protocol == ServiceProtocol::sctp ? "sctp" : "tcp";
}

class RuleReader {
 public:
  RuleReader(std::string_view name, const NameLookup& lookup, const RuleLimits& limits)
      : name_(name), lookup_(lookup), limits_(limits) {}

  Status read_line(std::string_view line, std::size_t number) {
    line_ = line;
    number_ = number;
    words_ = words_of(line);
    if (words_.empty() || words_[0].starts_with('#')) return ok();
    if (words_[0] == "ipvsadm" || words_[0].ends_with("/ipvsadm")) words_.erase(words_.begin());
    command_ = Command::none;
    service_ = Service{};
    service_.scheduler = "wlc";  // DEF_SCHED
    destination_ = Destination{};
    destination_.method = Method::route;  // -a without -m is direct routing
    destination_.weight = 1;
    has_service_ = has_server_ = false;
    if (const Status options = read_options(); !options) return options;
    return apply();
  }

  IpvsadmRules take() { return std::move(rules_); }

 private:
  using Key = std::tuple<ServiceProtocol, Address, std::uint16_t, std::uint32_t, bool>;
  static Key key_of(const Service& s) { return {s.protocol, s.vip, s.port, s.fwmark.value_or(0), s.v6}; }

  Error error_at(std::string_view word, const std::string& what) const {
    const std::size_t column = word.data() >= line_.data() && word.data() <= line_.data() + line_.size()
                                   ? static_cast<std::size_t>(word.data() - line_.data()) + 1
                                   : 1;
    return Error{ErrorCode::malformed,
                 std::string(name_) + ":" + std::to_string(number_) + ":" + std::to_string(column) + ": " + what};
  }

  Status read_options() {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      std::string_view word = words_[i], value;
      bool attached = false;
      const Option* option = find_option(word);
      if (option == nullptr && word.starts_with("--")) {
        if (const auto equals = word.find('='); equals != std::string_view::npos) {
          value = word.substr(equals + 1);
          option = find_option(word.substr(0, equals));
          attached = option != nullptr && (option->takes_value || option->id == 'p');
          if (!attached) option = nullptr;
        }
      } else if (option == nullptr && word.starts_with('-') && word.size() > 2) {
        value = word.substr(2);
        option = find_option(word.substr(0, 2));
        attached = option != nullptr && (option->takes_value || option->id == 'p');
        if (!attached) option = nullptr;
      }
      if (option == nullptr) return error_at(word, "'" + printable(word, 80) + "' is no option of ipvsadm");
      if (option->takes_value && !attached) {
        if (i + 1 >= words_.size()) return error_at(word, printable(word, 80) + " wants a value");
        value = words_[++i];
      }
      if (option->id == 'p' && !attached && i + 1 < words_.size() && !words_[i + 1].starts_with('-')) value = words_[++i];
      if (option->id == '1') {
        if (const Status set = read_timeouts(i); !set) return set;
        continue;
      }
      if (const Status one = read_option(*option, word, value); !one) return one;
    }
    return ok();
  }

  Status read_timeouts(std::size_t& i) {
    std::uint64_t values[3] = {};
    for (std::uint64_t& value : values) {
      if (++i >= words_.size()) return error_at(words_.back(), "--set wants three numbers of seconds (tcp, tcpfin, udp)");
      if (!parse_number(words_[i], UINT32_MAX, value))
        return error_at(words_[i], "'" + printable(words_[i], 80) + "' is no number of seconds");
    }
    command_ = Command::set;
    // 0 leaves a timeout as it is.
    ServiceTimeouts timeouts = rules_.timeouts.value_or(ServiceTimeouts{});
    if (values[0] != 0) timeouts.tcp = static_cast<std::uint32_t>(values[0]);
    if (values[1] != 0) timeouts.tcp_fin = static_cast<std::uint32_t>(values[1]);
    if (values[2] != 0) timeouts.udp = static_cast<std::uint32_t>(values[2]);
    rules_.timeouts = timeouts;
    return ok();
  }

  Status command(std::string_view word, Command c) {
    if (command_ != Command::none) return error_at(word, "a second command on one line");
    command_ = c;
    return ok();
  }

  Status service_selector(std::string_view word, std::string_view value, ServiceProtocol protocol) {
    if (has_service_) return error_at(word, "a second service on one line");
    has_service_ = true;
    service_.protocol = protocol;
    if (protocol == ServiceProtocol::fwmark) {
      std::uint64_t mark = 0;
      if (!parse_number(value, UINT32_MAX, mark) || mark == 0) {
        return error_at(value, "'" + printable(value, 80) + "' is no firewall mark (1 to 4294967295)");
      }
      service_.fwmark = static_cast<std::uint32_t>(mark);
      return ok();
    }
    const auto vip = parse_host_port(value, transport_of(protocol), lookup_);
    if (!vip) return error_at(value, "'" + printable(value, 80) + "' is no VIP:PORT" + hint(value));
    service_.vip = vip->address;
    service_.port = vip->port;
    service_.v6 = !vip->address.is_v4();
    return ok();
  }

  /// Names that no table knows are the commonest reason; say so.
  static std::string hint(std::string_view value) {
    const bool letters =
        std::any_of(value.begin(), value.end(), [](char c) { return (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z'); });
    return letters ? " (is it a name? save with `ipvsadm -Sn`, or give --name NAME=ADDRESS)" : "";
  }

  Status read_option(const Option& option, std::string_view word, std::string_view value) {
    std::uint64_t number = 0;
    switch (option.id) {
      case 'A':
        return command(word, Command::add_service);
      case 'E':
        return command(word, Command::edit_service);
      case 'D':
        return command(word, Command::delete_service);
      case 'C':
        return command(word, Command::clear);
      case 'a':
        return command(word, Command::add_server);
      case 'e':
        return command(word, Command::edit_server);
      case 'd':
        return command(word, Command::delete_server);
      case 'R':
      case 'S':
      case 'L':
      case 'Z':
      case '2':
      case '3':
        return command(word, Command::other);
      case 't':
        return service_selector(word, value, ServiceProtocol::tcp);
      case 'u':
        return service_selector(word, value, ServiceProtocol::udp);
      case '4':
        return service_selector(word, value, ServiceProtocol::sctp);
      case 'f':
        return service_selector(word, value, ServiceProtocol::fwmark);
      case '6':
        service_.v6 = true;
        return ok();
      case 's':
        service_.scheduler = printable(value, kMaxName);
        return ok();
      case 'p':
        if (value.empty()) {
          service_.persistence = 300;  // IPVS_SVC_PERSISTENT's default, ipvsadm.c
        } else if (parse_number(value, UINT32_MAX, number) && number > 0) {
          service_.persistence = static_cast<std::uint32_t>(number);
        } else {
          return error_at(value, "'" + printable(value, 80) + "' is no number of seconds");
        }
        return ok();
      case 'M':
        service_.persistence_prefix = read_netmask(value);
        if (!service_.persistence_prefix) return error_at(value, "'" + printable(value, 80) + "' is no netmask");
        return ok();
      case '5':
        service_.persistence_engine = printable(value, kMaxName);
        return ok();
      case 'o':
        service_.one_packet = true;
        return ok();
      case 'r': {
        has_server_ = true;
        server_word_ = value;
        return ok();
      }
      case 'g':
        destination_.method = Method::route;
        return ok();
      case 'i':
        destination_.method = Method::tunnel;
        return ok();
      case 'm':
        destination_.method = Method::masq;
        return ok();
      case 'w':
        if (!parse_number(value, INT32_MAX, number)) return error_at(value, "'" + printable(value, 80) + "' is no weight");
        destination_.weight = static_cast<int>(number);
        return ok();
      case 'x':
      case 'y':
        if (!parse_number(value, UINT32_MAX, number)) return error_at(value, "'" + printable(value, 80) + "' is no threshold");
        (option.id == 'x' ? destination_.upper_threshold : destination_.lower_threshold) = static_cast<std::uint32_t>(number);
        return ok();
      default:
        return ok();  // scheduler flags, tunnel and daemon details: nothing that LVS-NAT depends on
    }
  }

  Status apply() {
    switch (command_) {
      case Command::none:
        return error_at(words_.empty() ? line_ : words_[0], "no command (-A, -a, ...) on this line");
      case Command::set:
        return ok();
      case Command::other:
        if (rules_.notes.size() < 100) {
          rules_.notes.push_back(std::string(name_) + ":" + std::to_string(number_) + ": " + printable(trim(line_), 200) +
                                 ": changes no service, skipped");
        }
        return ok();
      case Command::clear:
        rules_.services.clear();
        index_.clear();
        destinations_.clear();
        return ok();
      default:
        break;
    }
    if (!has_service_) return error_at(words_[0], "no service (-t, -u, --sctp-service or -f) on this line");
    const bool is_server =
        command_ == Command::add_server || command_ == Command::edit_server || command_ == Command::delete_server;
    if (is_server != has_server_) {
      return error_at(words_[0],
                      is_server ? "no real server (-r) on this line" : "-r does not belong to a command about a service");
    }
    const Key key = key_of(service_);
    const auto found = index_.find(key);
    if (command_ == Command::add_service) {
      if (found != index_.end()) return error_at(words_[0], "service " + to_string(service_) + " stands twice");
      if (rules_.services.size() >= limits_.services) return limit("services", limits_.services);
      index_.emplace(key, rules_.services.size());
      rules_.services.push_back(service_);
      return ok();
    }
    if (found == index_.end()) return error_at(words_[0], "service " + to_string(service_) + " was not added before this line");
    Service& service = rules_.services[found->second];
    if (command_ == Command::edit_service) {
      service_.destinations = std::move(service.destinations);
      service = service_;
      return ok();
    }
    // Deletions renumber what follows: fine for a script, not for a hostile file.
    constexpr std::size_t kMaxDeletions = 1'000;
    if ((command_ == Command::delete_service || command_ == Command::delete_server) && ++deletions_ > kMaxDeletions) {
      return limit("deletions", kMaxDeletions);
    }
    if (command_ == Command::delete_service) {
      remove(found->second);
      return ok();
    }
    return apply_server(service, found->second);
  }

  Status apply_server(Service& service, std::size_t service_index) {
    const auto rip = parse_host_port(server_word_, transport_of(service.protocol), lookup_);
    if (!rip) return error_at(server_word_, "'" + printable(server_word_, 80) + "' is no RIP:PORT" + hint(server_word_));
    destination_.rip = rip->address;
    destination_.port = rip->port;
    // ipvsadm: a destination without a port has the service's.
    if (destination_.port == 0) destination_.port = service.port;
    const auto key = std::tuple{service_index, destination_.rip, destination_.port};
    const auto found = destinations_.find(key);
    if (command_ == Command::add_server) {
      if (found != destinations_.end())
        return error_at(server_word_, "real server " + printable(server_word_, 80) + " stands twice");
      if (destinations_.size() >= limits_.destinations) return limit("destinations", limits_.destinations);
      destinations_.emplace(key, service.destinations.size());
      service.destinations.push_back(destination_);
      return ok();
    }
    if (found == destinations_.end())
      return error_at(server_word_, "real server " + printable(server_word_, 80) + " was not added before this line");
    if (command_ == Command::edit_server) {
      service.destinations[found->second] = destination_;
      return ok();
    }
    service.destinations.erase(service.destinations.begin() + static_cast<std::ptrdiff_t>(found->second));
    reindex();
    return ok();
  }

  void remove(std::size_t at) {
    rules_.services.erase(rules_.services.begin() + static_cast<std::ptrdiff_t>(at));
    reindex();
  }

  void reindex() {
    index_.clear();
    destinations_.clear();
    for (std::size_t i = 0; i < rules_.services.size(); ++i) {
      index_.emplace(key_of(rules_.services[i]), i);
      const auto& list = rules_.services[i].destinations;
      for (std::size_t k = 0; k < list.size(); ++k) destinations_.emplace(std::tuple{i, list[k].rip, list[k].port}, k);
    }
  }

  Error limit(const char* what, std::size_t value) const {
    return Error{ErrorCode::limit,
                 std::string(name_) + ":" + std::to_string(number_) + ": more than " + with_commas(value) + " " + what};
  }

  std::string_view name_;
  const NameLookup& lookup_;
  const RuleLimits& limits_;
  IpvsadmRules rules_;
  std::map<Key, std::size_t> index_;
  std::map<std::tuple<std::size_t, Address, std::uint16_t>, std::size_t> destinations_;

  std::string_view line_, server_word_;
  std::size_t number_ = 0, deletions_ = 0;
  std::vector<std::string_view> words_;
  Command command_ = Command::none;
  Service service_;
  Destination destination_;
  bool has_service_ = false, has_server_ = false;
};

}  // namespace

std::optional<Endpoint> parse_host_port(std::string_view text, std::string_view protocol, const NameLookup& lookup) {
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) return std::nullopt;
    if (!rest.empty()) {
      port = rest.substr(1);
      if (port.empty()) return std::nullopt;
    }
    // Brackets hold IPv6 only.
    const auto address = parse_address(host);
    if (!address || address->is_v4()) return std::nullopt;
  } else if (const auto colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return std::nullopt;
  }
  if (host.empty()) return std::nullopt;
  Endpoint out;
  if (const auto address = parse_address(host)) {
    out.address = *address;
  } else {
    const auto named = lookup.host ? lookup.host(host) : std::nullopt;
    if (!named) return std::nullopt;
    out.address = *named;
  }
  if (port.empty()) return out;
  std::uint64_t number = 0;
  if (parse_number(port, 65535, number)) {
    out.port = static_cast<std::uint16_t>(number);
    return out;
  }
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const auto named = !digits && lookup.port ? lookup.port(port, protocol) : std::nullopt;
  if (!named) return std::nullopt;
  out.port = *named;
  return out;
}

Result<IpvsadmRules> parse_ipvsadm_rules(std::string_view text, std::string_view name, const NameLookup& lookup,
                                         const RuleLimits& limits) {
  RuleReader reader(name, lookup, limits);
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    if (const Status status = reader.read_line(line, ++number); !status) return status.error();
  }
  return reader.take();
}

}  // namespace lvsnat
