// Packets as the decoder would hand them over, made field by field, and a tracker with its storage.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lvsnat/packet.h"
#include "track/tracker.h"

namespace lvsnat::track {

inline constexpr Timestamp kStart = 1'700'000'000 * kSecond;
inline constexpr Timestamp kMs = 1'000'000;

inline Address ip(const char* text) { return parse_address(text).value(); }
inline Endpoint at(const char* text) { return parse_endpoint(text).value(); }

/// Where a packet was seen, as one byte of its MACs: 1 outside in, 2 inside out, 3 inside in, 4 outside out.
enum class Seen : std::uint8_t { request = 1, demasq, reply, masq, elsewhere };

struct Made {
  Packet packet;
  Made(Endpoint source, Endpoint destination, Seen seen, std::uint8_t protocol = kTcp) {
    packet.kind = Packet::Kind::transport;
    packet.protocol = protocol;
    packet.source = source.address;
    packet.destination = destination.address;
    packet.source_port = source.port;
    packet.destination_port = destination.port;
    packet.v6 = !source.address.is_v4();
    packet.has_macs = true;
    packet.source_mac = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(seen)};
    packet.destination_mac = {2, 0, 0, 0, 1, static_cast<std::uint8_t>(seen)};
    packet.ttl = seen == Seen::demasq || seen == Seen::masq ? 62 : 63;
    packet.ip_length = 40;
    packet.time = kStart;
  }
  Made& after(Timestamp t) { return packet.time = kStart + t, *this; }
  Made& flags(unsigned f) { return packet.tcp_flags = static_cast<std::uint8_t>(f), *this; }
  Made& seq(std::uint32_t s, std::uint32_t a = 0) { return packet.sequence = s, packet.acknowledgement = a, *this; }
  Made& ttl(unsigned t) { return packet.ttl = static_cast<std::uint8_t>(t), *this; }
  Made& id(unsigned i) { return packet.ip_id = static_cast<std::uint16_t>(i), *this; }
  Made& bytes(std::uint32_t payload) { return packet.payload = payload, packet.ip_length = 40 + payload, *this; }
  operator Packet() const { return packet; }  // NOLINT(google-explicit-constructor): a list of these is a list of packets
};

/// A tracker with room for `records` connections, fed one packet or many at a time. `bodies`: 0: as many as there may be.
class Bench {
 public:
  explicit Bench(std::size_t records = 64, std::size_t index = 256, HashKey key = {}, std::size_t endpoints = 1024,
                 std::size_t bodies = 0)
      : heads_(records + 1),
        bodies_(bodies != 0 ? bodies : records + 1),
        index_(index / IndexLine::kSlots),
        endpoints_(endpoints),
        slots_(endpoints * 4),
        observations_(Tracker::kMaxObservations),
        retired_(Tracker::kMaxRetired),
        tracker({heads_, bodies_, index_, endpoints_, slots_}, key) {}

  /// Feeds in batches of at most `batch`; what was observed and retired is appended to `seen` and `gone`.
  void feed(const std::vector<Packet>& packets, std::size_t batch = Tracker::kBatch) {
    for (std::size_t i = 0; i < packets.size(); i += batch) {
      Tracker::Output out{observations_, retired_, 0, 0};
      batch_.take(std::span(packets).subspan(i, std::min(batch, packets.size() - i)));
      tracker.feed(batch_, out);
      take(out);
    }
  }
  void retire_idle(Timestamp now, const Tracker::Idle& idle, std::uint32_t budget) {
    Tracker::Output out{observations_, retired_, 0, 0};
    tracker.retire_idle(now, idle, budget, out);
    take(out);
  }
  [[nodiscard]] std::size_t count(Observation::Kind kind) const {
    std::size_t n = 0;
    for (const Observation& o : seen) n += o.kind == kind ? 1 : 0;
    return n;
  }
  [[nodiscard]] std::vector<Record> live() const {
    std::vector<Record> all;
    for (std::uint32_t i = 0; i < tracker.high_water(); ++i) {
      if ((tracker.record(i).flags & kInUse) != 0) all.push_back(tracker.record(i));
    }
    return all;
  }
  /// Living records with both endpoints.
  [[nodiscard]] std::size_t joined() const {
    std::size_t n = 0;
    for (const Record& r : live()) n += r.endpoint[1] != kNone ? 1U : 0U;
    return n;
  }
  [[nodiscard]] Endpoint endpoint(const Record& r, int side) const {
    const ServerEndpoint& e = tracker.endpoints()[r.endpoint[side]];
    return {e.address, e.port};
  }
  /// "request/demasq/reply/masq" packets; roles by the record's own orientation, side 0 outer where it has none.
  [[nodiscard]] static std::string legs(const Record& r) {
    const int outer = (r.flags & kInnerFirst) != 0 ? 1 : 0, inner = 1 - outer;
    return std::to_string(r.way[outer * 2].packets) + "/" + std::to_string(r.way[inner * 2].packets) + "/" +
           std::to_string(r.way[inner * 2 + 1].packets) + "/" + std::to_string(r.way[outer * 2 + 1].packets);
  }

 private:
  void take(const Tracker::Output& out) {
    seen.insert(seen.end(), out.observations.begin(), out.observations.begin() + out.observed);
    gone.insert(gone.end(), out.retired.begin(), out.retired.begin() + out.retirements);
  }
  Batch batch_;
  std::vector<Head> heads_;
  std::vector<Body> bodies_;
  std::vector<IndexLine> index_;
  std::vector<ServerEndpoint> endpoints_;
  std::vector<EndpointTable::Slot> slots_;
  std::vector<Observation> observations_;
  std::vector<Record> retired_;

 public:
  Tracker tracker;
  std::vector<Observation> seen;
  std::vector<Record> gone;
};

/// Handshake, one request, one response, both ends: the four legs in time order, as a healthy director shows them.
inline std::vector<Packet> dialogue(const Endpoint& client, const Endpoint& vip, const Endpoint& rip, std::uint32_t isn = 1000,
                                    Timestamp begin = 0) {
  std::vector<Packet> packets;
  Timestamp t = begin;
  std::uint32_t c = isn, s = isn * 7 + 5;
  unsigned id = isn;
  const auto to = [&](unsigned flags, std::uint32_t payload) {
    for (const bool inside : {false, true}) {
      packets.push_back(Made(client, inside ? rip : vip, inside ? Seen::demasq : Seen::request)
                            .after(t += kMs / 10)
                            .flags(flags)
                            .seq(c, (flags & kAck) != 0 ? s : 0)
                            .bytes(payload)
                            .id(id));
    }
    c += payload + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
    ++id;
  };
  const auto from = [&](unsigned flags, std::uint32_t payload) {
    for (const bool outside : {false, true}) {
      packets.push_back(Made(outside ? vip : rip, client, outside ? Seen::masq : Seen::reply)
                            .after(t += kMs / 10)
                            .flags(flags)
                            .seq(s, c)
                            .bytes(payload)
                            .id(id + 500));
    }
    s += payload + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
    ++id;
  };
  to(kSyn, 0);
  from(kSyn | kAck, 0);
  to(kAck, 0);
  to(kPsh | kAck, 100);
  from(kPsh | kAck, 1000);
  to(kAck, 0);
  from(kFin | kAck, 0);
  to(kFin | kAck, 0);
  from(kAck, 0);
  return packets;
}

}  // namespace lvsnat::track
