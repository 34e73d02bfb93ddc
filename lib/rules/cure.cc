#include "rules/cure.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace lvsnat::cures {
namespace {

using std::string;

bool is_v6(const Address& address) { return !address.is_v4(); }
string ip_command(bool v6) { return v6 ? "ip -6 " : "ip "; }
string family_word(bool v6) { return v6 ? "ip6" : "ip"; }
string iptables_word(bool v6) { return v6 ? "ip6tables" : "iptables"; }
string device_words(std::string_view device) { return device.empty() ? "" : " dev " + shell_word(device); }
string interface_in(std::string_view device, const char* match) {
  return device.empty() ? "" : string(match) + " \"" + printable(device, 64) + "\" ";
}
string full(const Address& address) { return to_string(address) + (is_v6(address) ? "/128" : "/32"); }

const char* const kSysctlFile = "/etc/sysctl.d/60-lvs-nat.conf";
const char* const kNftFile = "the same rule in /etc/nftables.conf (systemctl enable nftables)";
const char* const kIptablesFile = "netfilter-persistent save (Debian), iptables-save > /etc/sysconfig/iptables (Red Hat)";
const char* const kIpvsFile = "keepalived.conf if keepalived runs (it undoes hand edits), else ipvsadm -Sn > /etc/ipvsadm.rules";

/// `settings` are "key=value"; persistent as lines of one sysctl.d file.
Cure sysctl(Where where, const std::vector<string>& settings, const string& note = {}) {
  string command = "sysctl -w";
  string lines;
  for (const string& setting : settings) {
    command += ' ' + setting;
    const std::size_t equal = setting.find('=');
    if (!lines.empty()) lines += "; ";
    lines += setting.substr(0, equal) + " = " + setting.substr(equal + 1);
  }
  return {where, command, string(kSysctlFile) + ": " + lines + note};
}

/// ipvsadm's selector of a service: "-t 192.168.1.110:80", "-f 1 -6".
string selector(const Service& service) {
  switch (service.protocol) {
    case ServiceProtocol::tcp:
      return "-t " + to_string(Endpoint{service.vip, service.port});
    case ServiceProtocol::udp:
      return "-u " + to_string(Endpoint{service.vip, service.port});
    case ServiceProtocol::sctp:
      return "--sctp-service " + to_string(Endpoint{service.vip, service.port});
    case ServiceProtocol::fwmark:
      return "-f " + std::to_string(service.fwmark.value_or(0)) + (service.v6 ? " -6" : "");
  }
  return {};
}

string destination_words(const Service& service, const Address& rip, std::uint16_t port) {
  const std::uint16_t effective = port != 0 ? port : service.port;
  if (effective != 0) return "-r " + to_string(Endpoint{rip, effective});
  return "-r " + (is_v6(rip) ? "[" + to_string(rip) + "]" : to_string(rip));
}

const char* method_word(Method method) {
  switch (method) {
    case Method::route:
      return " -g";
    case Method::tunnel:
      return " -i";
    case Method::masq:
    case Method::local:
    case Method::unknown:
      break;
  }
  return " -m";
}

/// `ipvsadm -e` resets what it is not told: weight to 1, thresholds to 0.
string keep_words(const Destination& destination, bool with_weight, bool with_thresholds) {
  string words;
  if (with_weight && destination.weight) words += " -w " + std::to_string(*destination.weight);
  if (with_thresholds) {
    if (destination.upper_threshold.value_or(0) != 0) words += " -x " + std::to_string(*destination.upper_threshold);
    if (destination.lower_threshold.value_or(0) != 0) words += " -y " + std::to_string(*destination.lower_threshold);
  }
  return words;
}

string service_words(const Service& service) {
  string words = " -s " + (service.scheduler.empty() ? "wlc" : shell_word(service.scheduler));
  if (service.persistence) words += " -p " + std::to_string(*service.persistence);
  if (!service.persistence_engine.empty()) words += " --pe " + shell_word(service.persistence_engine);
  return words;
}

std::vector<Cure> filter_accept(std::string_view hook, std::string_view chain, const string& nft_match,
                                const string& iptables_match, bool v6, std::string_view nft_table, std::string_view nft_chain) {
  const string table = nft_table.empty() ? "inet filter" : printable(nft_table, 128);
  const string in_chain = nft_chain.empty() ? string(hook) : printable(nft_chain, 128);
  return {
      {Where::director, "nft insert rule " + table + " " + in_chain + " " + nft_match + "accept", string(kNftFile)},
      {Where::director, iptables_word(v6) + " -I " + string(chain) + " " + iptables_match + "-j ACCEPT", string(kIptablesFile)}};
}

/// As nft and iptables spell it; a firewall mark has none.
string protocol_word(ServiceProtocol protocol) {
  switch (protocol) {
    case ServiceProtocol::tcp:
      return "tcp";
    case ServiceProtocol::udp:
      return "udp";
    case ServiceProtocol::sctp:
      return "sctp";
    case ServiceProtocol::fwmark:
      break;
  }
  return {};
}

}  // namespace

