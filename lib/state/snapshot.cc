// One JSON object that carries a whole KernelState: `lvsdiag snapshot FILE` writes it, `--state FILE` reads it.
//
// Each struct lists its members once (`members<T>`), and both directions walk that list, so writing and reading cannot
// drift apart. Members that have their default value are left out; members that are missing keep it. A reader of an
// older schema number refuses newer files instead of dropping facts.
#include <array>
#include <limits>
#include <type_traits>

#include "base/text.h"
#include "lvsnat/state.h"
#include "state/json_text.h"

namespace lvsnat {
namespace {

using nlohmann::json;

constexpr int kSchema = 1;
constexpr std::size_t kMaxBytes = 4 * kMaxStateFile, kMaxValues = 4 * kMaxJsonValues;
constexpr const char* kMark = "lvsnat_snapshot";

template <typename T>
struct Members;  // Members<T>::each(visit): visit("name", &T::member) for every member

#define LVSNAT_MEMBERS(Type, ...) \
  template <>                     \
  struct Members<Type> {          \
    using S = Type;               \
    template <typename V>         \
    static void each(V&& m) {     \
      __VA_ARGS__                 \
    }                             \
  };

// clang-format off
LVSNAT_MEMBERS(Link, m("index", &S::index); m("name", &S::name); m("mac", &S::mac); m("mtu", &S::mtu); m("up", &S::up);
               m("running", &S::running); m("noarp", &S::noarp); m("loopback", &S::loopback);
               m("point_to_point", &S::point_to_point);
               m("promiscuous", &S::promiscuous); m("kind", &S::kind); m("master", &S::master); m("parent", &S::parent);
               m("vlan", &S::vlan);
               m("rx_dropped", &S::rx_dropped); m("tx_dropped", &S::tx_dropped); m("rx_errors", &S::rx_errors);
               m("tx_errors", &S::tx_errors);)
LVSNAT_MEMBERS(InterfaceAddress, m("dev", &S::dev); m("address", &S::address); m("length", &S::length); m("scope", &S::scope);
               m("peer", &S::peer); m("label", &S::label); m("secondary", &S::secondary); m("dadfailed", &S::dadfailed);
               m("tentative", &S::tentative); m("deprecated", &S::deprecated); m("noprefixroute", &S::noprefixroute);
               m("temporary", &S::temporary);)
LVSNAT_MEMBERS(NextHop, m("gateway", &S::gateway); m("dev", &S::dev); m("weight", &S::weight); m("onlink", &S::onlink);
               m("linkdown", &S::linkdown); m("dead", &S::dead);)
LVSNAT_MEMBERS(Route, m("v6", &S::v6); m("table", &S::table); m("type", &S::type); m("destination", &S::destination);
               m("source", &S::source); m("nexthops", &S::nexthops); m("metric", &S::metric); m("tos", &S::tos);
               m("scope", &S::scope);
               m("protocol", &S::protocol); m("prefsrc", &S::prefsrc); m("mtu", &S::mtu); m("expires", &S::expires);)
LVSNAT_MEMBERS(RoutingRule, m("v6", &S::v6); m("priority", &S::priority); m("inverted", &S::inverted); m("from", &S::from);
               m("to", &S::to); m("iif", &S::iif); m("oif", &S::oif); m("fwmark", &S::fwmark); m("fwmask", &S::fwmask);
               m("tos", &S::tos);
               m("protocol", &S::protocol); m("sport", &S::sport); m("dport", &S::dport); m("uidrange", &S::uidrange);
               m("action", &S::action); m("table", &S::table); m("target", &S::target);
               m("suppress_prefixlength", &S::suppress_prefixlength); m("suppress_ifgroup", &S::suppress_ifgroup);
               m("l3mdev", &S::l3mdev); m("not_understood", &S::not_understood);)
LVSNAT_MEMBERS(Neighbour, m("address", &S::address); m("dev", &S::dev); m("mac", &S::mac); m("state", &S::state);
               m("router", &S::router); m("proxy", &S::proxy);)
LVSNAT_MEMBERS(RouteException, m("destination", &S::destination); m("source", &S::source); m("gateway", &S::gateway);
               m("dev", &S::dev);
               m("redirected", &S::redirected); m("expires", &S::expires); m("mtu", &S::mtu);)
LVSNAT_MEMBERS(RouteAnswer, m("label", &S::label); m("destination", &S::destination); m("source", &S::source); m("iif", &S::iif);
               m("type", &S::type); m("gateway", &S::gateway); m("prefsrc", &S::prefsrc); m("dev", &S::dev);
               m("table", &S::table);
               m("redirected", &S::redirected); m("will_redirect", &S::will_redirect); m("expires", &S::expires);
               m("mtu", &S::mtu);
               m("error", &S::error); m("exit_status", &S::exit_status);)
LVSNAT_MEMBERS(ServiceCounters, m("connections", &S::connections); m("packets_in", &S::packets_in);
               m("packets_out", &S::packets_out);
               m("bytes_in", &S::bytes_in); m("bytes_out", &S::bytes_out);)
LVSNAT_MEMBERS(Destination, m("rip", &S::rip); m("port", &S::port); m("method", &S::method); m("weight", &S::weight);
               m("upper_threshold", &S::upper_threshold); m("lower_threshold", &S::lower_threshold); m("active", &S::active);
               m("inactive", &S::inactive); m("counters", &S::counters);)
LVSNAT_MEMBERS(Service, m("protocol", &S::protocol); m("vip", &S::vip); m("port", &S::port); m("fwmark", &S::fwmark);
               m("v6", &S::v6);
               m("scheduler", &S::scheduler); m("persistence", &S::persistence); m("persistence_prefix", &S::persistence_prefix);
               m("one_packet", &S::one_packet); m("persistence_engine", &S::persistence_engine);
               m("destinations", &S::destinations);
               m("counters", &S::counters);)
LVSNAT_MEMBERS(ServiceTimeouts, m("tcp", &S::tcp); m("tcp_fin", &S::tcp_fin); m("udp", &S::udp);)
LVSNAT_MEMBERS(SyncDaemon, m("master", &S::master); m("interface", &S::interface); m("sync_id", &S::sync_id);)
LVSNAT_MEMBERS(Endpoint, m("address", &S::address); m("port", &S::port);)
LVSNAT_MEMBERS(IpvsConnection, m("protocol", &S::protocol); m("client", &S::client); m("vip", &S::vip); m("rip", &S::rip);
               m("fwmark", &S::fwmark); m("state", &S::state); m("expires", &S::expires);)
LVSNAT_MEMBERS(IpvsHelper, m("protocol", &S::protocol); m("port", &S::port); m("name", &S::name);)
LVSNAT_MEMBERS(Ipvs, m("present", &S::present); m("version", &S::version); m("table_size", &S::table_size);
               m("services", &S::services);
               m("timeouts", &S::timeouts); m("sync", &S::sync); m("connections", &S::connections);
               m("connections_complete", &S::connections_complete); m("totals", &S::totals);
               m("helpers", &S::helpers);)
LVSNAT_MEMBERS(Module, m("name", &S::name); m("users", &S::users);)
LVSNAT_MEMBERS(ConntrackEntry, m("protocol", &S::protocol); m("state", &S::state); m("original_source", &S::original_source);
               m("original_destination", &S::original_destination); m("reply_source", &S::reply_source);
               m("reply_destination", &S::reply_destination); m("unreplied", &S::unreplied); m("assured", &S::assured);
               m("offload", &S::offload); m("mark", &S::mark);)
LVSNAT_MEMBERS(Conntrack, m("entries", &S::entries); m("total", &S::total);)
LVSNAT_MEMBERS(Listener, m("protocol", &S::protocol); m("local", &S::local); m("any_family", &S::any_family); m("dev", &S::dev);)
LVSNAT_MEMBERS(TraceHop, m("hop", &S::hop); m("address", &S::address); m("milliseconds", &S::milliseconds);
               m("annotation", &S::annotation);)
LVSNAT_MEMBERS(Traceroute, m("label", &S::label); m("target", &S::target); m("hops", &S::hops); m("error", &S::error);
               m("text", &S::text);)
LVSNAT_MEMBERS(Gap, m("what", &S::what); m("why", &S::why); m("would_tell", &S::would_tell);)
LVSNAT_MEMBERS(Known, m("addresses", &S::addresses); m("links", &S::links); m("routes_v4", &S::routes_v4);
               m("routes_v6", &S::routes_v6);
               m("rules_v4", &S::rules_v4); m("rules_v6", &S::rules_v6); m("neighbours", &S::neighbours);
               m("exceptions_v4", &S::exceptions_v4); m("exceptions_v6", &S::exceptions_v6); m("sysctls", &S::sysctls);
               m("services", &S::services); m("connections", &S::connections);
               m("counters_of_services", &S::counters_of_services); m("helpers", &S::helpers);
               m("modules", &S::modules); m("conntrack", &S::conntrack); m("counters", &S::counters); m("nft_json", &S::nft_json);
               m("nft_text", &S::nft_text); m("listeners", &S::listeners);
               m("legacy_tables_v4", &S::legacy_tables_v4); m("legacy_tables_v6", &S::legacy_tables_v6);)
LVSNAT_MEMBERS(KernelState, m("hostname", &S::hostname); m("taken", &S::taken); m("kernel", &S::kernel); m("origin", &S::origin);
               m("known", &S::known); m("links", &S::links); m("addresses", &S::addresses); m("routes", &S::routes);
               m("rules", &S::rules);
               m("neighbours", &S::neighbours); m("exceptions", &S::exceptions); m("route_answers", &S::route_answers);
               m("sysctls", &S::sysctls); m("ipvs", &S::ipvs); m("modules", &S::modules); m("conntrack", &S::conntrack);
               m("counters", &S::counters); m("nft_json", &S::nft_json); m("nft_text", &S::nft_text); m("tc_text", &S::tc_text);
               m("legacy_tables_v4", &S::legacy_tables_v4); m("legacy_tables_v6", &S::legacy_tables_v6);
               m("listeners", &S::listeners); m("traceroutes", &S::traceroutes); m("gaps", &S::gaps);)
// clang-format on

#undef LVSNAT_MEMBERS

template <typename T>
concept Struct = requires {
  sizeof(Members<T>);
};

// Enumerators by name: a number would mean something else once one is inserted.
using Action = RoutingRule::Action;
constexpr std::array<std::string_view, 7> kActions{"lookup", "goto", "nop", "blackhole", "unreachable", "prohibit", "other"};
std::string_view enum_name(Action a) { return kActions.at(static_cast<std::size_t>(a)); }
std::string_view enum_name(RouteType t) { return name(t); }
std::string_view enum_name(Method t) { return name(t); }
std::string_view enum_name(ServiceProtocol t) { return name(t); }
std::string_view enum_name(Origin t) { return name(t); }
constexpr std::size_t count_of(Action) { return kActions.size(); }
constexpr std::size_t count_of(RouteType) { return static_cast<std::size_t>(RouteType::other) + 1; }
constexpr std::size_t count_of(Method) { return static_cast<std::size_t>(Method::unknown) + 1; }
constexpr std::size_t count_of(ServiceProtocol) { return static_cast<std::size_t>(ServiceProtocol::fwmark) + 1; }
constexpr std::size_t count_of(Origin) { return static_cast<std::size_t>(Origin::inferred) + 1; }

// ---- Writing

template <typename T>
json write(const T& value);

template <typename T>
json write(const std::optional<T>& value) {
  return value ? write(*value) : json(nullptr);
}
template <typename T>
json write(const std::vector<T>& list) {
  json out = json::array();
  for (const T& item : list) out.push_back(write(item));
  return out;
}
template <typename T>
json write(const std::map<std::string, T>& map) {
  json out = json::object();
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}
template <typename A, typename B>
json write(const std::pair<A, B>& pair) {
  return json::array({pair.first, pair.second});
}

template <typename T>
json write(const T& value) {
  if constexpr (Struct<T>) {
    static const T kDefault{};
    json out = json::object();
    Members<T>::each([&](const char* member, auto pointer) {
      if constexpr (requires { value.*pointer == kDefault.*pointer; }) {
        if (value.*pointer == kDefault.*pointer) return;
      }
      out[member] = write(value.*pointer);
    });
    return out;
  } else if constexpr (std::is_same_v<T, Prefix>) {
    return to_string(value);
  } else if constexpr (std::is_same_v<T, Address>) {
    return value.is_none() ? json("::") : json(to_string(value));
  } else if constexpr (std::is_same_v<T, Mac>) {
    return to_string(value);
  } else if constexpr (std::is_enum_v<T>) {
    return enum_name(value);
  } else {
    return value;
  }
}

// ---- Reading

class SnapshotReader {
 public:
  /// The first member that was not what it should be; empty: none.
  std::string problem;

