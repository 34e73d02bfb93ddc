// The hash is keyed: who chooses addresses and ports to collide under one key gains nothing under another.
#include "track/hash.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace lvsnat::track {
namespace {

struct Client {
  Address address;
  std::uint16_t port;
};

constexpr std::uint32_t kBuckets = 4096;
constexpr std::size_t kClients = 1024;

/// Steps of a search, over all clients, where each bucket is a list.
std::uint64_t cost(const HashKey& key, const std::vector<Client>& clients) {
  std::vector<std::uint32_t> full(kBuckets);
  std::uint64_t steps = 0;
  for (const Client& c : clients) steps += ++full[hash_endpoint(key, c.address, c.port, 6) % kBuckets];
  return steps;
}

HashKey key(std::mt19937_64& random) {
  HashKey k;
  k.a = random();
  k.b = random();
  return k;
}

std::vector<Client> anybody(bool v6) {
  std::mt19937_64 random(1);
  std::vector<Client> clients;
  while (clients.size() < kClients) {
    Address address = Address::v4(static_cast<std::uint32_t>(random()));
    if (v6) {
      for (std::uint8_t& byte : address.bytes) byte = static_cast<std::uint8_t>(random());
    }
    clients.push_back({address, static_cast<std::uint16_t>(random())});
  }
  return clients;
}

/// All in one bucket under the key that stands in the source: what an attacker could make who has read it.
std::vector<Client> crafted(bool v6) {
  std::vector<Client> clients;
  Address address = Address::v4(0);
  if (v6) address.bytes = {0x20, 1, 0xd, 0xb8};
  for (std::uint32_t n = 0; clients.size() < kClients; ++n) {
    if (v6) {
      for (unsigned i = 0; i < 4; ++i) address.bytes[12 + i] = static_cast<std::uint8_t>(n >> (8 * i));
    } else {
      address = Address::v4(0x0b000000 + n);
    }
    if (hash_endpoint(HashKey{}, address, 1234, 6) % kBuckets == 7) clients.push_back({address, 1234});
  }
  return clients;
}

class Hash : public testing::TestWithParam<bool> {};

TEST_P(Hash, WhatIsCraftedForOneKeyCostsNoMoreThanTwiceUnderAnother) {
  const std::vector<Client> bad = crafted(GetParam()), good = anybody(GetParam());
  ASSERT_EQ(cost(HashKey{}, bad), kClients * (kClients + 1) / 2);  // it would bite
  std::mt19937_64 random(2);
  for (int i = 0; i < 200; ++i) {
    const HashKey k = key(random);
    EXPECT_LE(cost(k, bad), 2 * cost(k, good)) << i;
  }
}

// Scanners and NAT gateways make patterns without meaning to.
TEST_P(Hash, PatternsAreSpread) {
  const std::vector<Client> good = anybody(GetParam());
  std::mt19937_64 random(3);
  const std::vector<HashKey> keys = [&] {
    std::vector<HashKey> made;
    for (int i = 0; i < 100; ++i) made.push_back(key(random));
    return made;
  }();
  for (unsigned shift = 0; shift <= 20; shift += 4) {
    std::vector<Client> steps, ports;
    for (std::uint32_t n = 0; n < kClients; ++n) {
      Address address = Address::v4(n << shift);
      if (GetParam()) {
        address.bytes = {0x20, 1, 0xd, 0xb8};
        for (unsigned i = 0; i < 4; ++i) address.bytes[8 + i] = static_cast<std::uint8_t>((n << shift) >> (24 - 8 * i));
      }
      steps.push_back({address, 40'000});
      address = Address::v4(0x0a000001);
      if (GetParam()) address.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
      ports.push_back({address, static_cast<std::uint16_t>(1024 + n * (shift + 1))});
    }
    std::size_t costly = 0;
    for (const HashKey& k : keys) {
      if (cost(k, steps) > 2 * cost(k, good)) ++costly;
      if (cost(k, ports) > 2 * cost(k, good)) ++costly;
    }
    // A pattern may meet a key that does not suit it; who makes it does not know the key.
    EXPECT_LE(costly, 4U) << shift;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Hash, testing::Bool(), [](const auto& i) { return i.param ? "v6" : "v4"; });

}  // namespace
}  // namespace lvsnat::track
