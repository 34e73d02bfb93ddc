// A cited frame in words, by libtins. libtins 4.0 nests by recursion, refuses headers that the snaplen cut, and reads out of
// bounds in parsers of protocols that do not matter here. So it gets one IP packet at a time, out of a short copy whose lengths
// fit and whose inner protocol is one that it is known to parse safely; link layer and nesting are walked here.
#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <span>
#include <string>

#include <tins/arp.h>
#include <tins/icmp.h>
#include <tins/icmpv6.h>
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "base/bytes.h"
#include "base/text.h"
#include "lvsnat/capture.h"
#include "lvsnat/packet.h"

namespace lvsnat {
namespace capture {
namespace {

using Bytes = std::span<const std::uint8_t>;

// Headers and a quoted packet; more is payload, which is not described.
constexpr std::size_t kMostBytes = 1024;
constexpr int kMostTags = 8, kMostTunnels = 4;
constexpr std::uint8_t kNobody = 255;  // reserved by IANA: libtins leaves the payload alone

std::string number(std::uint64_t v) { return std::to_string(v); }

std::string bytes_of_data(std::uint64_t n) { return n == 0 ? "no data" : number(n) + (n == 1 ? " byte" : " bytes") + " of data"; }

std::string protocol_name(unsigned protocol) {
  switch (protocol) {
    case kIcmp:
      return "ICMP";
    case kIpip:
      return "IP-in-IP";
    case kTcp:
      return "TCP";
    case kUdp:
      return "UDP";
    case kIpv6:
      return "IPv6-in-IP";
    case kGre:
      return "GRE";
    case 50:
      return "ESP";
    case 51:
      return "AH";
    case kIcmp6:
      return "ICMPv6";
    case 112:
      return "VRRP";
    case kSctp:
      return "SCTP";
    default:
      return "protocol " + number(protocol);
  }
}

std::string describe_ip(Bytes packet, int depth);

std::string describe_tcp(const Tins::TCP& tcp, std::uint64_t segment) {
  std::string flags;
  const std::array<std::pair<Tins::TCP::Flags, const char*>, 6> names = {{{Tins::TCP::SYN, "SYN"},
                                                                          {Tins::TCP::FIN, "FIN"},
                                                                          {Tins::TCP::RST, "RST"},
                                                                          {Tins::TCP::PSH, "PSH"},
                                                                          {Tins::TCP::ACK, "ACK"},
                                                                          {Tins::TCP::URG, "URG"}}};
  for (const auto& [flag, name] : names) {
    if (tcp.get_flag(flag) != 0) flags += (flags.empty() ? "" : " ") + std::string(name);
  }
  const std::uint64_t header = std::uint64_t{tcp.data_offset()} * 4;
  std::string text = "TCP " + number(tcp.sport()) + " > " + number(tcp.dport()) + " [" + flags + "] seq " + number(tcp.seq());
  if (tcp.get_flag(Tins::TCP::ACK) != 0) text += " ack " + number(tcp.ack_seq());
  return text + " win " + number(tcp.window()) + ", " + bytes_of_data(segment > header ? segment - header : 0);
}

std::string quoted(const Tins::PDU& icmp, int depth) {
  const auto* raw = icmp.find_pdu<Tins::RawPDU>();
  if (raw == nullptr || raw->payload().size() < 20 || depth >= kMostTunnels) return {};
  return ", about {" + describe_ip(raw->payload(), depth + 1) + "}";
}

std::string describe_icmp(const Tins::ICMP& icmp, int depth) {
  static constexpr std::array unreachable = {"network unreachable",
                                             "host unreachable",
                                             "protocol unreachable",
                                             "port unreachable",
                                             "fragmentation needed",
                                             "source route failed",
                                             "network unknown",
                                             "host unknown",
                                             "source host isolated",
                                             "network prohibited",
                                             "host prohibited",
                                             "network unreachable for this type of service",
                                             "host unreachable for this type of service",
                                             "prohibited by a filter",
                                             "host precedence violation",
                                             "precedence cutoff"};
  const unsigned code = icmp.code();
  switch (icmp.type()) {
    case Tins::ICMP::ECHO_REQUEST:
      return "ICMP echo request, id " + number(icmp.id()) + " seq " + number(icmp.sequence());
    case Tins::ICMP::ECHO_REPLY:
      return "ICMP echo reply, id " + number(icmp.id()) + " seq " + number(icmp.sequence());
    case Tins::ICMP::DEST_UNREACHABLE: {
      std::string text = std::string("ICMP ") + (code < unreachable.size() ? unreachable[code] : "unreachable");
      if (code == 4) text += " (MTU " + number(icmp.mtu()) + ")";
      return text + quoted(icmp, depth);
    }
    case Tins::ICMP::REDIRECT:
      return "ICMP redirect to " + icmp.gateway().to_string() + quoted(icmp, depth);
    case Tins::ICMP::TIME_EXCEEDED:
      return std::string(code == 1 ? "ICMP fragment reassembly time exceeded" : "ICMP time to live exceeded") +
             quoted(icmp, depth);
    case Tins::ICMP::PARAM_PROBLEM:
      return "ICMP parameter problem" + quoted(icmp, depth);
    default:
      return "ICMP type " + number(static_cast<unsigned>(icmp.type())) + " code " + number(code);
  }
}

std::string describe_icmp6(const Tins::ICMPv6& icmp, int depth) {
  static constexpr std::array unreachable = {"no route",         "prohibited by a filter", "beyond the scope of the source",
                                             "host unreachable", "port unreachable",       "source refused by policy",
                                             "route rejects"};
  const unsigned code = icmp.code();
  switch (icmp.type()) {
    case Tins::ICMPv6::ECHO_REQUEST:
      return "ICMPv6 echo request, id " + number(icmp.identifier()) + " seq " + number(icmp.sequence());
    case Tins::ICMPv6::ECHO_REPLY:
      return "ICMPv6 echo reply, id " + number(icmp.identifier()) + " seq " + number(icmp.sequence());
    case Tins::ICMPv6::DEST_UNREACHABLE:
      return std::string("ICMPv6 ") + (code < unreachable.size() ? unreachable[code] : "unreachable") + quoted(icmp, depth);
    case Tins::ICMPv6::PACKET_TOOBIG:
      return "ICMPv6 packet too big" + quoted(icmp, depth);
    case Tins::ICMPv6::TIME_EXCEEDED:
      return "ICMPv6 hop limit exceeded" + quoted(icmp, depth);
    case Tins::ICMPv6::PARAM_PROBLEM:
      return "ICMPv6 parameter problem" + quoted(icmp, depth);
    case Tins::ICMPv6::ROUTER_SOLICIT:
      return "ICMPv6 router solicitation";
    case Tins::ICMPv6::ROUTER_ADVERT:
      return "ICMPv6 router advertisement";
    case Tins::ICMPv6::NEIGHBOUR_SOLICIT:
      return "ICMPv6 who has " + icmp.target_addr().to_string();
    case Tins::ICMPv6::NEIGHBOUR_ADVERT:
      return "ICMPv6 " + icmp.target_addr().to_string() + " is here";
    case Tins::ICMPv6::REDIRECT:
      return "ICMPv6 redirect of " + icmp.dest_addr().to_string() + " to " + icmp.target_addr().to_string();
    default:
      return "ICMPv6 type " + number(static_cast<unsigned>(icmp.type())) + " code " + number(code);
  }
}

/// `rest`: bytes of the transport header and its payload according to the IP header.
std::string describe_transport(const Tins::PDU& ip, std::uint64_t rest, int depth) {
  if (const auto* tcp = ip.find_pdu<Tins::TCP>()) return describe_tcp(*tcp, rest);
  if (const auto* udp = ip.find_pdu<Tins::UDP>()) {
    const std::uint64_t length = udp->length();
    return "UDP " + number(udp->sport()) + " > " + number(udp->dport()) + ", " + bytes_of_data(length > 8 ? length - 8 : 0);
  }
  if (const auto* icmp = ip.find_pdu<Tins::ICMP>()) return describe_icmp(*icmp, depth);
  if (const auto* icmp6 = ip.find_pdu<Tins::ICMPv6>()) return describe_icmp6(*icmp6, depth);
  return {};
}

/// What can be said of a transport header that libtins refuses, or does not know.
std::string describe_rest(unsigned protocol, Bytes rest, bool refused) {
  std::string text = protocol_name(protocol);
  if ((protocol == kTcp || protocol == kUdp || protocol == kSctp) && rest.size() >= 4) {
    text += " " + number(load_be16(rest.data())) + " > " + number(load_be16(rest.data() + 2));
  }
  return refused ? text + ", its header cut or damaged" : text;
}

bool safe_inside(unsigned protocol) { return protocol == kTcp || protocol == kUdp || protocol == kIcmp || protocol == kIcmp6; }

std::span<std::uint8_t> copy_into(std::span<std::uint8_t> storage, Bytes packet) {
  const std::size_t size = std::min(packet.size(), storage.size());
  std::copy_n(packet.begin(), size, storage.begin());
  return storage.first(size);
}

std::string describe_ipv4(Bytes packet, int depth) {
  std::array<std::uint8_t, kMostBytes> storage{};
  std::span copy = copy_into(storage, packet);
  const std::size_t header = std::size_t{copy[0]} % 16 * 4;
  const std::uint16_t total = load_be16(&copy[2]);
  const std::uint64_t length = total == 0 ? packet.size() : total;  // 0: segmentation offload
  const unsigned protocol = copy[9];
  if (header < 20 || header > copy.size()) return "an IPv4 packet with an impossible header length";
  const auto fits = static_cast<std::uint16_t>(copy.size());
  if (total == 0 || total > fits) {
    copy[2] = static_cast<std::uint8_t>(fits >> 8);
    copy[3] = static_cast<std::uint8_t>(fits);
  }
  const bool later_fragment = (load_be16(&copy[6]) & 0x1fff) != 0;
  std::string transport;
  bool refused = false;
  if (safe_inside(protocol) && !later_fragment) {
    try {
      const Tins::IP ip(copy.data(), static_cast<std::uint32_t>(copy.size()));
      transport = describe_transport(ip, length > header ? length - header : 0, depth);
    } catch (...) {
      refused = true;
    }
  }
  copy[9] = kNobody;
  const Tins::IP ip(copy.data(), static_cast<std::uint32_t>(copy.size()));
  std::string text = ip.src_addr().to_string() + " > " + ip.dst_addr().to_string() + ", ";
  if (later_fragment) {
    text += "a later fragment of " + protocol_name(protocol);
  } else if ((protocol == kIpip || protocol == kIpv6) && depth < kMostTunnels) {
    text += protocol_name(protocol) + " {" + describe_ip(packet.subspan(header), depth + 1) + "}";
  } else {
    text += !transport.empty() ? transport : describe_rest(protocol, Bytes(copy).subspan(header), refused);
  }
  return text + ", TTL " + number(ip.ttl()) + " id " + number(ip.id());
}

std::string describe_ipv6(Bytes packet, int depth) {
  std::array<std::uint8_t, kMostBytes> storage{};
  std::span copy = copy_into(storage, packet);
  const std::uint16_t stated = load_be16(&copy[4]);
  const auto fits = static_cast<std::uint16_t>(copy.size() - 40);
  if (stated == 0 || stated > fits) {
    copy[4] = static_cast<std::uint8_t>(fits >> 8);
    copy[5] = static_cast<std::uint8_t>(fits);
  }
  const std::uint64_t length = stated == 0 ? packet.size() - 40 : stated;
  // Extension headers: RFC 8200, 4. Bounded by the copy: each is 8 bytes at least.
  unsigned next = copy[6];
  std::size_t at = 40;
  bool later_fragment = false;
  while ((next == 0 || next == 43 || next == 44 || next == 60) && at + 8 <= copy.size()) {
    if (next == 44) later_fragment = (load_be16(&copy[at + 2]) & 0xfff8) != 0;
    const std::size_t size = next == 44 ? 8 : (std::size_t{copy[at + 1]} + 1) * 8;
    next = copy[at];
    at += size;
    if (later_fragment) break;
  }
  std::string transport;
  bool refused = at > copy.size();
  if (!refused && safe_inside(next) && !later_fragment) {
    try {
      // libtins leaves unfragmented packets with a fragment header alone: give it the packet without extension headers.
      std::array<std::uint8_t, kMostBytes> plain{};
      const std::size_t rest = copy.size() - at;
      std::copy_n(copy.begin(), 40, plain.begin());
      std::copy_n(copy.begin() + static_cast<std::ptrdiff_t>(at), rest, plain.begin() + 40);
      plain[4] = static_cast<std::uint8_t>(rest >> 8);
      plain[5] = static_cast<std::uint8_t>(rest);
      plain[6] = static_cast<std::uint8_t>(next);
      const Tins::IPv6 ip(plain.data(), static_cast<std::uint32_t>(40 + rest));
      transport = describe_transport(ip, length + 40 > at ? length + 40 - at : 0, depth);
    } catch (...) {
      refused = true;
    }
  }
  copy[4] = copy[5] = 0;
  copy[6] = 59;  // no next header
  const Tins::IPv6 ip(copy.data(), 40);
  std::string text = ip.src_addr().to_string() + " > " + ip.dst_addr().to_string() + ", ";
  if (later_fragment) {
    text += "a later fragment of " + protocol_name(next);
  } else if ((next == kIpip || next == kIpv6) && depth < kMostTunnels && at < packet.size()) {
    text += protocol_name(next) + " {" + describe_ip(packet.subspan(at), depth + 1) + "}";
  } else {
    text += !transport.empty() ? transport : describe_rest(next, at < packet.size() ? packet.subspan(at) : Bytes(), refused);
  }
  return text + ", hop limit " + number(ip.hop_limit());
}

std::string describe_ip(Bytes packet, int depth) {
  if (packet.size() >= 20 && packet[0] >> 4 == 4) return describe_ipv4(packet, depth);
  if (packet.size() >= 40 && packet[0] >> 4 == 6) return describe_ipv6(packet, depth);
  return "an IP packet that is cut before its addresses, or no IP at all";
}

std::string describe_arp(Bytes packet) {
  // libtins accepts any hardware; only Ethernet and IPv4 make sense of the fields (RFC 826).
  if (packet.size() < 28 || load_be16(packet.data()) != 1 || load_be16(packet.data() + 2) != 0x0800 || packet[4] != 6 ||
      packet[5] != 4) {
    return "ARP, cut or not for IPv4 over Ethernet";
  }
  const Tins::ARP arp(packet.data(), 28);
  const std::string sender = arp.sender_ip_addr().to_string(), target = arp.target_ip_addr().to_string();
  if (arp.opcode() == Tins::ARP::REQUEST) {
    if (sender == target) return "ARP announcement: " + sender + " is at " + arp.sender_hw_addr().to_string();
    return "ARP who has " + target + ", tell " + sender + " (" + arp.sender_hw_addr().to_string() + ")";
  }
  if (arp.opcode() == Tins::ARP::REPLY) return "ARP " + sender + " is at " + arp.sender_hw_addr().to_string();
  return "ARP operation " + number(arp.opcode());
}

std::string describe_ethertype(std::uint16_t type, Bytes packet) {
  std::string tags;
  for (int i = 0; (type == 0x8100 || type == 0x88a8 || type == 0x9100) && packet.size() >= 4; ++i) {
    if (i == kMostTags) return "more VLAN tags than make sense";
    tags += "VLAN " + number(load_be16(packet.data()) & 0x0fffU) + ", ";
    type = load_be16(packet.data() + 2);
    packet = packet.subspan(4);
  }
  if (type == 0x0800 || type == 0x86dd) return tags + describe_ip(packet, 0);
  if (type == 0x0806) return tags + describe_arp(packet);
  if (type < 0x0600) return tags + "an IEEE 802.3 frame (spanning tree and the like)";
  constexpr char digits[] = "0123456789abcdef";
  std::string hex = "0x";
  for (int shift = 12; shift >= 0; shift -= 4) hex += digits[type >> shift & 15];
  return tags + "a frame of EtherType " + hex;
}

std::string describe_link(LinkType link, Bytes bytes) {
  switch (link) {
    case LinkType::ethernet: {
      if (bytes.size() < 14) break;
      Mac source, destination;
      std::copy_n(bytes.begin(), 6, destination.bytes.begin());
      std::copy_n(bytes.begin() + 6, 6, source.bytes.begin());
      return describe_ethertype(load_be16(bytes.data() + 12), bytes.subspan(14)) + ", MAC " + to_string(source) + " > " +
             to_string(destination);
    }
    case LinkType::linux_sll:
      if (bytes.size() < 16) break;
      return describe_ethertype(load_be16(bytes.data() + 14), bytes.subspan(16));
    case LinkType::linux_sll2:
      if (bytes.size() < 20) break;
      return describe_ethertype(load_be16(bytes.data()), bytes.subspan(20));
    case LinkType::null:
    case LinkType::loop:
      if (bytes.size() < 4) break;
      return describe_ip(bytes.subspan(4), 0);
    case LinkType::raw:
    case LinkType::ipv4:
    case LinkType::ipv6:
      return describe_ip(bytes, 0);
    default:
      return "a frame of link type " + number(static_cast<unsigned>(link));
  }
  return "a frame that is cut inside its link header";
}

}  // namespace
}  // namespace capture

std::string describe_frame(const Frame& frame) {
  std::string text;
  try {
    text = capture::describe_link(frame.link, {frame.data, frame.captured});
  } catch (const std::bad_alloc&) {
    throw;
  } catch (...) {
    // libtins throws its own types, some of which hide std::exception.
    text = "a packet whose headers contradict themselves";
  }
  return printable(text, 300);
}

}  // namespace lvsnat