  template <typename T>
  void read(const json& in, T& out, bool raw = false) {
    if constexpr (Struct<T>) {
      if (!in.is_object()) return fail();
      Members<T>::each([&](const char* member, auto pointer) {
        const auto found = in.find(member);
        if (found == in.end() || !problem.empty()) return;
        where_ = member;
        // The rule set is handed to its own evaluator, which is hostile-proof; everything else is shown to people.
        read(*found, out.*pointer, std::string_view(member).starts_with("nft_"));
      });
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!in.is_boolean()) return fail();
      out = in.get<bool>();
    } else if constexpr (std::is_enum_v<T>) {
      const auto* text = in.get_ptr<const std::string*>();
      if (text == nullptr) return fail();
      for (std::size_t i = 0; i < count_of(T{}); ++i) {
        if (enum_name(static_cast<T>(i)) == *text) {
          out = static_cast<T>(i);
          return;
        }
      }
      fail();
    } else if constexpr (std::is_same_v<T, double>) {
      if (!in.is_number()) return fail();
      out = in.get<double>();
    } else if constexpr (std::is_integral_v<T>) {
      if (in.is_number_unsigned()) {
        const auto value = in.get<std::uint64_t>();
        if (value > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return fail();
        out = static_cast<T>(value);
      } else if (in.is_number_integer()) {
        const auto value = in.get<std::int64_t>();
        if constexpr (std::is_signed_v<T>) {
          if (value < static_cast<std::int64_t>(std::numeric_limits<T>::min())) return fail();
          out = static_cast<T>(value);
        } else {
          return fail();
        }
      } else {
        fail();
      }
    } else {
      const auto* text = in.get_ptr<const std::string*>();
      if (text == nullptr) return fail();
      if constexpr (std::is_same_v<T, std::string>) {
        out = raw ? *text : printable_text(*text);
      } else if constexpr (std::is_same_v<T, Address>) {
        take(parse_address(*text), out);
      } else if constexpr (std::is_same_v<T, Prefix>) {
        take(parse_prefix(*text), out);
      } else {
        static_assert(std::is_same_v<T, Mac>);
        take(parse_mac(*text), out);
      }
    }
  }

