#include "state/live_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "state/proc_net.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxDevices = 4'096, kMaxSetting = 4'096, kMaxFile = 16u << 20, kMaxInDirectory = 1'000;

// What this library asks of a device. All of /proc/sys/net would be a hundred thousand files on a host with many containers.
constexpr std::array<std::string_view, 22> kDeviceV4{"forwarding",       "rp_filter",      "accept_redirects",
                                                     "secure_redirects", "send_redirects", "shared_media",
                                                     "accept_local",     "arp_filter",     "route_localnet",
                                                     "src_valid_mark",   "arp_ignore",     "arp_announce",
                                                     "arp_accept",       "arp_notify",     "proxy_arp",
                                                     "log_martians",     "mc_forwarding",  "accept_source_route",
                                                     "bc_forwarding",    "bootp_relay",    "ignore_routes_with_linkdown",
                                                     "proxy_arp_pvlan"};
constexpr std::array<std::string_view, 9> kDeviceV6{"forwarding", "force_forwarding", "accept_redirects",
                                                    "accept_ra",  "accept_ra_defrtr", "disable_ipv6",
                                                    "autoconf",   "proxy_ndp",        "ignore_routes_with_linkdown"};
constexpr std::array<std::string_view, 17> kSingle{"ipv4/ip_forward",
                                                   "ipv4/ip_nonlocal_bind",
                                                   "ipv4/ip_default_ttl",
                                                   "ipv4/icmp_ratelimit",
                                                   "ipv4/icmp_ratemask",
                                                   "ipv4/icmp_errors_use_inbound_ifaddr",
                                                   "ipv4/ip_no_pmtu_disc",
                                                   "ipv4/fib_multipath_hash_policy",
                                                   "ipv4/fib_multipath_use_neigh",
                                                   "ipv4/tcp_mtu_probing",
                                                   "ipv4/tcp_keepalive_time",
                                                   "ipv4/tcp_syncookies",
                                                   "netfilter/nf_conntrack_max",
                                                   "netfilter/nf_conntrack_count",
                                                   "netfilter/nf_conntrack_tcp_be_liberal",
                                                   "bridge/bridge-nf-call-iptables",
                                                   "bridge/bridge-nf-call-ip6tables"};
// Directories of which every file counts.
constexpr std::array<std::string_view, 2> kWhole{"ipv4/vs", "ipv4/route"};

class SettingsReader {
 public:
  SettingsReader(const fs::path& root, KernelState& state) : root_(root), state_(state) {}

  void read() {
    devices("ipv4", kDeviceV4.data(), kDeviceV4.size());
    devices("ipv6", kDeviceV6.data(), kDeviceV6.size());
    for (const std::string_view name : kSingle) one(std::string(name), key_of(name));
    for (const std::string_view folder : kWhole) {
      std::error_code error;
      std::size_t n = 0;
      for (fs::directory_iterator it(root_ / folder, error), end; !error && it != end && n < kMaxInDirectory;
           it.increment(error), ++n) {
        const std::string file = std::string(folder) + "/" + it->path().filename().native();
        if (file != "ipv4/route/flush") one(file, key_of(file));
      }
    }
    state_.known.sysctls = any_;
    if (!any_)
      state_.gaps.push_back({"settings", "/proc/sys/net cannot be read", "forwarding, rp_filter, redirects and IPVS settings"});
  }

 private:
  static std::string key_of(std::string_view path) {
    std::string key = "net.";
    for (const char c : path) key += c == '/' ? '.' : c;
    return key;
  }

  void devices(const char* family, const std::string_view* names, std::size_t count) {
    std::error_code error;
    const fs::path folder = root_ / family / "conf";
    std::size_t n = 0;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (n++ >= kMaxDevices) {
        state_.gaps.push_back({std::string("settings of ") + family, "more than " + std::to_string(kMaxDevices) + " devices",
                               "rp_filter and redirects of the others"});
        break;
      }
      const std::string device = it->path().filename().native();
      // As sysctl(8) spells it: a dot inside a name becomes a slash.
      std::string spelt = printable(device, 64);
      std::replace(spelt.begin(), spelt.end(), '.', '/');
      for (std::size_t i = 0; i < count; ++i) {
        one(std::string(family) + "/conf/" + device + "/" + std::string(names[i]),
            std::string("net.") + family + ".conf." + spelt + "." + std::string(names[i]));
      }
    }
  }

  void one(const std::string& file, const std::string& key) {
    const auto text = read_file(root_ / file, kMaxSetting);
    if (!text) return;
    state_.sysctls.insert_or_assign(key, printable(trim(*text), 256));
    any_ = true;
  }

  fs::path root_;
  KernelState& state_;
  bool any_ = false;
};

std::string why(const Error& error) { return error.code == ErrorCode::no_permission ? "only root may read it" : error.message; }

/// The names of legacy tables are root's to read; which modules there are is everybody's.
void read_legacy_tables(const fs::path& proc, bool v6, KernelState& state) {
  const std::string file = v6 ? "net/ip6_tables_names" : "net/ip_tables_names";
  const std::string module = v6 ? "ip6_tables" : "ip_tables";
  bool& known = v6 ? state.known.legacy_tables_v6 : state.known.legacy_tables_v4;
  if (const auto text = read_file(proc / file, kMaxSetting)) {
    parse_legacy_tables(*text, v6, state);
  } else {
    known = text.error().code == ErrorCode::not_found || (state.known.modules && !has_module(state, module));
    if (!known)
      state.gaps.push_back(
          {"/proc/" + file, why(text.error()), "whether iptables-legacy has rules, which no listing of nft shows"});
  }
  tell_legacy_tables(v6, state);
}

}  // namespace

