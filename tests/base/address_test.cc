#include "lvsnat/address.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <random>

#include "base/append.h"

namespace lvsnat {
namespace {

std::string round(std::string_view text) {
  const auto address = parse_address(text);
  return address ? to_string(*address) : "refused";
}

TEST(Address, PrintsIpv4) {
  EXPECT_EQ(to_string(Address::v4(0x0a010102)), "10.1.1.2");
  EXPECT_EQ(to_string(Address::v4(0xffffffff)), "255.255.255.255");
  EXPECT_EQ(to_string(Address::v4(0)), "0.0.0.0");
  EXPECT_EQ(to_string(Address::v4(0x640a6309)), "100.10.99.9");
  EXPECT_EQ(to_string(Address{}), "-");
}

TEST(Address, ParsesOnlyOneSpellingOfIpv4) {
  EXPECT_EQ(parse_address("10.1.1.2"), Address::v4(0x0a010102));
  for (const char* bad :
       {"", " 10.1.1.2", "10.1.1.2 ", "10.1.1", "10.1.1.2.3", "10.1.1.256", "010.1.1.2", "10.1.1.02", "10.1.1.2\n", "0x0a.1.1.2",
        "10.1.1.-2", "10..1.2", "167837954", "10.1.1.2/32", "10.1.1.2:80", "١.1.1.1"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
  EXPECT_FALSE(parse_address(std::string_view("10.1.1.2\0", 9)));
  EXPECT_FALSE(parse_address(std::string_view("10.1.1.2\0x", 10)));
  EXPECT_FALSE(parse_address(std::string(1000, '1')));
}

TEST(Address, PrintsAsRfc5952) {
  EXPECT_EQ(round("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(round("2001:0db8::0001"), "2001:db8::1");
  EXPECT_EQ(round("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");  // one group is not compressed
  EXPECT_EQ(round("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");           // the longest run
  EXPECT_EQ(round("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");     // the first of equals
  EXPECT_EQ(round("fe80:0:0:0:1:0:0:0"), "fe80::1:0:0:0");
  EXPECT_EQ(round("::1"), "::1");
  EXPECT_EQ(round("fd00::"), "fd00::");
  EXPECT_EQ(round("0:0:1::"), "0:0:1::");
  EXPECT_EQ(round("1:2:3:4:5:6:7:8"), "1:2:3:4:5:6:7:8");
  EXPECT_EQ(round("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_EQ(round("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
  EXPECT_EQ(round("::ffff:10.1.1.2"), "10.1.1.2");
  EXPECT_EQ(round("::10.1.1.2"), "::a01:102");
}

TEST(Address, RefusesBadIpv6) {
  for (const char* bad : {":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "fe80::1%eth0", "[::1]", "::g",
                          "1:2:3:4:5:6:7:8::", "::1 ", "::1/128", "::1.2.3", "1.2.3.4::"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
}

TEST(Address, ReadsBackWhatItPrints) {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    Address address;
    for (std::uint8_t& byte : address.bytes) byte = random() % 3 != 0 ? 0 : static_cast<std::uint8_t>(random());
    address.bytes[0] = 0x20;
    const std::string text = to_string(address);
    ASSERT_LE(text.size(), kAddressLength);
    ASSERT_EQ(parse_address(text), address) << text;
    char system[INET6_ADDRSTRLEN];
    ASSERT_EQ(text, inet_ntop(AF_INET6, address.bytes.data(), system, sizeof system));
  }
}

TEST(Address, Classes) {
  const auto is = [](std::string_view text) { return *parse_address(text); };
  EXPECT_TRUE(is("127.0.0.1").is_loopback());
  EXPECT_TRUE(is("127.255.0.1").is_loopback());
  EXPECT_TRUE(is("::1").is_loopback());
  EXPECT_FALSE(is("::2").is_loopback());
  EXPECT_FALSE(is("128.0.0.1").is_loopback());
  EXPECT_TRUE(is("169.254.3.4").is_link_local());
  EXPECT_TRUE(is("fe80::1").is_link_local());
  EXPECT_TRUE(is("febf::1").is_link_local());
  EXPECT_FALSE(is("fec0::1").is_link_local());
  EXPECT_TRUE(is("224.0.0.18").is_multicast());
  EXPECT_TRUE(is("239.255.255.255").is_multicast());
  EXPECT_TRUE(is("255.255.255.255").is_multicast());
  EXPECT_FALSE(is("240.0.0.1").is_multicast());
  EXPECT_TRUE(is("ff02::1").is_multicast());
  EXPECT_TRUE(is("0.0.0.0").is_unspecified());
  EXPECT_TRUE(is("::").is_unspecified());
  EXPECT_FALSE(is("0.0.0.1").is_unspecified());
  EXPECT_FALSE(is("0.0.0.0").is_none());
}

TEST(Endpoint, PrintsAndParses) {
  EXPECT_EQ(to_string(Endpoint{Address::v4(0x0a010102), 80}), "10.1.1.2:80");
  EXPECT_EQ(to_string(Endpoint{*parse_address("fd00::2"), 65535}), "[fd00::2]:65535");
  EXPECT_EQ(to_string(Endpoint{}), "-");
  EXPECT_EQ(to_string(Endpoint{Address{}, 80}), "[::]:80");
  EXPECT_EQ(parse_endpoint("10.1.1.2:80"), (Endpoint{Address::v4(0x0a010102), 80}));
  EXPECT_EQ(parse_endpoint("10.1.1.2:0"), (Endpoint{Address::v4(0x0a010102), 0}));
  EXPECT_EQ(parse_endpoint("[fd00::2]:80"), (Endpoint{*parse_address("fd00::2"), 80}));
  for (const char* bad : {"10.1.1.2", "10.1.1.2:", ":80", "10.1.1.2:65536", "10.1.1.2:080", "10.1.1.2:+80", "10.1.1.2: 80",
                          "10.1.1.2:http", "fd00::2:80", "[fd00::2]", "[fd00::2]80", "[10.1.1.2]:80", "[fd00::2:80", "[]:80",
                          "[:80", "10.1.1.2:80 ", "10.1.1.2:8\n"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
}

TEST(Prefix, ParsesAndClearsHostBits) {
  EXPECT_EQ(to_string(*parse_prefix("10.1.1.77/24")), "10.1.1.0/24");
  EXPECT_EQ(to_string(*parse_prefix("10.1.1.77/31")), "10.1.1.76/31");
  EXPECT_EQ(to_string(*parse_prefix("10.1.1.77")), "10.1.1.77/32");
  EXPECT_EQ(to_string(*parse_prefix("10.1.1.77/0")), "0.0.0.0/0");
  EXPECT_EQ(to_string(*parse_prefix("fd00::ffff/65")), "fd00::/65");
  EXPECT_EQ(to_string(*parse_prefix("fd00::ffff")), "fd00::ffff/128");
  EXPECT_EQ(to_string(*parse_prefix("::/0")), "::/0");
  EXPECT_EQ(to_string(*parse_prefix("::ffff:10.1.2.3/104")), "10.0.0.0/8");
  EXPECT_EQ(to_string(*parse_prefix("::ffff:10.1.2.3/95")), "::fffe:0:0/95");
  for (const char* bad : {"10.1.1.0/33", "10.1.1.0/", "10.1.1.0/08", "10.1.1.0/-1", "10.1.1.0/24/24", "/24", "10.1.1/24",
                          "fd00::/129", "10.1.1.0 /24", "10.1.1.0/255.255.255.0"}) {
    EXPECT_FALSE(parse_prefix(bad)) << bad;
  }
}

TEST(Prefix, Contains) {
  const auto holds = [](std::string_view prefix, std::string_view address) {
    return parse_prefix(prefix)->contains(*parse_address(address));
  };
  EXPECT_TRUE(holds("10.1.1.0/24", "10.1.1.255"));
  EXPECT_FALSE(holds("10.1.1.0/24", "10.1.2.0"));
  EXPECT_TRUE(holds("10.1.1.4/30", "10.1.1.7"));
  EXPECT_FALSE(holds("10.1.1.4/30", "10.1.1.8"));
  EXPECT_TRUE(holds("0.0.0.0/0", "255.1.2.3"));
  EXPECT_FALSE(holds("::/0", "10.1.1.1"));
  EXPECT_FALSE(holds("0.0.0.0/0", "fd00::1"));
  EXPECT_TRUE(holds("::/0", "fd00::1"));
  EXPECT_FALSE(parse_prefix("::/0")->contains(Address{}));
  EXPECT_TRUE(holds("fd00::/7", "fc00::1"));
  EXPECT_TRUE(holds("fd00::2/128", "fd00::2"));
  EXPECT_FALSE(holds("fd00::2/128", "fd00::3"));
  EXPECT_TRUE(parse_prefix("10.0.0.0/8")->contains(*parse_prefix("10.1.1.0/24")));
  EXPECT_TRUE(parse_prefix("10.0.0.0/8")->contains(*parse_prefix("10.0.0.0/8")));
  EXPECT_FALSE(parse_prefix("10.1.1.0/24")->contains(*parse_prefix("10.0.0.0/8")));
  EXPECT_TRUE(parse_prefix("::/0")->contains(*parse_prefix("::/0")));
  EXPECT_FALSE(parse_prefix("::/0")->contains(*parse_prefix("10.0.0.0/8")));
}

TEST(Mac, PrintsAndParses) {
  const Mac mac{{0x02, 0x00, 0x5e, 0x00, 0x1a, 0xff}};
  EXPECT_EQ(to_string(mac), "02:00:5e:00:1a:ff");
  EXPECT_EQ(parse_mac("02:00:5E:00:1a:fF"), mac);
  EXPECT_FALSE(mac.is_group());
  EXPECT_TRUE(parse_mac("ff:ff:ff:ff:ff:ff")->is_group());
  for (const char* bad : {"", "02:00:5e:00:1a", "02:00:5e:00:1a:ff:00", "02-00-5e-00-1a-ff", "2:0:5e:0:1a:ff:00:00",
                          "02:00:5e:00:1a:fg", "02:00:5e:00:1a:f ", "02:00:5e:00:1a:ff "}) {
    EXPECT_FALSE(parse_mac(bad)) << bad;
  }
}

TEST(Append, WritesWhatToStringReturns) {
  char text[128];
  char* end = append(text, "a=");
  end = append(end, std::uint64_t{18446744073709551615U});
  *end++ = ' ';
  end = append(end, Endpoint{Address::v4(0x0a010102), 80});
  *end++ = ' ';
  end = append_seconds(end, -1);
  EXPECT_EQ(std::string(text, end), "a=18446744073709551615 10.1.1.2:80 -0.000000001");
  EXPECT_EQ(append(text, std::string_view()), text);
}

}  // namespace
}  // namespace lvsnat