string shell_word(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == ':' ||
           c == '@' || c == '-' || c == '/' || c == '%' || c == '+' || c == ',';
  };
  if (!text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), plain)) return string(text);
  string out = "'";
  for (const char c : printable(text, 256)) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

string device_key(bool v6, std::string_view device, std::string_view setting) {
  string name(device);
  std::replace(name.begin(), name.end(), '.', '/');  // sysctl(8): a dot inside a name is written as a slash
  return string(v6 ? "net.ipv6.conf." : "net.ipv4.conf.") +
         (name == device || shell_word(name) == name ? name : shell_word(name)) + "." + string(setting);
}

Cure gateway(const Address& dip, std::string_view device) {
  const bool v6 = is_v6(dip);
  const string gw = to_string(dip);
  const string persistent = "netplan: routes: [{to: default, via: \"" + gw + "\"}]; systemd-networkd: [Network] Gateway=" + gw +
                            "; ifupdown: gateway " + gw +
                            (v6 ? "; and no default from router advertisements (accept_ra=0)"
                                : "; with DHCP also use-routes: false (networkd: UseRoutes=no)");
  return {Where::real_server, ip_command(v6) + "route replace default via " + gw + device_words(device), persistent};
}

std::vector<Cure> remove_route(const Prefix& route, std::string_view device, const Address& rip, const Address& dip) {
  const bool v6 = is_v6(route.address);
  const string ip = ip_command(v6);
  const string gw = to_string(dip);
  std::vector<Cure> out;
  const bool covers = !dip.is_none() && route.contains(dip);
  if (covers) {
    // Without a route of its own the gateway would be unreachable once its network is gone.
    out.push_back({Where::real_server, ip + "route add " + full(dip) + device_words(device), std::nullopt});
    out.push_back({Where::real_server, ip + "route replace default via " + gw + device_words(device), std::nullopt});
  }
  Cure remove{Where::real_server, ip + "route del " + to_string(route) + device_words(device), std::nullopt};
  if (covers && !rip.is_none()) {
    remove.persistent = "the address as " + full(rip) + ": netplan: addresses: [" + full(rip) +
                        "], routes: [{to: default, via: \"" + gw + "\", on-link: true}]; systemd-networkd: Address=" + full(rip) +
                        ", [Route] Gateway=" + gw + " GatewayOnLink=yes";
  } else {
    remove.persistent = "take the address or route of " + to_string(route) +
                        " out of the network configuration (netplan, systemd-networkd, " +
                        "NetworkManager, /etc/network/interfaces), else the next boot or DHCP renewal brings it back";
  }
  out.push_back(std::move(remove));
  return out;
}

Cure source_route(const Address& rip, const Address& dip, std::string_view device) {
  const bool v6 = is_v6(rip);
  const string ip = ip_command(v6);
  const string from = to_string(rip);
  const string gw = to_string(dip);
  return {Where::real_server,
          ip + "route replace default via " + gw + device_words(device) + " table 100 && " + ip + "rule add from " + from +
              " lookup 100 priority 100",
          "netplan: routing-policy: [{from: \"" + from + "\", table: 100}], routes: [{to: default, via: \"" + gw +
              "\", table: 100}]; systemd-networkd: [RoutingPolicyRule] From=" + from + " Table=100, [Route] Gateway=" + gw +
              " Table=100; ifupdown: post-up with both commands"};
}

