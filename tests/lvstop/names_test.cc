// Names are looked up beside everything else: a resolver that hangs holds up nobody, and what it answers is not trusted.
#include "names.h"

#include <poll.h>

#include <condition_variable>
#include <mutex>
#include <string>

#include <gtest/gtest.h>

namespace lvsnat::top {
namespace {

Address address(const char* text) { return parse_address(text).value(); }

/// Waits for news; a test that fails waits long.
bool news(const Names& names) {
  pollfd woken{names.wake_descriptor(), POLLIN, 0};
  return poll(&woken, 1, 30'000) == 1;
}

TEST(Names, AreLookedUpOnceAndHandedOver) {
  std::atomic<int> asked{0};
  Names names({}, [&](const Address& a) {
    ++asked;
    return a == address("10.1.1.2") ? "web1" : "";
  });
  EXPECT_TRUE(names.known()->empty());
  names.want({address("10.1.1.2"), address("10.1.1.3")});
  ASSERT_TRUE(news(names));
  const auto known = names.known();
  EXPECT_EQ(known->at(address("10.1.1.2")), "web1");
  EXPECT_EQ(known->size(), 1u);
  names.want({address("10.1.1.2"), address("10.1.1.3")});
  names.want({address("10.1.1.4")});
  while (!names.idle()) {
  }
  EXPECT_EQ(asked, 3);
}

TEST(Names, GivenOnesNeedNoResolver) {
  Names names({{address("10.1.1.2"), "web1"}}, [](const Address&) -> std::string {
    ADD_FAILURE() << "asked";
    return {};
  });
  names.want({address("10.1.1.2")});
  EXPECT_TRUE(names.idle());
  EXPECT_EQ(names.known()->at(address("10.1.1.2")), "web1");
}

TEST(Names, AResolverThatHangsHoldsUpNobody) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false, entered = false;
  };
  const auto gate = std::make_shared<Gate>();
  {
    Names names({}, [gate](const Address&) {
      std::unique_lock lock(gate->mutex);
      gate->entered = true;
      gate->changed.notify_all();
      gate->changed.wait(lock, [&] { return gate->open; });
      return std::string("late");
    });
    names.want({address("10.1.1.2")});
    std::unique_lock lock(gate->mutex);
    gate->changed.wait(lock, [&] { return gate->entered; });
    lock.unlock();
    EXPECT_FALSE(names.idle());
    EXPECT_TRUE(names.known()->empty());
    // Ends while the look-up still runs.
  }
  const std::lock_guard lock(gate->mutex);
  gate->open = true;
  gate->changed.notify_all();
}

TEST(Names, WhatAStrangerAnswersIsMadeHarmless) {
  EXPECT_EQ(presentable_name("web1.example.org"), "web1.example.org");
  EXPECT_EQ(presentable_name("10.1.1.3"), "");
  EXPECT_EQ(presentable_name("fd00::1"), "");
  const std::string evil = presentable_name(
      "a\x1b[2J\xe2\x80\xae"
      "b\r\n");
  for (const char c : evil) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  EXPECT_EQ(evil.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_LE(presentable_name(std::string(5000, 'x')).size(), 70u);
}

TEST(Names, MemoryIsBounded) {
  Names names({}, [](const Address&) { return "n"; });
  for (std::uint32_t i = 0; i < 3 * Names::kMost; i += 256) {
    std::set<Address> some;
    for (std::uint32_t j = i; j < i + 256; ++j) {
      Address a = address("10.0.0.0");
      a.bytes[13] = static_cast<std::uint8_t>(j >> 16), a.bytes[14] = static_cast<std::uint8_t>(j >> 8);
      a.bytes[15] = static_cast<std::uint8_t>(j);
      some.insert(a);
    }
    names.want(some);
    EXPECT_LE(names.known()->size(), Names::kMost);
  }
}

}  // namespace
}  // namespace lvsnat::top
