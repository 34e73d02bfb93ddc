#include "filter.h"

#include <string>

#include <gtest/gtest.h>

namespace lvsnat::top {
namespace {

FilterSubject subject() {
  static const int codes[]{101};
  FilterSubject s;
  s.has = 0xffffffff;
  s.cip = parse_endpoint("192.168.1.254:48734");
  s.vip = parse_endpoint("192.168.1.110:80");
  s.rip = parse_endpoint("10.1.1.2:8080");
  s.protocol = 6;
  s.state = "SYN_RECV";
  s.legs = "12--";
  s.codes = codes;
  s.age = 3'100'000'000;
  s.ms = 60'000'000;
  s.packets = 6;
  s.words = "web1";
  return s;
}

bool matches(std::string_view text) {
  auto parsed = Filter::parse(text);
  if (const auto* error = std::get_if<FilterError>(&parsed)) {
    ADD_FAILURE() << text << ": " << error->position << " " << error->message;
    return false;
  }
  return std::get<Filter>(parsed).matches(subject());
}

TEST(Filter, FieldsMatchWhatTheyName) {
  for (const char* text : {"",
                           "   ",
                           "legs:12--",
                           "legs:12.-",
                           "legs:1234|12--",
                           "rip:10.1.1.2",
                           "rip:10.1.1.0/24",
                           "rip:10.1.1.2:8080",
                           "cip:192.168.1.254",
                           "vip:192.168.1.110:80",
                           "port:80",
                           "port:8080",
                           "proto:tcp",
                           "proto:6",
                           "state:syn",
                           "code:LVS101",
                           "code:LVS1",
                           "code:101",
                           "age>3",
                           "age<4s",
                           "age>=3100ms",
                           "ms>50",
                           "ms<0.061s",
                           "packets=6",
                           "packets:6",
                           "web1",
                           "WEB",
                           "10.1.1",
                           "lvs101",
                           "rip:web1",
                           "legs:12-- rip:10.1.1.2 ms>50",
                           "!state:closed",
                           "!legs:1234",
                           "legs:1234 | code:101",
                           "port:443 | port:80 !proto:udp"}) {
    EXPECT_TRUE(matches(text)) << text;
  }
  for (const char* text : {"legs:1234", "legs:123.", "rip:10.1.1.3", "rip:10.1.2.0/24", "rip:10.1.1.2:80", "cip:10.1.1.2",
                           "port:443", "proto:udp", "state:closed", "code:LVS2", "age>4", "ms<50", "packets>6", "nobody",
                           "!legs:12--", "legs:12-- rip:10.1.1.3", "legs:1234 | code:102", "rtt>0", "idle<1h"}) {
    EXPECT_FALSE(matches(text)) << text;
  }
}

TEST(Filter, AFieldThatThisKindOfRowLacksHidesNothing) {
  FilterSubject s = subject();
  s.has = bit(Field::rip) | bit(Field::word);
  EXPECT_TRUE(std::get<Filter>(Filter::parse("legs:1234 rip:10.1.1.2")).matches(s));
  EXPECT_FALSE(std::get<Filter>(Filter::parse("legs:1234 rip:10.1.1.9")).matches(s));
}

TEST(Filter, ErrorsSayWhere) {
  const auto position = [](std::string_view text) -> std::size_t {
    auto parsed = Filter::parse(text);
    const auto* error = std::get_if<FilterError>(&parsed);
    if (error == nullptr) {
      ADD_FAILURE() << text << " was accepted";
      return 999;
    }
    EXPECT_FALSE(error->message.empty());
    return error->position;
  };
  EXPECT_EQ(position("nonsense:1"), 0u);
  EXPECT_EQ(position("legs:12-- ms>x"), 13u);
  EXPECT_EQ(position("legs:12"), 5u);
  EXPECT_EQ(position("legs:2---"), 5u);
  EXPECT_EQ(position("legs:1324"), 6u);
  EXPECT_EQ(position("rip:10.1.1.300"), 4u);
  EXPECT_EQ(position("port:70000"), 5u);
  EXPECT_EQ(position("rip>3"), 3u);
  EXPECT_EQ(position("rip:"), 4u);
  EXPECT_EQ(position("legs:12--||1234"), 10u);
  EXPECT_EQ(position("| a"), 0u);
  EXPECT_EQ(position("a |"), 2u);
  EXPECT_EQ(position("a !"), 2u);
  EXPECT_EQ(position(">3"), 0u);
  EXPECT_EQ(position("age>9999999999999999"), 4u);
  EXPECT_EQ(position(std::string(2000, 'a')), 1024u);
  std::string many;
  for (int i = 0; i < 65; ++i) many += "a ";
  EXPECT_EQ(position(many), 128u);
}

TEST(Filter, Ipv6AddressesAreNoFields) {
  auto parsed = Filter::parse("fd00::2");
  EXPECT_TRUE(std::holds_alternative<Filter>(parsed));
  FilterSubject s = subject();
  s.rip = parse_endpoint("[fd00::2]:80");
  EXPECT_TRUE(std::get<Filter>(parsed).matches(s));
  EXPECT_TRUE(std::get<Filter>(Filter::parse("rip:[fd00::2]:80")).matches(s));
  EXPECT_TRUE(std::get<Filter>(Filter::parse("rip:fd00::/64")).matches(s));
  EXPECT_FALSE(std::get<Filter>(Filter::parse("rip:fd01::/64")).matches(s));
}

}  // namespace
}  // namespace lvsnat::top