Cure remove_rule(bool v6, std::uint32_t priority, std::string_view selector_text) {
  return {Where::real_server, ip_command(v6) + "rule del priority " + std::to_string(priority),
          "take the rule (" + printable(selector_text, 256) +
              ") out of what adds it: netplan routing-policy, networkd [RoutingPolicyRule], " +
              "NetworkManager ipv4.routing-rules, VPN or container software"};
}

Cure flush_cache(bool v6) {
  return {Where::real_server, ip_command(v6) + "route flush cache", "nothing to keep; refuse redirects, or it is learnt again"};
}

/// Where the device is not known: all of them, `all` and `default` included.
static Cure every_device(Where where, bool v6, std::string_view setting) {
  const string family = v6 ? "ipv6" : "ipv4";
  const string key = string(setting);
  return {where, "for f in /proc/sys/net/" + family + "/conf/*/" + key + "; do echo 0 > $f; done",
          "/etc/sysctl.d/60-lvs-nat.conf: net." + family + ".conf.all." + key + " = 0; net." + family + ".conf.default." + key +
              " = 0; net." + family + ".conf.*." + key + " = 0"};
}

Cure refuse_redirects(bool v6, std::string_view device) {
  std::vector<string> settings{device_key(v6, "all", "accept_redirects") + "=0",
                               device_key(v6, "default", "accept_redirects") + "=0"};
  if (device.empty()) return every_device(Where::real_server, v6, "accept_redirects");
  settings.push_back(device_key(v6, device, "accept_redirects") + "=0");
  return sysctl(Where::real_server, settings);
}

Cure flush_neighbour(const Address& dip, std::string_view device) {
  return {Where::real_server, ip_command(is_v6(dip)) + "neigh flush to " + to_string(dip) + device_words(device),
          "remove static entries; on the directors keepalived vrrp_garp_master_refresh 60"};
}

std::vector<Cure> redirects_off(bool v6, std::span<const string> devices) {
  if (v6) {
    return {{Where::director, "nft add rule inet filter output icmpv6 type nd-redirect drop",
             string(kNftFile) + "; IPv6 has no send_redirects setting"},
            {Where::director, "ip6tables -I OUTPUT -p icmpv6 --icmpv6-type redirect -j DROP", string(kIptablesFile)}};
  }
  // The kernel takes `all` OR the device: without the device's own 0 nothing changes.
  if (devices.empty()) return {every_device(Where::director, false, "send_redirects")};
  std::vector<string> settings{device_key(false, "all", "send_redirects") + "=0",
                               device_key(false, "default", "send_redirects") + "=0"};
  for (const string& device : devices) settings.push_back(device_key(false, device, "send_redirects") + "=0");
  return {sysctl(Where::director, settings, "; net.ipv4.conf.*.send_redirects = 0")};
}

Cure ip_forward(bool v6) {
  return sysctl(
      Where::director, {v6 ? "net.ipv6.conf.all.forwarding=1" : "net.ipv4.ip_forward=1"},
      v6 ? "; a director that takes its own route from router advertisements needs accept_ra = 2 on that interface" : "");
}

std::vector<Cure> forward_accept(const Prefix& real_servers, std::string_view inside, std::string_view nft_table,
                                 std::string_view nft_chain) {
  const bool v6 = is_v6(real_servers.address);
  const string net = to_string(real_servers);
  return filter_accept("forward", "FORWARD", interface_in(inside, "iifname") + family_word(v6) + " saddr " + net + " ",
                       (inside.empty() ? "" : "-i " + shell_word(inside) + " ") + "-s " + net + " ", v6, nft_table, nft_chain);
}

std::vector<Cure> input_accept(const Service& service, std::string_view nft_table, std::string_view nft_chain) {
  if (service.protocol == ServiceProtocol::fwmark) {
    const string mark = std::to_string(service.fwmark.value_or(0));
    return filter_accept("input", "INPUT", "meta mark " + mark + " ", "-m mark --mark " + mark + " ", service.v6, nft_table,
                         nft_chain);
  }
  const bool v6 = is_v6(service.vip);
  const string vip = to_string(service.vip);
  const string protocol = protocol_word(service.protocol);
  const string port = std::to_string(service.port);
  return filter_accept("input", "INPUT",
                       family_word(v6) + " daddr " + vip + " " +
                           (service.port != 0 ? protocol + " dport " + port + " " : "meta l4proto " + protocol + " "),
                       "-d " + vip + " -p " + protocol + " " + (service.port != 0 ? "--dport " + port + " " : ""), v6, nft_table,
                       nft_chain);
}

