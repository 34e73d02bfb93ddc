#include "support/frames.h"

#include <tins/tins.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

namespace lvsnat::scenario {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::uint8_t kFin = 1, kSyn = 2, kAck = 16, kPsh = 8;

void put16(Bytes& out, std::uint32_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}
void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
void put(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }
void put_address(Bytes& out, const Address& a) { out.insert(out.end(), a.bytes.begin() + (a.is_v4() ? 12 : 0), a.bytes.end()); }

/// RFC 1071 over `bytes`, begun with `sum`.
std::uint16_t checksum(const Bytes& bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

/// RFC 9260 appendix A: CRC32c, least significant bit first.
std::uint32_t crc32c(const Bytes& bytes) {
  std::uint32_t crc = 0xffffffff;
  for (std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

/// Everything an IP header needs besides its payload.
struct Network {
  Address source, destination;
  std::uint8_t ttl = 64;
  std::uint16_t id = 0;
  bool dont_fragment = true;
};

Tins::HWAddress<6> hardware(const Mac& mac) { return Tins::HWAddress<6>(mac.bytes.data()); }

/// An IP packet around `payload`, which libtins completes where it is TCP or UDP. An empty protocol
/// means that of the payload.
Bytes ip_packet(const Network& net, const Tins::PDU& payload, std::optional<std::uint8_t> protocol = std::nullopt) {
  if (net.source.is_v4()) {
    Tins::IP ip(Tins::IPv4Address(to_string(net.destination)), Tins::IPv4Address(to_string(net.source)));
    ip.ttl(net.ttl);
    ip.id(net.id);
    ip.flags(net.dont_fragment ? Tins::IP::DONT_FRAGMENT : static_cast<Tins::IP::Flags>(0));
    if (protocol) ip.protocol(*protocol);
    ip /= payload;
    return ip.serialize();
  }
  Tins::IPv6 ip(Tins::IPv6Address(to_string(net.destination)), Tins::IPv6Address(to_string(net.source)));
  ip.hop_limit(net.ttl);
  if (protocol) ip.next_header(*protocol);
  ip /= payload;
  return ip.serialize();
}

struct Segment {
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint32_t sequence = 0, acknowledgement = 0;
  std::uint8_t flags = 0;
  std::uint16_t window = 64240;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> sack;
  Bytes payload;
};

Bytes tcp_packet(const Network& net, const Segment& segment) {
  Tins::TCP tcp(segment.destination_port, segment.source_port);
  tcp.seq(segment.sequence);
  tcp.ack_seq((segment.flags & kAck) != 0 ? segment.acknowledgement : 0);
  tcp.flags(segment.flags);
  tcp.window(segment.window);
  if ((segment.flags & kSyn) != 0) {
    tcp.mss(net.source.is_v4() ? 1460 : 1440);
    tcp.sack_permitted();
  }
  if (segment.sack) tcp.sack({segment.sack->first, segment.sack->second});
  if (!segment.payload.empty()) tcp /= Tins::RawPDU(segment.payload);
  return ip_packet(net, tcp);
}

Bytes udp_packet(const Network& net, std::uint16_t source_port, std::uint16_t destination_port, const Bytes& payload) {
  Tins::UDP udp(destination_port, source_port);
  udp /= Tins::RawPDU(payload);
  return ip_packet(net, udp);
}

/// One chunk (RFC 9260 section 3.2); the fixed part of INIT and DATA is there, its values are plausible.
Bytes sctp_packet(const Network& net, std::uint16_t source_port, std::uint16_t destination_port, const std::string& kind,
                  const Bytes& payload) {
  static const std::map<std::string, std::uint8_t> types{
      {"data", 0},          {"init", 1},        {"init-ack", 2},          {"sack", 3},         {"heartbeat", 4},
      {"heartbeat-ack", 5}, {"abort", 6},       {"shutdown", 7},          {"shutdown-ack", 8}, {"error", 9},
      {"cookie-echo", 10},  {"cookie-ack", 11}, {"shutdown-complete", 14}};
  auto type = types.find(kind);
  if (type == types.end()) return {};
  Bytes body;
  if (kind == "init" || kind == "init-ack") {
    put32(body, 0x1234);  // initiate tag
    put32(body, 65536);   // receiver window
    put16(body, 10);      // streams out
    put16(body, 10);      // streams in
    put32(body, 1);       // initial TSN
  } else if (kind == "data") {
    put32(body, 1);  // TSN
    put32(body, 0);  // stream, stream sequence
    put32(body, 0);  // payload protocol
  } else if (kind == "sack") {
    put32(body, 1);
    put32(body, 65536);
    put32(body, 0);
  } else if (kind == "shutdown") {
    put32(body, 1);
  }
  put(body, payload);
  Bytes packet;
  put16(packet, source_port);
  put16(packet, destination_port);
  put32(packet, kind == "init" ? 0 : 0x4321);  // verification tag
  put32(packet, 0);
  packet.push_back(type->second);
  packet.push_back(kind == "data" ? 3 : 0);  // one whole message
  put16(packet, static_cast<std::uint32_t>(4 + body.size()));
  put(packet, body);
  while (packet.size() % 4 != 0) packet.push_back(0);
  std::uint32_t crc = crc32c(packet);
  for (std::size_t i = 0; i < 4; ++i) packet[8 + i] = static_cast<std::uint8_t>(crc >> 8 * i);
  return ip_packet(net, Tins::RawPDU(packet), std::uint8_t{132});
}

/// An ICMP or ICMPv6 message: type, code, the four bytes after the checksum, and the rest.
Bytes icmp_packet(const Network& net, std::uint8_t type, std::uint8_t code, std::uint32_t word, const Bytes& rest) {
  Bytes message{type, code, 0, 0};
  put32(message, word);
  put(message, rest);
  std::uint32_t pseudo = 0;
  if (!net.source.is_v4()) {  // RFC 4443 section 2.3
    Bytes header;
    put_address(header, net.source);
    put_address(header, net.destination);
    put32(header, static_cast<std::uint32_t>(message.size()));
    put32(header, 58);
    pseudo = static_cast<std::uint16_t>(~checksum(header));
  }
  std::uint16_t sum = checksum(message, pseudo);
  message[2] = static_cast<std::uint8_t>(sum >> 8);
  message[3] = static_cast<std::uint8_t>(sum);
  return ip_packet(net, Tins::RawPDU(message), net.source.is_v4() ? std::uint8_t{1} : std::uint8_t{58});
}

/// ff02::1:ffXX:XXXX and its MAC (RFC 4291 section 2.7.1, RFC 2464 section 7).
Address solicited_node(const Address& target) {
  Address a;
  constexpr std::uint8_t prefix[13] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::memcpy(a.bytes.data(), prefix, 13);
  std::memcpy(&a.bytes[13], &target.bytes[13], 3);
  return a;
}
Mac multicast_mac(const Address& group) {
  return {{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}
constexpr Mac kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// A conversation knows its sequence numbers and IP IDs, so that lines need not say them.
struct Conversation {
  std::uint32_t client_isn = 0, server_isn = 0, client_next = 0, server_next = 0;
  std::uint32_t client_last = 0, server_last = 0;  // sequence of the last packet, for `again`
  std::uint16_t client_id = 0, server_id = 0;
  bool begun = false;
};

struct Placed {
  Timestamp at = 0;
  std::size_t order = 0;
  std::string segment;
  Mac from, to;
  std::uint16_t ethertype = 0x0800;
  std::optional<std::uint16_t> vlan;
  Bytes packet;
};

class Builder {
 public:
  explicit Builder(const Case& one) : case_(one), topology_(one.topology) {}

  Result<Capture> build() {
    for (const PacketLine& line : case_.packets) {
      for (std::uint32_t i = 0; i < line.repeat && problem_.empty(); ++i) {
        PacketLine copy = line;
        copy.at += static_cast<Timestamp>(i) * line.every;
        if (i != 0) vary(copy, i);
        write(copy);
      }
      if (!problem_.empty()) return Error{ErrorCode::malformed, case_.file + ":" + std::to_string(line.line) + ": " + problem_};
    }
    return finished();
  }

 private:
  /// What a repetition changes: another connection for macros, a retransmission of conversation packets.
  static void vary(PacketLine& line, std::uint32_t i) {
    if (line.verb == Verb::healthy || line.verb == Verb::ladder) {
      line.source.port = static_cast<std::uint16_t>(line.source.port + i / line.sources);
      std::uint32_t carry = i % line.sources;
      for (std::size_t at = 16; at-- > 0 && carry != 0;) {
        carry += line.source.address.bytes[at];
        line.source.address.bytes[at] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
      }
    } else {
      line.again = true;
    }
  }

  Conversation& conversation(std::uint8_t protocol, const Endpoint& client) {
    auto [it, fresh] = conversations_.try_emplace({protocol, client});
    if (fresh) restart(it->second, client);
    return it->second;
  }
  /// Initial numbers differ between connections and between incarnations of one.
  void restart(Conversation& c, const Endpoint& client) {
    std::uint32_t hash = 2166136261u ^ ++incarnations_;
    for (std::uint8_t byte : client.address.bytes) hash = (hash ^ byte) * 16777619u;
    hash = (hash ^ client.port) * 16777619u;
    c = {};
    c.client_isn = c.client_next = c.client_last = hash;
    c.server_isn = c.server_next = c.server_last = hash * 2654435761u + 1;
    c.client_id = static_cast<std::uint16_t>(hash >> 7);
    c.server_id = static_cast<std::uint16_t>(hash >> 13);
  }

  static Bytes payload(const PacketLine& line) {
    if (!line.text.empty()) return {line.text.begin(), line.text.end()};
    Bytes bytes(line.length.value_or(0));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>('a' + i % 23);
    return bytes;
  }

  void place(const PacketLine& line, Timestamp at, const std::string& segment, const Mac& from, const Mac& to,
             std::uint16_t ethertype, Bytes packet) {
    placed_.push_back(
        {at, placed_.size(), segment, line.from.value_or(from), line.to.value_or(to), ethertype, line.vlan, std::move(packet)});
  }
  Mac mac(const Address& address, const std::string& segment) {
    if (address.is_multicast())
      return address.is_v4() ? Mac{{1, 0, 0x5e, address.bytes[13], address.bytes[14], address.bytes[15]}}
                             : multicast_mac(address);
    auto found = mac_on(topology_, address, segment);
    if (!found) problem_ = "the director has no MAC on segment '" + segment + "'";
    return found.value_or(Mac{});
  }
  std::uint16_t next_id() { return id_++; }

  /// The bytes of one transport packet from `source` to `destination`.
  Bytes transport(const PacketLine& line, const Network& net, std::uint16_t source_port, std::uint16_t destination_port,
                  std::uint32_t sequence, std::uint32_t acknowledgement) {
    if (line.protocol == 17) return udp_packet(net, source_port, destination_port, payload(line));
    if (line.protocol == 132) {
      Bytes packet = sctp_packet(net, source_port, destination_port, line.kind, payload(line));
      if (packet.empty()) problem_ = "unknown SCTP chunk '" + line.kind + "'";
      return packet;
    }
    Segment segment;
    segment.source_port = source_port;
    segment.destination_port = destination_port;
    segment.sequence = sequence;
    segment.acknowledgement = acknowledgement;
    segment.flags = line.flags;
    segment.window = line.window.value_or(line.flags & 4 ? 0 : 64240);
    segment.sack = line.sack;
    segment.payload = payload(line);
    return tcp_packet(net, segment);
  }

  /// One packet of a conversation on its two legs. Legs 2 and 4 leave 100 us after legs 1 and 3 came.
  void converse(const PacketLine& line, bool from_client) {
    Conversation& c = conversation(line.protocol, line.source);
    bool syn = (line.flags & kSyn) != 0;
    if (from_client && syn && !(line.flags & kAck) && !line.again && c.begun) restart(c, line.source);
    c.begun = true;
    std::uint32_t& next = from_client ? c.client_next : c.server_next;
    std::uint32_t& last = from_client ? c.client_last : c.server_last;
    std::uint16_t& counter = from_client ? c.client_id : c.server_id;
    std::uint32_t sequence = line.sequence.value_or(line.again ? last : next);
    std::uint32_t acknowledgement = line.acknowledgement.value_or(from_client ? c.server_next : c.client_next);
    std::uint32_t length = static_cast<std::uint32_t>(payload(line).size());
    std::uint32_t span = length + (syn ? 1 : 0) + ((line.flags & kFin) != 0 ? 1 : 0);
    if (!line.again) {
      last = sequence;
      if (!line.lost) next = sequence + span;
    }
    std::uint16_t id = line.id.value_or(++counter);
    std::uint8_t ttl = line.ttl.value_or(64);
    std::string outside = segment_of(topology_, line.source.address), inside = segment_of(topology_, line.real.address);
    if (outside.empty() || inside.empty()) {
      problem_ = "no segment leads to " + to_string(outside.empty() ? line.source.address : line.real.address);
      return;
    }
    Mac director_outside = mac(line.destination.address, outside), director_inside = director(inside);
    Endpoint client_inside = line.inside.value_or(line.source);
    struct Leg {
      std::size_t index;
      const std::string& segment;
      Endpoint source, destination;
      Mac from, to;
    };
    const Leg pair[2] = {
        from_client ? Leg{0, outside, line.source, line.destination, mac(line.source.address, outside), director_outside}
                    : Leg{2, inside, line.real, client_inside, mac(line.real.address, inside), director_inside},
        from_client ? Leg{1, inside, client_inside, line.real, director_inside, mac(line.real.address, inside)}
                    : Leg{3, outside, line.destination, line.source, director_outside, mac(line.source.address, outside)}};
    for (std::size_t i = 0; i < 2; ++i) {
      const Leg& leg = pair[i];
      if (!line.legs[leg.index]) continue;
      Network net{leg.source.address, leg.destination.address, static_cast<std::uint8_t>(ttl - i), id, line.dont_fragment};
      place(line, line.at + static_cast<Timestamp>(i) * 100'000, leg.segment, leg.from, leg.to,
            leg.source.address.is_v4() ? 0x0800 : 0x86dd,
            transport(line, net, leg.source.port, leg.destination.port, sequence, acknowledgement));
    }
  }
  Mac director(const std::string& segment) {
    const Host& host = topology_.hosts.at("DIRECTOR");
    auto it = host.attached.find(segment);
    if (it == host.attached.end()) problem_ = "the director is not on segment '" + segment + "'";
    return it == host.attached.end() ? Mac{} : it->second;
  }

  void step(PacketLine line, Timestamp at, bool from_client, std::uint8_t flags, std::uint32_t length) {
    line.at = at;
    line.flags = flags;
    line.length = length;
    line.text.clear();
    converse(line, from_client);
  }

  void healthy(const PacketLine& line) {
    constexpr Timestamp round_trip = 2'000'000, server = 300'000;
    Timestamp t = line.at;
    if (line.protocol == 17) {
      for (std::uint32_t i = 0; i < line.data; ++i, t += round_trip + line.pause) {
        step(line, t, true, 0, line.length.value_or(40));
        step(line, t += line.think, false, 0, 120);
      }
      return;
    }
    if (line.protocol == 132) {
      static constexpr std::pair<const char*, bool> chunks[] = {{"init", true},
                                                                {"init-ack", false},
                                                                {"cookie-echo", true},
                                                                {"cookie-ack", false},
                                                                {"data", true},
                                                                {"sack", false},
                                                                {"data", false},
                                                                {"sack", true},
                                                                {"shutdown", true},
                                                                {"shutdown-ack", false},
                                                                {"shutdown-complete", true}};
      for (const auto& [kind, from_client] : chunks) {
        PacketLine copy = line;
        copy.kind = kind;
        step(copy, t, from_client, 0, copy.kind == "data" ? 100u : 0u);
        t += from_client ? line.think : round_trip;
      }
      return;
    }
    if (line.midstream) {
      conversation(6, line.source).begun = true;
    } else {
      step(line, t, true, kSyn, 0);
      step(line, t += server, false, kSyn | kAck, 0);
      step(line, t += round_trip, true, kAck, 0);
    }
    for (std::uint32_t request = 0; request < line.requests; ++request, t += line.pause) {
      step(line, t += 200'000, true, kPsh | kAck, line.length.value_or(120));
      t += line.think;
      for (std::uint32_t i = 0; i < line.data; ++i, t += 20'000)
        step(line, t, false, i + 1 == line.data ? kPsh | kAck : kAck, 1000);
      step(line, t += round_trip, true, kAck, 0);
    }
    if (line.open) return;
    step(line, t += 500'000, false, kFin | kAck, 0);
    step(line, t += round_trip, true, kFin | kAck, 0);
    step(line, t += server, false, kAck, 0);
  }

  void ladder(const PacketLine& line) {
    Timestamp wait = kSecond, t = line.at;
    for (std::uint32_t i = 0; i < line.tries; ++i, t += wait, wait *= 2) {
      PacketLine copy = line;
      copy.again = i != 0;
      bool tcp = line.protocol == 6;
      copy.kind = "init";
      step(copy, t, true, tcp ? kSyn : 0, tcp ? 0u : line.length.value_or(40));
      copy.kind = "init-ack";
      if (line.legs[2] || line.legs[3]) step(copy, t + line.think, false, tcp ? kSyn | kAck : 0, tcp ? 0u : 120u);
    }
  }

  /// One frame of TCP, UDP, SCTP or an unknown protocol. Numbers not said are those of the conversation it belongs to.
  void single(const PacketLine& line) {
    Network net{line.source.address, line.destination.address, line.ttl.value_or(64), line.id.value_or(next_id()),
                line.dont_fragment};
    std::uint32_t sequence = 1000, acknowledgement = 0;
    if (auto it = conversations_.find({line.protocol, line.source}); it != conversations_.end()) {
      bool isn = (line.flags & kSyn) != 0;
      sequence = isn ? it->second.client_isn : line.again ? it->second.client_last : it->second.client_next;
      acknowledgement = it->second.server_next;
    } else if (it = conversations_.find({line.protocol, line.destination}); it != conversations_.end()) {
      sequence = (line.flags & kSyn) != 0 ? it->second.server_isn : line.again ? it->second.server_last : it->second.server_next;
      acknowledgement = it->second.client_next;
    }
    Bytes packet = line.verb == Verb::other
                       ? ip_packet(net, Tins::RawPDU(Bytes(line.length.value_or(20))), line.protocol)
                       : transport(line, net, line.source.port, line.destination.port, line.sequence.value_or(sequence),
                                   line.acknowledgement.value_or(acknowledgement));
    place_ip(line, net, std::move(packet));
  }
  void place_ip(const PacketLine& line, const Network& net, Bytes packet) {
    place(line, line.at, line.segment, mac(net.source, line.segment), mac(net.destination, line.segment),
          net.source.is_v4() ? 0x0800 : 0x86dd, std::move(packet));
  }

  /// The packet that an error quotes or a tunnel carries.
  Bytes inner_packet(const PacketLine& line) {
    const Inner& inner = *line.inner;
    PacketLine quoted;
    quoted.protocol = inner.protocol;
    quoted.flags = inner.flags != 0 ? inner.flags : kSyn;
    quoted.kind = "init";
    if (inner.protocol == 17) quoted.length = 40;
    Network net{inner.source.address, inner.destination.address, static_cast<std::uint8_t>(line.ttl.value_or(64) - 1),
                line.id.value_or(next_id()), true};
    std::uint32_t sequence = 1000, acknowledgement = 0;
    if (auto it = conversations_.find({inner.protocol, inner.source}); it != conversations_.end()) {
      sequence = it->second.client_last;
      acknowledgement = it->second.server_next;
    } else if (it = conversations_.find({inner.protocol, inner.destination}); it != conversations_.end()) {
      sequence = it->second.server_last;
      acknowledgement = it->second.client_next;
    }
    return transport(quoted, net, inner.source.port, inner.destination.port, line.sequence.value_or(sequence), acknowledgement);
  }

  void icmp(const PacketLine& line) {
    bool v4 = line.source.address.is_v4();
    Network net{line.source.address, line.destination.address, line.ttl.value_or(64), next_id(), false};
    Bytes rest;
    if (line.inner) {
      rest = inner_packet(line);
      rest.resize(std::min<std::size_t>(rest.size(), v4 ? 528 : 1200));
    }
    std::uint8_t type = v4 ? 3 : 1, code = 0;
    std::uint32_t word = 0;
    if (line.kind == "port")
      code = v4 ? 3 : 4;
    else if (line.kind == "host")
      code = v4 ? 1 : 3;
    else if (line.kind == "net")
      code = 0;
    else if (line.kind == "admin")
      code = v4 ? 13 : 1;
    else if (line.kind == "host-prohibited")
      code = v4 ? 10 : 1;
    else if (line.kind == "protocol") {
      type = v4 ? 3 : 4;
      code = v4 ? 2 : 1;
    } else if (line.kind == "frag-needed") {
      type = v4 ? 3 : 2;
      code = v4 ? 4 : 0;
      word = line.mtu;
    } else if (line.kind == "time-exceeded") {
      type = v4 ? 11 : 3;
    } else if (line.kind == "echo" || line.kind == "echo-reply") {
      bool reply = line.kind == "echo-reply";
      type = v4 ? (reply ? 0 : 8) : (reply ? 129 : 128);
      word = std::uint32_t{line.id.value_or(1)} << 16 | line.sequence.value_or(1);
      rest = payload(line);
    } else {  // redirect
      if (!v4) {
        redirect6(line, rest);
        return;
      }
      type = 5;
      code = 1;
      word = line.gateway.v4_value();
    }
    place_ip(line, net, icmp_packet(net, type, code, word, rest));
  }
  /// RFC 4861 section 4.5: target, destination, the redirected header as an option.
  void redirect6(const PacketLine& line, const Bytes& quoted) {
    Bytes rest;
    put_address(rest, line.gateway);
    put_address(rest, line.inner->destination.address);
    Bytes option = quoted;
    option.resize((option.size() + 7) / 8 * 8);
    rest.push_back(4);
    rest.push_back(static_cast<std::uint8_t>((option.size() + 8) / 8));
    rest.insert(rest.end(), 6, 0);
    put(rest, option);
    Network net{line.source.address, line.destination.address, 255, 0, false};
    place_ip(line, net, icmp_packet(net, 137, 0, 0, rest));
  }

  void arp(const PacketLine& line) {
    auto v4 = [](const Address& a) { return Tins::IPv4Address(to_string(a.is_none() ? Address::v4(0) : a)); };
    Tins::ARP arp;
    Mac from, to = kBroadcast;
    arp.opcode(line.kind == "who-has" ? Tins::ARP::REQUEST : Tins::ARP::REPLY);
    if (line.kind == "who-has") {
      from = line.from.value_or(mac(line.source.address, line.segment));
      arp.sender_ip_addr(v4(line.source.address));
      arp.target_ip_addr(v4(line.gateway));
    } else {
      from = line.claimed;
      arp.sender_ip_addr(v4(line.gateway));
      if (line.kind == "reply") {
        to = mac(line.destination.address, line.segment);
        arp.target_ip_addr(v4(line.destination.address));
        arp.target_hw_addr(hardware(to));
      } else {
        arp.target_ip_addr(v4(line.gateway));
        arp.target_hw_addr(hardware(kBroadcast));
      }
    }
    arp.sender_hw_addr(hardware(from));
    place(line, line.at, line.segment, from, to, 0x0806, arp.serialize());
  }
  void nd(const PacketLine& line) {
    if (line.kind == "redirect") return redirect6(line, inner_packet(line));
    Bytes rest;
    put_address(rest, line.gateway);
    bool solicitation = line.kind == "who-has";
    Mac from = solicitation ? line.from.value_or(mac(line.source.address, line.segment)) : line.claimed;
    rest.push_back(solicitation ? 1 : 2);  // source or target link-layer address
    rest.push_back(1);
    rest.insert(rest.end(), from.bytes.begin(), from.bytes.end());
    Address all_nodes = *parse_address("ff02::1");
    Network net{solicitation ? line.source.address : line.gateway,
                solicitation           ? solicited_node(line.gateway)
                : line.kind == "reply" ? line.destination.address
                                       : all_nodes,
                255, 0, false};
    std::uint32_t flags = solicitation ? 0u : line.kind == "reply" ? 0x60000000u : 0x20000000u;  // solicited, override
    Mac to = mac(net.destination, line.segment);
    place(line, line.at, line.segment, from, to, 0x86dd, icmp_packet(net, solicitation ? 135 : 136, 0, flags, rest));
  }

  void tunnel(const PacketLine& line) {
    Bytes inside = inner_packet(line);
    bool inner4 = line.inner->source.address.is_v4();
    std::uint8_t protocol = line.protocol == 47 ? 47 : inner4 ? 4 : 41;
    Bytes carried;
    if (line.protocol == 47) {
      put16(carried, 0);
      put16(carried, inner4 ? 0x0800 : 0x86dd);
    }
    put(carried, inside);
    Network net{line.source.address, line.destination.address, line.ttl.value_or(64), next_id(), true};
    place_ip(line, net, ip_packet(net, Tins::RawPDU(carried), protocol));
  }

  void write(const PacketLine& line) {
    switch (line.verb) {
      case Verb::request:
        return converse(line, true);
      case Verb::reply:
        return converse(line, false);
      case Verb::healthy:
        return healthy(line);
      case Verb::ladder:
        return ladder(line);
      case Verb::icmp:
        return icmp(line);
      case Verb::arp:
        return arp(line);
      case Verb::nd:
        return nd(line);
      case Verb::tunnel:
        return tunnel(line);
      case Verb::tcp:
      case Verb::udp:
      case Verb::sctp:
      case Verb::other:
        return single(line);
    }
  }

  /// Link-layer header and packet. Cooked captures know the direction; the interface index is 2 for the first segment.
  Bytes frame(const Placed& placed) {
    Mac own;
    const Host& host = topology_.hosts.at("DIRECTOR");
    if (auto it = host.attached.find(placed.segment); it != host.attached.end()) own = it->second;
    std::uint16_t direction = placed.from == own        ? 4
                              : placed.to == kBroadcast ? 1
                              : placed.to.is_group()    ? 2
                              : placed.to == own        ? 0
                                                        : 3;
    auto index = static_cast<std::uint32_t>(std::find(topology_.segments.begin(), topology_.segments.end(), placed.segment) -
                                            topology_.segments.begin());
    Bytes out;
    switch (topology_.link) {
      case LinkType::linux_sll:
        put16(out, direction);
        put16(out, 1);
        put16(out, 6);
        out.insert(out.end(), placed.from.bytes.begin(), placed.from.bytes.end());
        put16(out, 0);
        put16(out, placed.ethertype);
        break;
      case LinkType::linux_sll2:
        put16(out, placed.ethertype);
        put16(out, 0);
        put32(out, 2 + index);
        put16(out, 1);
        out.push_back(static_cast<std::uint8_t>(direction));
        out.push_back(6);
        out.insert(out.end(), placed.from.bytes.begin(), placed.from.bytes.end());
        put16(out, 0);
        break;
      case LinkType::raw:
        break;
      default: {
        Tins::EthernetII ethernet(hardware(placed.to), hardware(placed.from));
        ethernet.payload_type(placed.ethertype);
        out = ethernet.serialize();
        out.resize(14);  // without the padding that an empty frame gets
        out[12] = static_cast<std::uint8_t>(placed.ethertype >> 8);
        out[13] = static_cast<std::uint8_t>(placed.ethertype);
        if (placed.vlan) {
          Bytes tag;
          put16(tag, 0x8100);
          put16(tag, *placed.vlan);
          out.insert(out.begin() + 12, tag.begin(), tag.end());
        }
      }
    }
    put(out, placed.packet);
    // A frame that came over the wire is padded; what the director sends is captured before padding.
    if (topology_.link == LinkType::ethernet && placed.from != own && out.size() < 60) out.resize(60);
    return out;
  }

  Result<Capture> finished() {
    std::stable_sort(placed_.begin(), placed_.end(),
                     [](const Placed& a, const Placed& b) { return std::tie(a.at, a.order) < std::tie(b.at, b.order); });
    bool any = topology_.captured == std::vector<std::string>{"any"};
    Capture out;
    std::vector<std::uint32_t> numbers(topology_.captured.size(), 0);
    for (const std::string& name : topology_.captured) {
      auto index = static_cast<std::uint16_t>(out.vantages.size());
      out.vantages.push_back({name + ".pcap", any ? "" : name, topology_.link, topology_.snaplen, index});
      SourceStatistics statistics;
      statistics.name = name + ".pcap";
      if (!any) statistics.interface = name;
      statistics.dropped = 0;
      for (const auto& [segment, drops] : topology_.drops)
        if (any || segment == name) *statistics.dropped += drops;
      for (const auto& [segment, at] : topology_.damaged) statistics.damaged = statistics.damaged || any || segment == name;
      for (const Gap& gap : topology_.gaps)
        if (any || gap.segment == name) statistics.gaps.push_back({kBegin + gap.from, kBegin + gap.to, gap.why});
      out.statistics.push_back(std::move(statistics));
    }
    for (const Placed& placed : placed_) {
      auto captured = std::find(topology_.captured.begin(), topology_.captured.end(), any ? "any" : placed.segment);
      if (captured == topology_.captured.end()) continue;
      bool blind = std::any_of(topology_.gaps.begin(), topology_.gaps.end(), [&](const Gap& gap) {
        return gap.segment == placed.segment && gap.from <= placed.at && placed.at < gap.to;
      });
      const auto damage = topology_.damaged.find(placed.segment);
      if (blind || (damage != topology_.damaged.end() && placed.at >= damage->second)) continue;
      if (topology_.link == LinkType::raw && placed.ethertype == 0x0806) continue;
      auto vantage = static_cast<std::uint16_t>(captured - topology_.captured.begin());
      Bytes bytes = frame(placed);
      Frame f;
      f.time = kBegin + placed.at;
      f.wire = static_cast<std::uint32_t>(bytes.size());
      bytes.resize(std::min<std::size_t>(bytes.size(), topology_.snaplen));
      f.captured = static_cast<std::uint32_t>(bytes.size());
      f.number = ++numbers[vantage];
      f.vantage = vantage;
      f.link = topology_.link;
      SourceStatistics& statistics = out.statistics[vantage];
      ++statistics.packets;
      if (!statistics.first) statistics.first = f.time;
      statistics.last = f.time;
      out.bytes.push_back(std::move(bytes));
      f.data = out.bytes.back().data();  // vectors keep their bytes where they are when they are moved
      out.frames.push_back(f);
    }
    return out;
  }

  const Case& case_;
  const Topology& topology_;
  std::map<std::pair<std::uint8_t, Endpoint>, Conversation> conversations_;
  std::vector<Placed> placed_;
  std::string problem_;
  std::uint32_t incarnations_ = 0;
  std::uint16_t id_ = 30000;
};

}  // namespace

Result<Capture> build(const Case& one) { return Builder(one).build(); }

std::string to_pcap(const Capture& capture, std::uint16_t vantage) {
  std::string out;
  auto put_host32 = [&](std::uint32_t value) { out.append(reinterpret_cast<const char*>(&value), 4); };
  const Vantage& v = capture.vantages[vantage];
  put_host32(0xa1b23c4d);  // nanoseconds
  put_host32(2 | 4u << 16);
  put_host32(0);
  put_host32(0);
  put_host32(v.snaplen);
  put_host32(static_cast<std::uint32_t>(v.link));
  for (const Frame& frame : capture.frames) {
    if (frame.vantage != vantage) continue;
    put_host32(static_cast<std::uint32_t>(frame.time / kSecond));
    put_host32(static_cast<std::uint32_t>(frame.time % kSecond));
    put_host32(frame.captured);
    put_host32(frame.wire);
    out.append(reinterpret_cast<const char*>(frame.data), frame.captured);
  }
  return out;
}

}  // namespace lvsnat::scenario