  template <typename T>
  void read(const json& in, std::optional<T>& out, bool = false) {
    if (in.is_null()) return;
    T value{};
    read(in, value);
    out = std::move(value);
  }
  template <typename T>
  void read(const json& in, std::vector<T>& out, bool = false) {
    if (!in.is_array()) return fail();
    for (const json& item : in) {
      if (!problem.empty()) return;
      T value{};
      read(item, value);
      out.push_back(std::move(value));
    }
  }
  template <typename T>
  void read(const json& in, std::map<std::string, T>& out, bool = false) {
    if (!in.is_object()) return fail();
    for (const auto& [key, item] : in.items()) {
      if (!problem.empty()) return;
      T value{};
      read(item, value);
      out[printable(key, 256)] = std::move(value);
    }
  }
  template <typename A, typename B>
  void read(const json& in, std::pair<A, B>& out, bool = false) {
    if (!in.is_array() || in.size() != 2) return fail();
    read(in[0], out.first);
    read(in[1], out.second);
  }

 private:
  void fail() {
    if (problem.empty()) problem = "member \"" + where_ + "\" is not what a snapshot has there";
  }
  template <typename T>
  void take(std::optional<T> parsed, T& out) {
    if (!parsed) return fail();
    out = *parsed;
  }
  /// Texts of several lines (traceroute, tc) keep their line ends; everything else about them is made printable.
  static std::string printable_text(const std::string& text) {
    if (text.find('\n') == std::string::npos) return printable(text, 4096);
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
      if (!out.empty() || line.data() != text.data()) out += '\n';
      out += printable(line, 400);
    }
    return out;
  }
  std::string where_ = "(root)";
};

}  // namespace

std::string write_snapshot(const KernelState& state) {
  json out = write(state);
  out[kMark] = kSchema;
  // Byte sequences that are no UTF-8 can only stand in rule sets; they become U+FFFD.
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<KernelState> read_snapshot(std::string_view text) {
  const auto parsed = parse_json(text, kMaxBytes, kMaxValues);
  if (!parsed) return parsed.error();
  if (!parsed->is_object() || !parsed->contains(kMark)) {
    return Error{ErrorCode::malformed, "no snapshot: there is no \"lvsnat_snapshot\" in it"};
  }
  const auto schema = number_of(*parsed, kMark);
  if (!schema || *schema == 0) return Error{ErrorCode::malformed, "no snapshot: its schema is no number"};
  if (*schema > static_cast<std::uint64_t>(kSchema)) {
    return Error{ErrorCode::unsupported,
                 "a snapshot of schema " + std::to_string(*schema) + "; this program reads up to " + std::to_string(kSchema)};
  }
  KernelState state;
  SnapshotReader reader;
  reader.read(*parsed, state);
  if (!reader.problem.empty()) return Error{ErrorCode::malformed, reader.problem};
  return state;
}

}  // namespace lvsnat
