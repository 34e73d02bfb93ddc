// What holds for any packets whatever: nothing is lost from the counts, and neither hash key nor batches show.
#include <map>
#include <random>
#include <tuple>

#include "support/packets.h"

namespace lvsnat::track {
namespace {

Address address_of(bool v6, std::uint32_t host_order) {
  Address a = Address::v4(host_order);
  if (v6) a.bytes[10] = a.bytes[11] = 0, a.bytes[0] = 0xfd;
  return a;
}

// Few addresses, ports and numbers, so that everything collides with everything.
std::vector<Packet> random_packets(std::uint64_t seed, std::size_t count, bool one_client) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::vector<Packet> packets;
  Timestamp t = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool v6 = below(4) == 0;
    const auto address = [&](std::uint32_t net, std::uint32_t host) { return address_of(v6, net << 8 | host); };
    const Endpoint client{address(0x0a0000, one_client ? 1 : below(6)),
                          static_cast<std::uint16_t>(one_client ? 40'000 : 40'000 + below(3))};
    const bool inside = below(2) == 0;
    const Endpoint server =
        inside ? Endpoint{address(0xac1000, 2 + below(3)), 8080} : Endpoint{address(0xc00002, 1 + below(2)), 80};
    const std::uint8_t protocol = below(5) == 0 ? kUdp : kTcp;
    const bool to = below(2) == 0;
    const auto seen = static_cast<Seen>(1 + below(5));
    Made m(to ? client : server, to ? server : client, seen, protocol);
    t += below(50) == 0 ? 400 * kSecond : below(3) * kMs;
    m.after(below(20) == 0 ? std::max<Timestamp>(0, t - kSecond) : t).ttl(60 + below(5)).id(below(4)).bytes(below(3) * 500);
    constexpr unsigned kFlags[] = {kSyn, kSyn | kAck, kAck, kPsh | kAck, kFin | kAck, kRst, kRst | kAck};
    if (protocol == kTcp) m.flags(kFlags[below(7)]).seq(below(4) * 0x40000000 + below(3) * 500, below(4) * 0x40000000 + below(3));
    packets.push_back(m);
  }
  return packets;
}

using Image = std::vector<std::tuple<Address, std::uint16_t, std::uint8_t, Timestamp, Timestamp, std::string, std::uint64_t>>;
Image image_of(const std::vector<Record>& records) {
  Image image;
  for (const Record& r : records) {
    std::uint64_t bytes = 0;
    std::string ways;
    for (const Way& w : r.way) {
      bytes += w.bytes();
      ways += std::to_string(w.packets) + "," + std::to_string(w.first) + "," + std::to_string(w.last) + "," +
              std::to_string(w.flags) + "," + std::to_string(w.repeats_holes) + "," + std::to_string(w.open) + "," +
              std::to_string(w.path) + "," + std::to_string(w.sequence_end) + "," + std::to_string(w.first_frame) + "," +
              std::to_string(w.ttl) + "," + std::to_string(w.ip_id) + ";";
    }
    ways += std::to_string(r.client_isn) + "," + std::to_string(r.server_isn) + "," + std::to_string(r.client_rtt) + "," +
            std::to_string(r.response) + ";";
    image.emplace_back(r.client, r.client_port, r.protocol, r.t0, r.last, ways + std::to_string(r.flags), bytes);
  }
  return image;
}

class Invariants : public testing::TestWithParam<bool> {};

TEST_P(Invariants, EveryPacketIsCountedOnceOrACopy) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Packet> packets = random_packets(seed, 3000, GetParam());
    Bench b(40, 256);  // too small: records are evicted all the time
    b.feed(packets);
    std::uint64_t counted = 0, bytes = 0, sent = 0;
    std::vector<Record> all = b.live();
    EXPECT_EQ(all.size(), b.tracker.live());
    all.insert(all.end(), b.gone.begin(), b.gone.end());
    for (const Record& r : all) {
      std::uint64_t of_record = 0;
      for (const Way& w : r.way) {
        of_record += w.packets;
        bytes += w.bytes();
        if (w.packets == 0) {
          EXPECT_EQ(w.bytes(), 0U);
        }
      }
      EXPECT_GT(of_record, 0U);
      EXPECT_LE(r.t0, r.last);
      if (r.endpoint[1] == kNone) {
        EXPECT_EQ(r.way[2].packets + r.way[3].packets, 0U);
      } else {
        EXPECT_NE(r.endpoint[0], r.endpoint[1]);
      }
      counted += of_record;
    }
    for (const Packet& p : packets) sent += p.ip_length;
    const Tracker::Counters& c = b.tracker.counters();
    EXPECT_EQ(counted + c.duplicates + c.untracked, packets.size()) << seed;
    EXPECT_LE(bytes, sent);
    EXPECT_EQ(b.gone.size(), c.evicted_half_open + c.evicted_closed + c.evicted_other);
  }
}

TEST_P(Invariants, NeitherKeyNorBatchesShow) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const std::vector<Packet> packets = random_packets(seed, 2000, GetParam());
    Bench reference(4096, 8192);
    reference.feed(packets);
    const Image expected = image_of(reference.live());
    for (const std::size_t batch : {1U, 7U, 63U}) {
      Bench b(4096, 8192, HashKey{seed * 0x1234567, batch * 0x89abcdef12345});
      b.feed(packets, batch);
      EXPECT_EQ(image_of(b.live()), expected) << seed << " " << batch;
      EXPECT_EQ(b.seen.size(), reference.seen.size());
    }
  }
}

