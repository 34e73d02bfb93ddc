// A directory of standard command output into a KernelState. The names of the files are those of docs: one file a
// command. Each parser is pure; this file only decides which file feeds which and what its absence hides.
#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <system_error>

#include "base/file.h"
#include "base/text.h"
#include "lvsnat/state.h"
#include "state/command_text.h"
#include "state/ip_json.h"
#include "state/ipvsadm_text.h"
#include "state/json_text.h"
#include "state/proc_net.h"
#include "state/reading.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

class DirectoryReader {
 public:
  explicit DirectoryReader(const fs::path& directory) : directory_(directory) { state_.source = printable(directory.native()); }

  Result<KernelState> read() {
    read_host();
    read_network();
    read_ipvs();
    read_rest();
    // What is there and breaks while it is read must not look like what was never saved.
    if (failure_) return *failure_;
    if (files_ == 0) {
      return Error{ErrorCode::not_found,
                   printable(directory_.native()) +
                       ": holds no file of a state directory (addr.json, route.json, sysctl.txt, ipvsadm-save.txt, ...)"};
    }
    put_in_order(state_);
    tell_what_is_missing();
    return std::move(state_);
  }

 private:
  /// The file's output, or nothing where it is missing or unreadable (the latter is a gap).
  std::optional<CommandOutput> load(const std::string& name) {
    auto bytes = read_file(directory_ / name, kMaxStateFile);
    if (!bytes) {
      if (bytes.error().code == ErrorCode::io && !failure_) failure_ = bytes.error();
      if (bytes.error().code != ErrorCode::not_found) gap(name, bytes.error().message, "");
      return std::nullopt;
    }
    ++files_;
    return split_command_output(*bytes);
  }

  void gap(std::string what, std::string why, std::string would_tell) {
    constexpr std::size_t kMaxGaps = 200;
    if (state_.gaps.size() < kMaxGaps) state_.gaps.push_back({std::move(what), std::move(why), std::move(would_tell)});
  }

  /// A command that failed told nothing about its table; what it said stands in the gap.
  void feed(const std::string& name, const std::function<Reading(const std::string&)>& parse) {
    const auto output = load(name);
    if (!output) return;
    if (output->failed()) {
      gap(name,
          "the command failed: " + (output->error.empty() ? "exit status " + std::to_string(output->exit_status) : output->error),
          "");
      return;
    }
    note(name, parse(output->body));
  }

  void note(const std::string& name, const Reading& reading) {
    if (!reading.problem.empty()) gap(name, reading.problem, "");
  }

  void read_host() {
    if (const auto text = load("hostname")) state_.hostname = printable(trim(text->body), 255);
    if (const auto text = load("uname")) state_.kernel = printable(trim(text->body), 255);
    files_ = 0;  // these alone are no state
  }

  void read_network() {
    feed("addr.json", [this](const std::string& t) { return parse_ip_address(t, state_); });
    feed("link.json", [this](const std::string& t) { return parse_ip_link(t, state_); });
    feed("route.json", [this](const std::string& t) { return parse_ip_route(t, false, state_); });
    feed("route6.json", [this](const std::string& t) { return parse_ip_route(t, true, state_); });
    feed("rule.json", [this](const std::string& t) { return parse_ip_rule(t, false, state_); });
    feed("rule6.json", [this](const std::string& t) { return parse_ip_rule(t, true, state_); });
    feed("neigh.json", [this](const std::string& t) { return parse_ip_neighbour(t, state_); });
    feed("neigh6.json", [this](const std::string& t) { return parse_ip_neighbour(t, state_); });
    feed("proc-net-arp", [this](const std::string& t) { return parse_proc_arp(t, state_); });
    feed("route-cache.json", [this](const std::string& t) {
      const Reading reading = parse_ip_exceptions(t, state_);
      state_.known.exceptions_v4 = reading.known;
      return reading;
    });
    feed("route-cache.txt", [this](const std::string& t) {
      const Reading reading = parse_route_cache_text(t, state_);
      state_.known.exceptions_v4 = state_.known.exceptions_v4 || reading.known;
      return reading;
    });
    feed("rt_cache", [this](const std::string& t) {
      const Reading reading = parse_proc_rt_cache(t, state_);
      state_.known.exceptions_v4 = state_.known.exceptions_v4 || reading.known;
      return reading;
    });
    feed("route6-cache.json", [this](const std::string& t) {
      const Reading reading = parse_ip_exceptions(t, state_);
      state_.known.exceptions_v6 = reading.known;
      return reading;
    });
    feed("proc-net-route", [this](const std::string& t) {
      if (state_.known.routes_v4) return Reading{true, {}};
      const Reading reading = parse_proc_route(t, state_);
      if (reading.known) {
        gap("route.json", "not there; /proc/net/route has the IPv4 main table only",
            "routes of other tables, which policy routing may use, and local routes");
      }
      return reading;
    });
    feed("sysctl.txt", [this](const std::string& t) { return parse_sysctl(t, state_); });
    read_route_answers();
  }