std::vector<Cure> output_accept(const Prefix& real_servers, std::string_view inside, std::string_view nft_table,
                                std::string_view nft_chain) {
  const bool v6 = is_v6(real_servers.address);
  const string net = to_string(real_servers);
  return filter_accept("output", "OUTPUT", interface_in(inside, "oifname") + family_word(v6) + " daddr " + net + " ",
                       (inside.empty() ? "" : "-o " + shell_word(inside) + " ") + "-d " + net + " ", v6, nft_table, nft_chain);
}

Cure vs_conntrack(bool on) {
  return sysctl(Where::director, {string("net.ipv4.vs.conntrack=") + (on ? "1" : "0")},
                "; and ip_vs in /etc/modules-load.d/ipvs.conf, since the key exists only once it is loaded");
}

Cure nat_icmp_send_off() { return sysctl(Where::director, {"net.ipv4.vs.nat_icmp_send=0"}); }

Cure expire_nodest_conn() { return sysctl(Where::director, {"net.ipv4.vs.expire_nodest_conn=1"}); }

Cure rp_filter(Where where, std::string_view device) {
  std::vector<string> settings{device_key(false, "all", "rp_filter") + "=2"};
  if (!device.empty()) settings.push_back(device_key(false, device, "rp_filter") + "=2");
  return sysctl(where, settings);
}

Cure arp_ignore(std::string_view device) {
  std::vector<string> settings{device_key(false, "all", "arp_ignore") + "=0"};
  if (!device.empty()) settings.push_back(device_key(false, device, "arp_ignore") + "=0");
  return sysctl(Where::director, settings);
}

std::vector<Cure> add_address(const Prefix& address, std::string_view device) {
  const bool v6 = is_v6(address.address);
  const string text = to_string(address);
  Cure add{Where::director, ip_command(v6) + "addr add " + text + device_words(device) + (v6 ? " nodad" : ""),
           "keepalived: virtual_ipaddress { " + text + (device.empty() ? "" : " dev " + shell_word(device)) +
               " } where it floats, else netplan: addresses: [" + text + "]; systemd-networkd: Address=" + text +
               "; ifupdown: up ip addr add " + text + " dev $IFACE"};
  return {std::move(add), announce(address.address, device)};
}

Cure announce(const Address& address, std::string_view device) {
  const string on = device.empty() ? "INTERFACE" : shell_word(device);
  const string text = to_string(address);
  return {Where::director, is_v6(address) ? "ndsend " + text + " " + on : "arping -U -c 3 -I " + on + " " + text,
          "keepalived: vrrp_garp_master_refresh 60"};
}

Cure remove_address(Where where, const Prefix& address, std::string_view device) {
  return {where, ip_command(is_v6(address.address)) + "addr del " + to_string(address) + device_words(device),
          "take it out of that host's network configuration (netplan, systemd-networkd, /etc/network/interfaces, keepalived)"};
}

Cure masq_method(const Service& service, const Destination& destination) {
  return {Where::director,
          "ipvsadm -e " + selector(service) + " " + destination_words(service, destination.rip, destination.port) + " -m" +
              keep_words(destination, true, true),
          string(kIpvsFile) + "; keepalived: lvs_method NAT"};
}

Cure weight(const Service& service, const Destination& destination, int value) {
  return {Where::director,
          "ipvsadm -e " + selector(service) + " " + destination_words(service, destination.rip, destination.port) +
              method_word(destination.method) + " -w " + std::to_string(value) + keep_words(destination, false, true),
          string(kIpvsFile) + "; keepalived: weight " + std::to_string(value) + " in the real_server block"};
}

Cure add_destination(const Service& service, const Address& rip, std::uint16_t port) {
  return {Where::director, "ipvsadm -a " + selector(service) + " " + destination_words(service, rip, port) + " -m -w 1",
          string(kIpvsFile)};
}

Cure add_service(const Service& service) {
  return {Where::director, "ipvsadm -A " + selector(service) + service_words(service), string(kIpvsFile)};
}

