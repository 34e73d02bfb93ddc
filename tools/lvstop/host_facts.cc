#include "host_facts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "lvsnat/packet.h"

namespace lvsnat::top {
namespace {

constexpr std::size_t kMaxFactsOfAKind = 64;

std::string number(std::uint64_t n) { return with_commas(n); }

std::string on_or_off(const DeviceSetting& setting) {
  return !setting.effective ? "not known" : *setting.effective != 0 ? "on" : "off";
}

Fact interface_fact(const KernelState& state, const Link& link) {
  std::string value = std::string(link.up ? "up" : "down") + (link.up && !link.running ? ", no carrier" : "");
  if (link.mtu != 0) value += ", mtu " + std::to_string(link.mtu);
  std::size_t shown = 0;
  for (const InterfaceAddress& address : state.addresses) {
    if (address.dev != link.name) continue;
    if (++shown > 6) {
      value += " ...";
      break;
    }
    value += (shown == 1 ? ", " : " ") + to_string(address.address) + "/" + std::to_string(address.length);
  }
  std::string note;
  if (state.known.sysctls) {
    // Neither is wrong by itself: the findings say where one is.
    note = "send_redirects " + on_or_off(effective_send_redirects(state, link.name, false)) + ", rp_filter ";
    const DeviceSetting filter = effective_rp_filter(state, link.name);
    note += !filter.effective ? "not known" : *filter.effective == 0 ? "off" : *filter.effective == 1 ? "strict" : "loose";
  }
  if (const std::uint64_t dropped = link.rx_dropped + link.tx_dropped; dropped != 0)
    note += (note.empty() ? "" : ", ") + number(dropped) + " packets dropped by the interface";
  return {"Interfaces", printable(link.name, 32), value, link.up && link.running ? Mark::good : Mark::warning, note};
}

void add_sources(std::vector<Fact>& facts, const Report& report) {
  for (const SourceStatistics& source : report.sources) {
    // Of a path its end tells more than its beginning.
    const std::string_view name = std::string_view(source.name).substr(source.name.rfind('/') + 1);
    Fact fact{"Capture", printable(name.empty() ? source.name : name, 128), "", Mark::good, ""};
    fact.value =
        number(source.packets) + " packets, " + (source.dropped ? number(*source.dropped) + " dropped" : "drops not told");
    if (source.interface && *source.interface != source.name) fact.value += ", " + printable(*source.interface, 64);
    if (source.malformed != 0) fact.value += ", " + number(source.malformed) + " malformed";
    const auto say = [&](const std::string& text) { fact.note += (fact.note.empty() ? "" : "; ") + text; };
    if (!source.dropped) fact.mark = Mark::unknown;
    if (source.dropped.value_or(0) != 0) {
      fact.mark = Mark::warning;
      say("what was dropped was not seen: an absent leg proves nothing here");
    }
    if (source.truncated) {
      fact.mark = Mark::warning;
      say("the file ends inside a packet");
    }
    if (source.damaged) {
      fact.mark = Mark::warning;
      say("the file is damaged: what follows was not read");
    }
    if (!source.gaps.empty()) {
      fact.mark = Mark::warning;
      say("blind " + std::to_string(source.gaps.size()) + " times, last: " + printable(source.gaps.back().why, 128));
    }
    if (source.refused) fact.mark = Mark::bad;
    if (source.problem) {
      if (fact.mark == Mark::good || fact.mark == Mark::unknown) fact.mark = Mark::warning;
      say(printable(*source.problem, 256));
    }
    facts.push_back(std::move(fact));
  }
}

}  // namespace

std::vector<Fact> capture_facts(const Snapshot& s) {
  std::vector<Fact> facts;
  const Report& report = s.report;
  add_sources(facts, report);
  if (!s.capture.problem.empty()) facts.push_back({"Capture", "ended", printable(s.capture.problem, 256), Mark::bad, ""});
  if (!s.capture.keep_problem.empty()) facts.push_back({"Capture", "-w", s.capture.keep_problem, Mark::bad, "no longer written"});
  const PacketTally& packets = report.packets;
  if (packets.total != 0) {
    using Kind = Packet::Kind;
    const auto of = [&](Kind kind) { return packets.by_kind[static_cast<std::size_t>(kind)]; };
    facts.push_back({"Packets", "read", number(packets.total) + ", " + number(packets.duplicates) + " copies", Mark::none,
                     "a packet seen on two interfaces of one path counts once"});
    facts.push_back({"Packets", "TCP, UDP, SCTP", number(of(Kind::transport)), Mark::none, ""});
    facts.push_back({"Packets", "ICMP, ARP, ND",
                     number(of(Kind::icmp)) + ", " + number(of(Kind::arp)) + ", " + number(of(Kind::neighbour)), Mark::none, ""});
    const std::uint64_t odd = of(Kind::truncated) + of(Kind::malformed) + of(Kind::unsupported);
    facts.push_back({"Packets", "not understood", number(odd), odd == 0 ? Mark::good : Mark::warning,
                     odd == 0 ? ""
                              : number(of(Kind::truncated)) + " cut short, " + number(of(Kind::malformed)) + " malformed, " +
                                    number(of(Kind::unsupported)) + " of a kind this program does not know"});
  }
  const ConnectionTally& c = report.connections;
  const std::size_t listed = s.connections.size();
  facts.push_back({"Table", "connections",
                   number(s.tracked) + " tracked, " + number(listed) + " listed" +
                       (listed > s.tracked ? ", with those that ended in the last minute" : ""),
                   s.connections.size() < s.tracked ? Mark::warning : Mark::none,
                   s.connections.size() < s.tracked ? "those with findings and the newest are listed; counts cover all" : ""});
  facts.push_back({"Table", "forgotten", number(s.evicted), s.evicted == 0 ? Mark::good : Mark::warning,
                   s.evicted == 0 ? ""
                                  : number(c.evicted_half_open) + " half open, " + number(c.evicted_closed) + " closed, " +
                                        number(c.evicted_other) + " others: the table was full (--max-connections)"});
  if (c.untracked_packets != 0) {
    facts.push_back({"Table", "not tracked", number(c.untracked_packets) + " packets", Mark::warning, "no room in the table"});
  }
  facts.push_back({"Table", "set aside",
                   number(c.health_checks) + " health checks, " + number(c.direct) + " direct, " + number(c.own_service) +
                       " of the director's own, " + number(c.unrelated) + " unrelated",
                   Mark::none, ""});
  if (s.capture.picture_cost != 0) {
    facts.push_back({"Table", "summed up",
                     "every " + short_duration(s.capture.picture_interval) + ", in " + short_duration(s.capture.picture_cost) +
                         " of a processor",
                     Mark::none, ""});
  }
  if (s.capture.recorded_limit != 0) {
    facts.push_back(
        {"Kept", "for ladders and saving",
         number(s.capture.recorded_packets) + " packets, " + number(s.capture.recorded_bytes >> 20) + " of " +
             number(s.capture.recorded_limit >> 20) + " MiB",
         s.capture.overwritten_packets == 0 ? Mark::good : Mark::none,
         s.capture.overwritten_packets == 0 ? "" : number(s.capture.overwritten_packets) + " older packets are no longer kept"});
  }
  if (!report.origin.empty()) {
    std::string origins;
    for (const Origin origin : report.origin) origins += (origins.empty() ? "" : ", ") + std::string(name(origin));
    facts.push_back({"Director", "services known from", origins, Mark::none, ""});
  }
  for (const std::string& note : report.notes) facts.push_back({"Note", "", printable(note, 300), Mark::none, ""});
  const auto join = [](const std::vector<Address>& list) {
    std::string text;
    for (std::size_t i = 0; i < list.size() && i < 8; ++i) text += (text.empty() ? "" : " ") + to_string(list[i]);
    return list.size() > 8 ? text + " ..." : text;
  };
  if (!report.director.addresses.empty())
    facts.push_back({"Director", "addresses", join(report.director.addresses), Mark::none, ""});
  if (!report.director.gateways.empty()) {
    facts.push_back({"Director", "gateway of the real servers", join(report.director.gateways), Mark::none, ""});
  }
  return facts;
}

std::vector<Fact> host_facts(const KernelState& state) {
  std::vector<Fact> facts;
  facts.push_back({"Host", "name", state.hostname.empty() ? "not told" : printable(state.hostname, 128), Mark::none, ""});
  facts.push_back({"Host", "kernel", state.kernel.empty() ? "not told" : printable(state.kernel, 128), Mark::none,
                   "state from " + printable(state.source, 128)});
  if (state.known.services) {
    facts.push_back({"IPVS", "version", state.ipvs.version.empty() ? "not told" : printable(state.ipvs.version, 32),
                     state.ipvs.present ? Mark::good : Mark::bad, state.ipvs.present ? "" : "this kernel has no IPVS"});
    facts.push_back(
        {"IPVS", "services", number(state.ipvs.services.size()), state.ipvs.services.empty() ? Mark::bad : Mark::good, ""});
  }
  if (state.known.connections) {
    facts.push_back({"IPVS", "entries",
                     number(state.ipvs.connections.size()) + (state.ipvs.connections_complete ? "" : " or more"), Mark::none,
                     ""});
  }
  if (state.ipvs.timeouts) {
    facts.push_back({"IPVS", "timeouts",
                     "tcp " + std::to_string(state.ipvs.timeouts->tcp) + " s, tcpfin " +
                         std::to_string(state.ipvs.timeouts->tcp_fin) + " s, udp " + std::to_string(state.ipvs.timeouts->udp) +
                         " s",
                     Mark::none, ""});
  }
  for (const char* key : {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"}) {
    if (!state.known.sysctls) break;
    const auto value = sysctl_number(state, key);
    const bool v6 = std::string_view(key).find("ipv6") != std::string_view::npos;
    const bool needed =
        !v6 || std::any_of(state.ipvs.services.begin(), state.ipvs.services.end(), [](const Service& s) { return s.v6; });
    Fact fact{"Forwarding", key, value ? std::to_string(*value) : "not known", Mark::unknown, ""};
    if (value) fact.mark = *value != 0 ? Mark::good : needed ? Mark::bad : Mark::none;
    if (value && *value == 0 && needed) fact.note = "requests still pass, replies die here";
    facts.push_back(std::move(fact));
  }
  if (const auto conntrack = sysctl_number(state, "net.ipv4.vs.conntrack")) {
    facts.push_back({"Forwarding", "net.ipv4.vs.conntrack", std::to_string(*conntrack), Mark::none, ""});
  }
  std::size_t links = 0;
  for (const Link& link : state.links) {
    const bool addressed = std::any_of(state.addresses.begin(), state.addresses.end(),
                                       [&link](const InterfaceAddress& a) { return a.dev == link.name; });
    // What is down and was given no address waits for nobody.
    if (link.loopback || (!link.up && !addressed && link.master.empty())) continue;
    if (++links > kMaxFactsOfAKind) {
      facts.push_back({"Interfaces", "more", number(state.links.size()) + " in all", Mark::none, ""});
      break;
    }
    facts.push_back(interface_fact(state, link));
  }
  std::size_t gaps = 0;
  for (const Gap& gap : state.gaps) {
    if (++gaps > kMaxFactsOfAKind) break;
    facts.push_back({"Not known", printable(gap.what, 64), printable(gap.why, 128), Mark::unknown,
                     gap.would_tell.empty() ? "" : "would tell " + printable(gap.would_tell, 160)});
  }
  return facts;
}

}  // namespace lvsnat::top
