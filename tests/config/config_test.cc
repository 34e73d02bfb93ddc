// --config told apart by content, --service and --name.
#include "lvsnat/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

std::string origin_of(const std::string& text) {
  std::string pattern = (fs::temp_directory_path() / "lvsnat-XXXXXX").string();
  const int fd = ::mkstemp(pattern.data());
  EXPECT_GE(fd, 0);
  ::close(fd);
  std::ofstream(pattern) << text;
  ConfigOptions options;
  options.read_system_files = false;
  const auto d = read_config(pattern, options);
  fs::remove(pattern);
  return d ? std::string(name(d->origin)) : d.error().message.substr(d.error().message.find(": ") + 2);
}

TEST(Config, FormatIsToldByContent) {
  EXPECT_EQ(origin_of("# saved\n-A -t 1.2.3.4:80 -s rr\n"), "ipvsadm-save");
  EXPECT_EQ(origin_of("#!/bin/sh\nipvsadm -C\nipvsadm -A -t 1.2.3.4:80\n"), "ipvsadm-save");
  EXPECT_EQ(origin_of("! comment\n\nglobal_defs {\n}\n"), "keepalived");
  EXPECT_EQ(origin_of("virtual_server 1.2.3.4 80 {\n}\n"), "keepalived");
  EXPECT_EQ(origin_of("#lvs_nat.conf\nLVS_TYPE=VS_NAT\nVIP=eth0:110 1.2.3.4 255.255.255.0 1.2.3.255\nSERVICE=t 80 rr 10.1.1.2\n"),
            "lvs-conf");
  EXPECT_EQ(origin_of("hello\n"), "is neither ipvsadm-save output, nor a keepalived.conf, nor the HOWTO's lvs_nat.conf");
  EXPECT_EQ(origin_of(""), "is empty (an empty ipvsadm-save means that no service was configured)");
}

TEST(Config, MissingAndSpecialFiles) {
  EXPECT_EQ(read_config("/nonexistent/x").error().code, ErrorCode::not_found);
  EXPECT_EQ(read_config("/").error().code, ErrorCode::unsupported);
  EXPECT_EQ(read_config("/dev/zero").error().code, ErrorCode::unsupported);
}

TEST(ServiceOption, Shapes) {
  const auto web = parse_service_option("tcp:192.168.1.110:80=10.1.1.2:8080,10.1.1.3");
  ASSERT_TRUE(web) << web.error().message;
  EXPECT_EQ(to_string(*web), "tcp:192.168.1.110:80");
  ASSERT_EQ(web->destinations.size(), 2u);
  EXPECT_EQ(web->destinations[0].port, 8080);
  EXPECT_EQ(web->destinations[1].port, 80);
  EXPECT_EQ(web->destinations[0].method, Method::masq);
  EXPECT_FALSE(web->destinations[0].weight);
  const auto dns = parse_service_option("udp:[fd00::1]:53=[fd00::2]:53,fd00::3");
  ASSERT_TRUE(dns) << dns.error().message;
  EXPECT_TRUE(dns->v6);
  EXPECT_EQ(dns->destinations[1].port, 53);
  const auto mark = parse_service_option("fwmark:7=fd00::2");
  ASSERT_TRUE(mark) << mark.error().message;
  EXPECT_TRUE(mark->v6);
  EXPECT_EQ(mark->fwmark, 7u);
  EXPECT_TRUE(parse_service_option("sctp:1.2.3.4:5000")->destinations.empty());
}

TEST(ServiceOption, Mistakes) {
  for (const char* bad : {"", "tcp", "tcp:", "tcp:1.2.3.4", "tcp:1.2.3.4:80=", "tcp:1.2.3.4:80=10.0.0.1,,10.0.0.2",
                          "icmp:1.2.3.4:80", "tcp:fd00::1:80", "tcp:1.2.3.4:80=fd00::1", "fwmark:0=10.0.0.1",
                          "tcp:1.2.3.4:80=10.0.0.1,10.0.0.1:80", "tcp:1.2.3.4:80=name"}) {
    const auto s = parse_service_option(bad);
    ASSERT_FALSE(s) << bad;
    EXPECT_EQ(s.error().code, ErrorCode::usage);
  }
}

TEST(NameOption, Pairs) {
  EXPECT_EQ(to_string(parse_name_option("lvs=192.168.1.110")->second), "192.168.1.110");
  EXPECT_FALSE(parse_name_option("lvs"));
  EXPECT_FALSE(parse_name_option("=1.2.3.4"));
  EXPECT_FALSE(parse_name_option("lvs=x"));
}

}  // namespace
}  // namespace lvsnat