Cure lift_thresholds(const Service& service, const Destination& destination) {
  return {Where::director,
          "ipvsadm -e " + selector(service) + " " + destination_words(service, destination.rip, destination.port) +
              method_word(destination.method) + keep_words(destination, true, false) + " -x 0 -y 0",
          string(kIpvsFile) + "; keepalived: uthreshold 0 in the real_server block"};
}

Cure no_one_packet(const Service& service) {
  return {Where::director, "ipvsadm -E " + selector(service) + service_words(service),
          string(kIpvsFile) + "; keepalived: remove `ops`"};
}

Cure timeouts(std::optional<std::uint32_t> tcp, std::optional<std::uint32_t> tcp_fin, std::optional<std::uint32_t> udp) {
  const auto word = [](std::optional<std::uint32_t> seconds) { return std::to_string(seconds.value_or(0)); };
  string persistent = "keepalived: global_defs { lvs_timeouts";
  if (tcp) persistent += " tcp " + word(tcp);
  if (tcp_fin) persistent += " tcpfin " + word(tcp_fin);
  if (udp) persistent += " udp " + word(udp);
  persistent += " }; else the command in a unit that runs at boot";
  return {Where::director, "ipvsadm --set " + word(tcp) + " " + word(tcp_fin) + " " + word(udp), std::move(persistent)};
}

Cure ftp_helper(std::span<const std::uint16_t> ports) {
  string list;
  for (const std::uint16_t port : ports) list += (list.empty() ? "" : ",") + std::to_string(port);
  if (list.empty() || list == "21") {
    return {Where::director, "modprobe ip_vs_ftp", "echo ip_vs_ftp > /etc/modules-load.d/ip_vs_ftp.conf"};
  }
  return {Where::director, "modprobe -r ip_vs_ftp; modprobe ip_vs_ftp ports=" + list,
          "echo ip_vs_ftp > /etc/modules-load.d/ip_vs_ftp.conf; echo options ip_vs_ftp ports=" + list +
              " > /etc/modprobe.d/ip_vs_ftp.conf"};
}

Cure load_ipvs() { return {Where::director, "modprobe ip_vs", "echo ip_vs > /etc/modules-load.d/ipvs.conf"}; }

std::vector<Cure> full_nat(const Service& service, const Address& dip) {
  const bool v6 = is_v6(dip);
  string match;
  if (service.protocol == ServiceProtocol::fwmark) {
    match = "-m mark --mark " + std::to_string(service.fwmark.value_or(0)) + " -m ipvs --ipvs";
  } else {
    match = "-p " + protocol_word(service.protocol) + " -m ipvs --vaddr " + full(service.vip);
    if (service.port != 0) match += " --vport " + std::to_string(service.port);
  }
  return {vs_conntrack(true),
          {Where::director, iptables_word(v6) + " -t nat -A POSTROUTING " + match + " -j SNAT --to-source " + to_string(dip),
           string(kIptablesFile) + "; real servers then see the director instead of the clients"}};
}

Cure close_direct_way(const Prefix& real_servers, std::string_view outside) {
  return {Where::director,
          "nft add rule inet filter forward " + interface_in(outside, "iifname") + family_word(is_v6(real_servers.address)) +
              " daddr " + to_string(real_servers) + " ct state new drop",
          string(kNftFile)};
}

Cure flowtable_exclude(const Address& vip, const Prefix& real_servers) {
  const string family = family_word(is_v6(vip));
  return {Where::director, "nft -a list ruleset | grep -n 'flow add'",
          "put before each `flow add` in /etc/nftables.conf: " + family + " daddr != " + to_string(vip) + " " + family +
              " saddr != " + to_string(real_servers) + "; then nft -f /etc/nftables.conf"};
}

Cure clamp_mss() {
  return {Where::director, "nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu", string(kNftFile)};
}

std::vector<Cure> accept_icmp_errors(bool v6) {
  if (v6) {
    return {{Where::director,
             "nft insert rule inet filter input icmpv6 type { destination-unreachable, packet-too-big, time-exceeded } accept",
             string(kNftFile)}};
  }
  return {{Where::director, "nft insert rule inet filter input icmp type { destination-unreachable, time-exceeded } accept",
           string(kNftFile)},
          {Where::director, "iptables -I INPUT -p icmp --icmp-type destination-unreachable -j ACCEPT", string(kIptablesFile)}};
}

}  // namespace lvsnat::cures