// Eviction looks at records in the order of the table, so that a full table is no exception.
TEST_P(Invariants, NorDoTheyInAFullTable) {
  const std::vector<Packet> packets = random_packets(99, 4000, GetParam());
  Bench reference(30, 128);
  reference.feed(packets, 64);
  for (const std::size_t batch : {1U, 5U}) {
    Bench b(30, 1024, HashKey{42, batch});
    b.feed(packets, batch);
    EXPECT_EQ(image_of(b.live()), image_of(reference.live()));
    EXPECT_EQ(image_of(b.gone), image_of(reference.gone));
  }
}

/// Handshakes as they should be and with every flaw, of few clients and services that come again and again.
std::vector<Packet> random_handshakes(std::uint64_t seed, std::size_t connections, bool one_client) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::vector<Packet> packets;
  Timestamp t = 0;
  for (std::size_t n = 0; n < connections; ++n) {
    const bool v6 = below(4) == 0;
    const auto address = [&](std::uint32_t net, std::uint32_t host) { return address_of(v6, net << 8 | host); };
    const Endpoint client{address(0x0a0000, one_client ? 1 : below(40)), static_cast<std::uint16_t>(40'000 + below(3))};
    const Endpoint vip{address(0xc00002, 1 + below(2)), 80}, rip{address(0xac1000, 2 + below(3)), 8080};
    const std::uint32_t isn = below(3) * 0x40000000, answer = 77 + below(2) * 0x50000000;
    const auto add = [&](const Made& made, unsigned ttl) {
      t += below(40) == 0 ? 100 * kSecond : below(3) * kMs;
      Packet p = made;
      p.time = kStart + (below(30) == 0 ? std::max<Timestamp>(0, t - kSecond) : t);
      p.ttl = static_cast<std::uint8_t>(below(20) == 0 ? 9 : ttl);
      p.ip_id = static_cast<std::uint16_t>(below(10) == 0 ? 5 : 4);
      if (below(30) == 0) p.payload = 100, p.ip_length += 100;
      if (below(40) == 0) p.tcp_flags |= below(2) == 0 ? kRst : kFin;
      if (below(40) == 0) p.source_mac[4] = 9;
      for (std::uint32_t times = below(15) == 0 ? 2 : 1; times > 0 && below(12) != 0; --times) packets.push_back(p);
    };
    const bool swapped = below(6) == 0;  // captured where the rewritten one comes first
    for (const bool outer : {!swapped, swapped}) {
      add(Made(client, outer ? vip : rip, outer ? Seen::request : Seen::demasq).flags(kSyn).seq(isn), outer ? 63 : 62);
    }
    for (const bool outer : {swapped, !swapped}) {
      add(Made(outer ? vip : rip, client, outer ? Seen::masq : Seen::reply).flags(kSyn | kAck).seq(answer, isn + 1),
          outer ? 62 : 63);
    }
    if (below(3) != 0) continue;
    for (const bool outer : {true, false}) {
      add(Made(client, outer ? vip : rip, outer ? Seen::request : Seen::demasq)
              .flags(kPsh | kAck)
              .seq(isn + 1, answer + 1)
              .bytes(10),
          outer ? 63 : 62);
    }
  }
  return packets;
}

// What is plain is followed, and handshakes begun, without the questions that odd packets raise: it must come to the same. (A
// first fragment is odd, and means nothing else to the tracker.)
TEST_P(Invariants, WhatIsPlainComesToTheSameTheThoroughWay) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    for (const bool handshakes : {false, true}) {
      std::vector<Packet> plain = handshakes ? random_handshakes(seed, 800, GetParam()) : random_packets(seed, 3000, GetParam());
      for (std::size_t i = 0; i < plain.size(); ++i) plain[i].number = static_cast<std::uint32_t>(i + 1);
      std::vector<Packet> odd = plain;
      for (Packet& p : odd) p.first_fragment = true;
      for (const std::size_t room : {40U, 4096U}) {
        Bench a(room, 8192), b(room, 8192);
        a.feed(plain);
        b.feed(odd);
        ASSERT_EQ(image_of(a.live()), image_of(b.live())) << seed;
        ASSERT_EQ(image_of(a.gone), image_of(b.gone)) << seed;
        ASSERT_EQ(a.seen.size(), b.seen.size()) << seed;
        for (std::size_t i = 0; i < a.seen.size(); ++i) {
          const Observation &x = a.seen[i], &y = b.seen[i];
          ASSERT_EQ(std::tuple(x.record, x.packet, x.kind, x.way, x.path, x.outer, x.inner),
                    std::tuple(y.record, y.packet, y.kind, y.way, y.path, y.outer, y.inner))
              << seed;
        }
        const Tracker::Counters &c = a.tracker.counters(), &d = b.tracker.counters();
        EXPECT_EQ(std::tuple(c.untracked, c.duplicates, c.evicted_half_open, c.evicted_closed, c.evicted_other, c.strays),
                  std::tuple(d.untracked, d.duplicates, d.evicted_half_open, d.evicted_closed, d.evicted_other, d.strays));
      }
    }
  }
}

// A hostile client: all hash values alike does not happen, but all packets of one endpoint does.
INSTANTIATE_TEST_SUITE_P(Clients, Invariants, testing::Bool(), [](const auto& i) { return i.param ? "One" : "Many"; });

}  // namespace
}  // namespace lvsnat::track