  /// route-get-LABEL.json, traceroute-LABEL.txt: as many as there are, in order of name.
  void read_route_answers() {
    constexpr std::size_t kMaxAnswers = 1'000, kMaxScanned = 100'000;
    std::vector<std::string> names;
    std::error_code error;
    std::size_t scanned = 0;
    for (fs::directory_iterator it(directory_, error), end; !error && it != end && scanned < kMaxScanned;
         it.increment(error), ++scanned) {
      std::string name = it->path().filename().native();
      const bool answer = name.starts_with("route-get-") && name.ends_with(".json");
      const bool trace = name.starts_with("traceroute-") && name.ends_with(".txt");
      if ((answer || trace) && names.size() < kMaxAnswers) names.push_back(std::move(name));
    }
    if (error == std::errc::permission_denied) {
      gap("route-get-*.json, traceroute-*.txt", error.message(), "");
    } else if (error && !failure_) {
      failure_ = Error{ErrorCode::io, printable(directory_.native()) + ": " + error.message()};
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const auto output = load(name);
      if (!output) continue;
      const std::string shown = printable(name, 255);
      if (name.starts_with("route-get-")) {
        note(shown, parse_ip_route_get(*output, std::string_view(name).substr(10, name.size() - 15), state_));
      } else {
        note(shown, parse_traceroute(*output, std::string_view(name).substr(11, name.size() - 15), state_));
      }
    }
  }

  void read_ipvs() {
    // Listings first: they show methods and counts as the kernel has them; the saved rules add thresholds and the like.
    feed_ipvs("ipvsadm-list.txt", [this](const std::string& t) { return parse_ipvsadm_list(t, state_); });
    feed_ipvs("ip_vs", [this](const std::string& t) { return parse_proc_ip_vs(t, state_); });
    feed_ipvs("ipvsadm-save.txt", [this](const std::string& t) {
      Reading reading;
      auto rules = parse_ipvsadm_rules(t, "ipvsadm-save.txt", NameLookup{});
      if (!rules) {
        reading.problem = rules.error().message;
        return reading;
      }
      merge_services(state_.ipvs.services, rules->services);
      if (!rules->services.empty()) state_.ipvs.present = true;
      reading.known = true;
      state_.known.services = true;
      return reading;
    });
    feed_ipvs("ipvsadm-stats.txt", [this](const std::string& t) { return parse_ipvsadm_stats(t, state_); });
    feed_ipvs("ipvsadm-timeout.txt", [this](const std::string& t) { return parse_ipvsadm_timeout(t, state_); });
    feed_ipvs("ip_vs_conn", [this](const std::string& t) { return parse_proc_ip_vs_conn(t, state_); });
    feed_ipvs("ipvsadm-conns.txt", [this](const std::string& t) {
      return state_.known.connections ? Reading{true, {}} : parse_ipvsadm_connections(t, state_);
    });
    feed("ip_vs_app", [this](const std::string& t) { return parse_proc_ip_vs_app(t, state_); });
    feed_ipvs("ip_vs_stats", [this](const std::string& t) { return parse_proc_ip_vs_stats(t, state_); });
    if (ipvs_denied_ && !state_.ipvs.present) state_.known.services = true;
  }

  /// "No such file" for /proc/net/ip_vs, or ipvsadm's "Can't initialize ipvs: Protocol not available", is the answer that the
  /// kernel has no IPVS; "Permission denied" is none.
  void feed_ipvs(const std::string& name, const std::function<Reading(const std::string&)>& parse) {
    const auto output = load(name);
    if (!output) return;
    if (!output->failed()) {
      note(name, parse(output->body));
      return;
    }
    const std::string said = output->error + " " + printable(trim(output->body), 300);
    const bool absent =
        said.find("No such file") != std::string::npos || said.find("Protocol not available") != std::string::npos;
    if (absent && (name == "ip_vs" || said.find("initialize ipvs") != std::string::npos)) {
      ipvs_denied_ = true;
    } else {
      gap(name,
          "the command failed: " + (output->error.empty() ? "exit status " + std::to_string(output->exit_status) : output->error),
          "");
    }
  }

  void read_rest() {
    feed("modules", [this](const std::string& t) { return parse_proc_modules(t, state_); });
    feed("snmp", [this](const std::string& t) { return parse_proc_counters(t, state_); });
    feed("netstat", [this](const std::string& t) { return parse_proc_counters(t, state_); });
    feed("ss.txt", [this](const std::string& t) { return parse_ss(t, state_); });
    feed("tc.txt", [this](const std::string& t) {
      state_.tc_text = printable_lines(t);
      return Reading{true, {}};
    });
    read_legacy_tables(false);
    read_legacy_tables(true);
    if (const auto output = load("conntrack.txt")) note("conntrack.txt", parse_conntrack(*output, state_));
    feed("nft.json", [this](const std::string& t) {
      Reading reading;
      if (trim(t).empty()) {
        reading.problem = "empty; `nft -j list ruleset` always prints an object";
        return reading;
      }
      if (const auto parsed = parse_json(t); !parsed) {
        reading.problem = parsed.error().message;
        return reading;
      }
      state_.nft_json = t;
      state_.known.nft_json = reading.known = true;
      return reading;
    });
    feed("nft.txt", [this](const std::string& t) {
      state_.nft_text = t;
      state_.known.nft_text = true;
      return Reading{true, {}};
    });
  }