Result<std::string> read_head(const fs::path& path, std::size_t limit, bool& complete) {
  complete = true;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    const int error = errno;
    return Error{error == ENOENT   ? ErrorCode::not_found
                 : error == EACCES ? ErrorCode::no_permission
                                   : ErrorCode::io,
                 path.native() + ": " + std::generic_category().message(error)};
  }
  std::string bytes;
  char chunk[65536];
  while (true) {
    const ssize_t got = ::read(fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    bytes.append(chunk, static_cast<std::size_t>(got));
    if (bytes.size() < limit) continue;
    complete = false;
    break;
  }
  ::close(fd);
  if (!complete) bytes.resize(bytes.rfind('\n') == std::string::npos ? 0 : bytes.rfind('\n') + 1);
  return bytes;
}

LaterLook look_again(Timestamp now) {
  LaterLook look;
  look.at = now;
  KernelState state;
  for (const char* file : {"/proc/net/snmp", "/proc/net/netstat"}) {
    if (const auto text = read_file(file, kMaxFile)) static_cast<void>(parse_proc_counters(*text, state));
  }
  look.counters = std::move(state.counters);
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return look;
  std::set<Address>& addresses = look.addresses.emplace();
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    if (entry->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, entry->ifa_addr, sizeof v4);
      addresses.insert(Address::from_v4(reinterpret_cast<const std::uint8_t*>(&v4.sin_addr)));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, entry->ifa_addr, sizeof v6);
      addresses.insert(Address::from_v6(v6.sin6_addr.s6_addr));
    }
  }
  freeifaddrs(list);
  return look;
}

void read_live_files(const fs::path& proc, KernelState& state) {
  SettingsReader(proc / "sys/net", state).read();
  const auto feed = [&](const fs::path& file, const char* would_tell, auto&& parse) {
    const auto text = read_file(proc / file, kMaxFile);
    if (!text) {
      if (text.error().code != ErrorCode::not_found || *would_tell != '\0')
        state.gaps.push_back({"/proc/" + file.native(), why(text.error()), would_tell});
      return;
    }
    if (const Reading reading = parse(*text); !reading.problem.empty())
      state.gaps.push_back({"/proc/" + file.native(), reading.problem, would_tell});
  };
  if (const auto name = read_file(proc / "sys/kernel/hostname", kMaxSetting)) state.hostname = printable(trim(*name), 255);
  if (const auto release = read_file(proc / "sys/kernel/osrelease", kMaxSetting)) state.kernel = printable(trim(*release), 255);
  feed("modules", "", [&](const std::string& t) { return parse_proc_modules(t, state); });
  feed("net/snmp", "which counters of dropped packets have grown",
       [&](const std::string& t) { return parse_proc_counters(t, state); });
  feed("net/netstat", "", [&](const std::string& t) { return parse_proc_counters(t, state); });
  feed("net/arp", "", [&](const std::string& t) { return parse_proc_arp(t, state); });
  // Before Linux 3.6 redirects were kept in the routing cache, which this lists and netlink's dump of exceptions does not.
  feed("net/rt_cache", "", [&](const std::string& t) {
    const Reading reading = parse_proc_rt_cache(t, state);
    if (reading.known && !state.known.exceptions_v4) {
      state.known.exceptions_v4 = true;
      std::erase_if(state.gaps, [](const Gap& gap) { return gap.what == "route exceptions"; });
    }
    return reading;
  });

  read_legacy_tables(proc, false, state);
  read_legacy_tables(proc, true, state);

  std::error_code error;
  state.ipvs.present = fs::exists(proc / "net/ip_vs", error);
  if (!state.ipvs.present) {
    // No such file is the kernel's answer, there is no IPVS in this namespace; but only where the kernel's files are.
    const bool answered = !error && fs::exists(proc / "net/dev", error);
    state.known.services = state.known.connections = answered;
    if (!answered) state.gaps.push_back({"/proc/net", "it is not there", "whether there is IPVS, and its connections"});
    return;
  }
  constexpr std::size_t kConnections = 16u << 20;
  bool complete = true;
  if (const auto text = read_head(proc / "net/ip_vs_conn", kConnections, complete)) {
    const Reading reading = parse_proc_ip_vs_conn(*text, state);
    if (!complete) state.ipvs.connections_complete = false;
    if (!reading.problem.empty())
      state.gaps.push_back({"/proc/net/ip_vs_conn", reading.problem, "in which state the connections are"});
  } else {
    state.gaps.push_back({"/proc/net/ip_vs_conn", why(text.error()), "in which state the connections are"});
  }
  feed("net/ip_vs_app", "whether the FTP helper is there", [&](const std::string& t) { return parse_proc_ip_vs_app(t, state); });
  feed("net/ip_vs_stats", "", [&](const std::string& t) { return parse_proc_ip_vs_stats(t, state); });
}

}  // namespace lvsnat
