#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "lvsnat/wayback.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "wayback/judge.h"

namespace lvsnat {
namespace {

constexpr std::size_t kBatch = 64;

Mac mac_of(const std::array<std::uint8_t, 6>& bytes) { return Mac{bytes}; }

/// A router that speaks VRRP or CARP sends with one MAC and is addressed by the virtual one: the same host.
bool is_virtual(const Mac& mac) {
  return mac.bytes[0] == 0x00 && mac.bytes[1] == 0x00 && mac.bytes[2] == 0x5e && mac.bytes[3] == 0x00 &&
         (mac.bytes[4] == 0x01 || mac.bytes[4] == 0x02);
}

bool cooked(LinkType link) { return link == LinkType::linux_sll || link == LinkType::linux_sll2; }

}  // namespace

Wire::Wire(std::set<Address> own) : own_(std::move(own)) {}

void Wire::feed(std::span<const Frame> frames, const std::vector<Vantage>& vantages) {
  vantages_ = vantages;
  std::array<Packet, kBatch> packets;
  while (!frames.empty()) {
    const std::size_t n = std::min(frames.size(), kBatch);
    decode(frames.first(n), std::span(packets).first(n));
    for (std::size_t i = 0; i < n; ++i) {
      ++packets_.total;
      ++packets_.by_kind[static_cast<std::size_t>(packets[i].kind)];
      take(packets[i]);
    }
    frames = frames.subspan(n);
  }
}

void Wire::take(const Packet& packet) {
  if (packet.kind == Packet::Kind::transport) return take_transport(packet);
  const auto claim = [this](const Address& address, const Mac& mac) {
    if (address.is_none() || address.is_unspecified() || mac.is_none() || mac.is_group()) return;
    if (claims_.size() < kMaxMacs || claims_.contains(address)) claims_.insert_or_assign(address, mac);
  };
  if (packet.kind == Packet::Kind::arp) {
    Arp arp;
    if (decode_arp(packet, arp) && !arp.probe) claim(arp.sender, mac_of(arp.sender_mac));
    return;
  }
  if (packet.kind != Packet::Kind::icmp && packet.kind != Packet::Kind::neighbour) return;
  Icmp icmp;
  if (!decode_icmp(packet, icmp)) return;
  if (icmp.advertisement && icmp.has_link_address) claim(icmp.target, mac_of(icmp.link_address));
  if (icmp.solicitation && icmp.has_link_address) claim(packet.source, mac_of(icmp.link_address));
  if (!icmp.redirect || (!own_.empty() && !own_.contains(packet.destination))) return;
  ++redirect_count_;
  for (Redirect& r : redirects_) {
    if (r.from == packet.source && r.gateway == icmp.gateway && r.client == icmp.quoted_destination) {
      ++r.count;
      return;
    }
  }
  if (redirects_.size() >= kMaxRedirects) return;
  redirects_.push_back({packet.source,
                        icmp.gateway,
                        icmp.quoted_destination,
                        mac_of(packet.source_mac),
                        1,
                        {packet.vantage, packet.number, packet.time}});
}

void Wire::take_transport(const Packet& packet) {
  const Endpoint source{packet.source, packet.source_port}, destination{packet.destination, packet.destination_port};
  const bool ordered = source < destination;
  const Key key{ordered ? source : destination, ordered ? destination : source, packet.protocol};
  const bool tcp = packet.protocol == kTcp;
  const bool syn = tcp && (packet.tcp_flags & kSyn) != 0, ack = tcp && (packet.tcp_flags & kAck) != 0;
  auto found = index_.find(key);
  if (found == index_.end()) {
    // Who is the server? The one that is this host; where that is not known, the one that is asked.
    const bool to_own = own_.contains(destination.address), from_own = own_.contains(source.address);
    if (to_own == from_own && !own_.empty()) return;  // others' traffic on a shared wire, or a host that speaks to itself
    const bool opens = tcp ? syn && !ack : !packet.destination.is_multicast();
    const bool answers = syn && ack;
    Flow flow;
    flow.protocol = packet.protocol;
    if (!own_.empty()) {
      flow.client = to_own ? source : destination;
      flow.server = to_own ? destination : source;
      flow.opened = to_own ? opens : answers;
    } else {
      if (!opens && !answers) return;
      flow.client = opens ? source : destination;
      flow.server = opens ? destination : source;
      flow.opened = true;
    }
    // The real server's own connections to others are not what is asked about.
    if (!flow.opened) return;
    if (flows_.size() >= kMaxFlows) {
      ++left_out_;
      return;
    }
    found = index_.emplace(key, flows_.size()).first;
    flows_.push_back(flow);
  }
  Flow& flow = flows_[found->second];
  const Sighting here{packet.vantage, packet.number, packet.time};
  if (source == flow.client) {
    ++flow.requests;
    if (packet.has_macs) {
      // The first one counts: the reset of a client that was answered directly comes from its own MAC.
      if (flow.from.is_none()) flow.from = mac_of(packet.source_mac);
      if (!mac_of(packet.destination_mac).is_none()) flow.own = mac_of(packet.destination_mac);
    }
    if (flow.first_request.frame == 0) flow.first_request = here;
    if (tcp && flow.replies != 0 && ack && !syn && (packet.tcp_flags & kRst) == 0) flow.acknowledged = true;
    if (tcp && (packet.tcp_flags & kRst) != 0 && flow.replies != 0 && flow.requests > 1 && !flow.reset_by_client) {
      flow.reset_by_client = true;
      flow.reset = here;
      if (packet.has_macs) flow.reset_from = mac_of(packet.source_mac);
    }
    return;
  }
  ++flow.replies;
  const LinkType link = packet.vantage < vantages_.size() ? vantages_[packet.vantage].link : LinkType::ethernet;
  if (!packet.has_macs || cooked(link)) {
    flow.hides_destination = true;
    return;
  }
  flow.to = mac_of(packet.destination_mac);
  if (flow.from.is_none() || flow.to == flow.from || is_virtual(flow.to) || is_virtual(flow.from)) return;
  if (flow.replies_else++ == 0) {
    flow.first_else = here;
    flow.elsewhere = flow.to;
  }
}

void ExceptionWatch::look(const std::vector<RouteException>& now, Timestamp time) {
  for (Seen& one : seen_) one.gone = true;
  for (const RouteException& e : now) {
    if (!e.redirected) continue;
    const auto key = std::make_pair(e.destination, e.dev);
    auto at = index_.find(key);
    if (at == index_.end()) {
      if (seen_.size() >= kMaxSeen) continue;
      at = index_.emplace(key, seen_.size()).first;
      seen_.push_back({e, time, time, looks_ == 0, false});
    }
    Seen& one = seen_[at->second];
    one.exception = e;
    one.last = time;
    one.gone = false;
  }
  ++looks_;
}

std::set<Mac> Wire::request_macs() const {
  std::set<Mac> out;
  for (const Flow& flow : flows_) {
    if (!flow.opened || flow.from.is_none()) continue;
    const auto claimed = claims_.find(flow.client.address);
    if (claimed != claims_.end() && claimed->second == flow.from) continue;  // the client itself, on this wire
    out.insert(flow.from);
  }
  return out;
}

bool Wire::all_from(const std::set<Address>& addresses) const {
  bool any = false;
  for (const Flow& flow : flows_) {
    if (!flow.opened || flow.requests == 0) continue;
    if (!addresses.contains(flow.client.address)) return false;
    any = true;
  }
  return any;
}

namespace wayback {

void judge_wire(const KernelState* state, const Directors& directors, const WayBackQuestion& question, const Wire& wire,
                const ExceptionWatch* watch, FindingSink& sink, std::vector<std::string>& notes) {
  const auto asked = [&question](const Address& client) {
    return question.clients.empty() ||
           std::any_of(question.clients.begin(), question.clients.end(), [&](const Prefix& p) { return p.contains(client); });
  };
  const auto source_of = [&wire](const Wire::Sighting& at) -> std::optional<std::string> {
    if (at.vantage < wire.vantages().size()) return wire.vantages()[at.vantage].source;
    return std::nullopt;
  };
  const auto evidence = [&](const Wire::Sighting& at, std::string text, Leg leg) {
    Evidence e;
    e.text = std::move(text);
    e.source = source_of(at);
    if (at.frame != 0) {
      e.frame = at.frame;
      e.time = at.time;
    }
    e.leg = leg;
    return e;
  };
  const auto owner = [&](const Mac& mac) -> std::optional<Address> {
    for (const auto& [address, claimed] : wire.claims()) {
      if (claimed == mac && !address.is_link_local()) return address;
    }
    if (state != nullptr) {
      for (const Neighbour& n : state->neighbours) {
        if (n.mac == mac && !n.address.is_link_local()) return n.address;
      }
    }
    return std::nullopt;
  };
  // The client goes on after a reply that went elsewhere, as all of them did: so it came as the VIP's, and by a director.
  const auto accepted = [](const Wire::Flow& flow) { return flow.acknowledged && flow.replies_else == flow.replies; };
  // A MAC that an address of the director has in a table may be an old one: then nothing that is sent there ever gets on.
  std::map<Mac, std::pair<std::uint64_t, bool>> elsewhere;  // connections whose replies were sent again, and did any get on?
  for (const Wire::Flow& flow : wire.flows()) {
    if (flow.replies_else == 0) continue;
    auto& [stuck, got_on] = elsewhere[flow.elsewhere];
    if (flow.protocol != kTcp || accepted(flow)) got_on = true;
    if (flow.protocol == kTcp && flow.opened && flow.replies >= 2) ++stuck;
  }
  const auto dead = [&elsewhere](const Mac& mac) {
    const auto found = elsewhere.find(mac);
    return found != elsewhere.end() && !found->second.second && found->second.first >= 2;
  };
  std::uint64_t right = 0, hidden = 0, one_sided = 0, refused = 0;
  std::optional<Address> refuser;
  const auto accuse_reset = [&](const Wire::Flow& flow) {
    const std::string rip = to_string(flow.server.address), cip = to_string(flow.client.address);
    Subject subject;
    subject.real_server = rip;
    subject.client = cip;
    Finding& f = sink.accuse(rules::reply_sent_to_other_mac, subject, Severity::error, Confidence::likely);
    f.title = cip + " resets the SYN-ACKs of " + rip + ", and its resets do not come by the director";
    f.cause = "A client resets a SYN-ACK that it never asked for: it asked the VIP and was answered by " + rip +
              ". The request came from " + to_string(flow.from) + ", the reset from " + to_string(flow.reset_from) +
              ": what it answers went past the director, whose MAC the request has.";
    FindingSink::prove(
        f, evidence(flow.first_request,
                    "request from " + to_string(flow.from) + ": " + to_string(flow.client) + " > " + to_string(flow.server),
                    Leg::demasq));
    FindingSink::prove(
        f, evidence(flow.reset,
                    "reset from " + to_string(flow.reset_from) + ": " + to_string(flow.client) + " > " + to_string(flow.server),
                    Leg::demasq));
    FindingSink::unchecked(f, "to which MAC the replies went: this capture does not tell; capture on the interface itself");
  };
  for (const Wire::Flow& flow : wire.flows()) {
    if (!flow.opened || !asked(flow.client.address)) continue;
    if (directors.addresses.contains(flow.client.address)) continue;  // health checks, full NAT: on-link
    if (flow.requests == 0 || flow.replies == 0) {
      ++one_sided;
      continue;
    }
    // A client that resets a SYN-ACK got one that it never asked for: from the RIP. Where nothing tells to whom that was sent,
    // a reset that came past the director says that it went there, too. Where it is seen to have gone to the director, the
    // director passed it on as it was (LVS104), and a client on this wire answers straight.
    const bool reset_past = flow.hides_destination && flow.reset_by_client && !flow.reset_from.is_none() &&
                            !flow.from.is_none() && flow.reset_from != flow.from && !directors.macs.contains(flow.reset_from);
    if (reset_past && flow.replies_else == 0) {
      accuse_reset(flow);
      continue;
    }
    if (flow.reset_by_client && flow.replies_else == 0 && !flow.hides_destination) {
      ++refused;
      refuser = flow.client.address;
    }
    if (flow.hides_destination) {
      ++hidden;
      continue;
    }
    if (flow.replies_else == 0) {
      ++right;
      continue;
    }
    // Two MACs of one director: addressed by the one, sending with the other.
    const bool known = directors.macs.contains(flow.elsewhere) && directors.macs.contains(flow.from);
    if (accepted(flow) || (known && !dead(flow.elsewhere))) {
      ++right;
      continue;
    }
    Subject subject;
    subject.real_server = to_string(flow.server.address);
    subject.client = to_string(flow.client.address);
    subject.gateway = to_string(flow.elsewhere);
    Finding& f =
        sink.accuse(rules::reply_sent_to_other_mac, subject, Severity::error, known ? Confidence::likely : Confidence::certain);
    const auto whose = owner(flow.elsewhere);
    const std::string who = to_string(flow.elsewhere) + (whose ? " (" + to_string(*whose) + ")" : "");
    f.title = "Replies from " + to_string(flow.server.address) + " to " + to_string(flow.client.address) + " leave to " + who +
              ", requests come from " + to_string(flow.from);
    f.cause = "Requests come from the MAC of the director, replies of the same connection go to another: " +
              std::string(whose && *whose == flow.client.address
                              ? "to the client itself, by a direct route or a redirect (LVS303, LVS304)."
                          : whose ? "to " + to_string(*whose) + ", by another route (LVS301, LVS305)."
                                  : "a router's, the client's, or that of a director that is no longer active.");
    FindingSink::prove(
        f, evidence(flow.first_request,
                    "request from " + to_string(flow.from) + ": " + to_string(flow.client) + " > " + to_string(flow.server),
                    Leg::demasq));
    FindingSink::prove(
        f, evidence(flow.first_else,
                    "reply to " + to_string(flow.elsewhere) + ": " + to_string(flow.server) + " > " + to_string(flow.client),
                    Leg::reply));
    if (flow.reset_by_client)
      FindingSink::prove(
          f,
          evidence(flow.reset, "reset from the client to " + to_string(flow.server) + ": it got a reply that it never asked for",
                   Leg::demasq));
    const Address gw = state != nullptr ? gateway_for(*state, directors, flow.server.address) : Address{};
    const Neighbour* n = gw.is_none() ? nullptr : find_neighbour(*state, gw);
    if (n != nullptr && n->mac == flow.elsewhere) {
      FindingSink::cure(f, cures::flush_neighbour(gw, n->dev));
      f.cause += " The gateway address " + to_string(gw) + " has that MAC in this host's neighbour table: an old entry" +
                 std::string(known ? ", for no reply that was sent there was ever acknowledged." : ".");
    } else if (!gw.is_none()) {
      FindingSink::cure(f, cures::gateway(gw, arrival_device(*state, directors, flow.server.address)));
      FindingSink::cure(f, cures::flush_cache(!flow.server.address.is_v4()));
    }
    if (state == nullptr)
      FindingSink::unchecked(f, "which route sends them there: give --state, or run this on the real server itself");
  }
  if (right != 0)
    notes.push_back(std::to_string(right) + (right == 1 ? " connection was" : " connections were") +
                    " seen whose replies went back to the MAC that the requests came from.");
  if (hidden != 0)
    notes.push_back("Replies of " + std::to_string(hidden) +
                    " connections have no destination MAC (a capture on `any`): whom they were sent to is not known; capture on "
                    "the interface itself.");
  if (one_sided != 0)
    notes.push_back(std::to_string(one_sided) + (one_sided == 1 ? " connection has" : " connections have") +
                    " requests without replies on this wire: the reply left by another interface, or was never sent.");
  if (wire.flows_left_out() != 0)
    notes.push_back(std::to_string(wire.flows_left_out()) + " packets of connections beyond the limit were not followed.");
  if (refused != 0)
    notes.push_back(
        std::to_string(refused) + (refused == 1 ? " SYN-ACK was" : " SYN-ACKs were") + " answered by a reset" +
        (refuser ? " (of " + to_string(*refuser) + ")" : std::string()) +
        " although the SYN-ACK went to the director: a port scan, a client that gave up, or a director that passed the reply "
        "on without rewriting it (LVS104).");
  for (const Wire::Redirect& r : wire.redirects()) {
    const bool ours = directors.addresses.contains(r.from) || directors.macs.contains(r.mac);
    std::string text = std::to_string(r.count) + (r.count == 1 ? " ICMP redirect" : " ICMP redirects") + " received from " +
                       to_string(r.from) + (ours ? ", the director (" : ", which is not known as the director (") +
                       to_string(r.mac) + "): go to " + to_string(r.client) + " by " +
                       (r.gateway == r.client ? "itself" : to_string(r.gateway)) + ", first in frame " +
                       std::to_string(r.first.frame) + ". ";
    const ExceptionWatch::Seen* made = nullptr;
    if (watch != nullptr) {
      for (const ExceptionWatch::Seen& one : watch->seen()) {
        if (one.exception.destination == r.client) made = &one;
      }
    }
    const bool listed =
        state != nullptr && std::any_of(state->exceptions.begin(), state->exceptions.end(),
                                        [&r](const RouteException& e) { return e.redirected && e.destination == r.client; });
    if (made != nullptr && !made->from_start && made->first >= r.first.time) {
      text += "It was believed: the exception was there " + to_duration(made->first - r.first.time) + " later.";
    } else if (listed || made != nullptr) {
      text += "An exception for this client is there (LVS304).";
    } else if (watch != nullptr) {
      text +=
          "Nothing came of it so far: no exception is listed. The first one may only start ARP for the client, the next one "
          "counts.";
    } else {
      text += "Whether it was believed, 'ip route show cache' on the real server tells.";
    }
    notes.push_back(std::move(text));
  }
  if (watch != nullptr) {
    for (const ExceptionWatch::Seen& one : watch->seen()) {
      if (one.gone)
        notes.push_back("A redirected route to " + to_string(one.exception.destination) + " was there until " +
                        to_clock(one.last) + " UTC and is gone: it ran out, or somebody flushed it.");
    }
  }
}

}  // namespace wayback
}  // namespace lvsnat