  /// Without a file the list of modules tells whether there can be any.
  void read_legacy_tables(bool v6) {
    const std::string name = v6 ? "ip6_tables_names" : "ip_tables_names";
    bool& known = v6 ? state_.known.legacy_tables_v6 : state_.known.legacy_tables_v4;
    feed(name, [this, v6](const std::string& t) {
      parse_legacy_tables(t, v6, state_);
      tell_legacy_tables(v6, state_);
      return Reading{true, {}};
    });
    if (known || !state_.known.modules) return;
    known = !has_module(state_, v6 ? "ip6_tables" : "ip_tables");
    if (!known) gap(name, "no such file", "whether iptables-legacy has rules, which no listing of nft shows");
  }

  static std::string printable_lines(std::string_view text) {
    constexpr std::size_t kMaxText = 1u << 20;
    std::string out;
    for (const std::string_view line : lines_of(text)) {
      if (out.size() > kMaxText) break;
      out += printable(line, 400) + "\n";
    }
    return out;
  }

  void tell_what_is_missing() {
    const Known& k = state_.known;
    const auto missing = [this](bool known, const char* files, const char* would_tell) {
      if (known) return;
      // A file that was there and bad has its own gap; it lacks what it would have told.
      const std::string first = std::string(files).substr(0, std::string_view(files).find(','));
      for (Gap& g : state_.gaps) {
        if (g.what == first && g.would_tell.empty()) {
          g.would_tell = would_tell;
          return;
        }
      }
      gap(files, "no such file", would_tell);
    };
    const bool uses_v6 = std::any_of(state_.addresses.begin(), state_.addresses.end(), [](const InterfaceAddress& a) {
      return !a.address.is_v4() && !a.address.is_loopback() && !a.address.is_link_local();
    });
    missing(k.addresses, "addr.json", "which addresses (VIP, gateway) this host owns");
    missing(k.links, "link.json", "which devices are up, and bridges, bonds and VLANs among them");
    missing(k.routes_v4, "route.json", "which way packets leave");
    missing(k.rules_v4, "rule.json", "whether policy routing sends packets another way");
    if (uses_v6) {
      missing(k.routes_v6, "route6.json", "which way IPv6 packets leave");
      missing(k.rules_v6, "rule6.json", "whether policy routing sends IPv6 packets another way");
      missing(k.exceptions_v6, "route6-cache.json", "whether a redirect has moved an IPv6 route");
    }
    missing(k.neighbours, "neigh.json, proc-net-arp", "whether next hops answer, and with which MAC");
    missing(k.exceptions_v4, "route-cache.json, route-cache.txt", "whether a redirect has moved a route");
    missing(k.sysctls, "sysctl.txt", "forwarding, rp_filter, redirects and IPVS settings");
    missing(k.counters, "snmp, netstat", "which counters of dropped packets have grown");
    missing(k.nft_json || k.nft_text, "nft.json, nft.txt", "whether a filter rule drops or rewrites requests or replies");
    // A host without any trace of IPVS is taken for a real server: it needs none of what follows.
    if (state_.ipvs.present || k.services || k.connections) {
      missing(k.services, "ipvsadm-save.txt, ipvsadm-list.txt, ip_vs", "which services and real servers are configured");
      missing(k.counters_of_services, "ipvsadm-stats.txt", "which real servers' replies come back through IPVS");
      missing(state_.ipvs.timeouts.has_value(), "ipvsadm-timeout.txt", "how long idle connections are kept");
      missing(k.connections, "ip_vs_conn, ipvsadm-conns.txt", "in which state the connections are");
      missing(k.modules || k.helpers, "modules, ip_vs_app", "whether ip_vs_ftp is loaded");
      missing(k.conntrack, "conntrack.txt", "how connection tracking sees the flows");
    } else {
      missing(k.listeners, "ss.txt", "whether anything listens on the service's port");
    }
  }

  const fs::path& directory_;
  KernelState state_;
  std::size_t files_ = 0;
  std::optional<Error> failure_;
  bool ipvs_denied_ = false;
};

}  // namespace

Result<KernelState> read_state(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::directory) return DirectoryReader(path).read();
  auto bytes = read_file(path, 4 * kMaxStateFile);
  if (!bytes) return bytes.error();
  auto state = read_snapshot(*bytes);
  if (!state) return Error{state.error().code, printable(path.native()) + ": " + state.error().message};
  state->source = printable(path.native());
  return state;
}

}  // namespace lvsnat
