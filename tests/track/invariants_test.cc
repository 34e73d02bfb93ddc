// What holds for any packets whatever: nothing is lost from the counts, and neither hash key nor batches show.
#include <map>
#include <random>
#include <tuple>

#include "packets.h"

namespace lvsnat::track {
namespace {

// Few addresses, ports and numbers, so that everything collides with everything.
std::vector<Packet> random_packets(std::uint64_t seed, std::size_t count, bool one_client) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::vector<Packet> packets;
  Timestamp t = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool v6 = below(4) == 0;
    const auto address = [&](std::uint32_t net, std::uint32_t host) {
      Address a = Address::v4(net << 8 | host);
      if (v6) a.bytes[10] = a.bytes[11] = 0, a.bytes[0] = 0xfd;
      return a;
    };
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
              std::to_string(w.path) + ";";
    }
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

// A hostile client: all hash values alike does not happen, but all packets of one endpoint does.
INSTANTIATE_TEST_SUITE_P(Clients, Invariants, testing::Bool(), [](const auto& i) { return i.param ? "One" : "Many"; });

}  // namespace
}  // namespace lvsnat::track
