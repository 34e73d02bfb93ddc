// keepalived.conf: what declares services, and what a hostile one may not do.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "lvsnat/config.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

ConfigOptions offline() {
  ConfigOptions options;
  options.read_system_files = false;
  options.hostname = "lvs1";
  return options;
}

std::string error_of(std::string_view text) {
  const auto d = parse_keepalived(text, "k", "/nonexistent", offline());
  return d ? "(none)" : d.error().message;
}

TEST(Keepalived, AnOrdinaryFile) {
  const auto d = parse_keepalived(R"(! Configuration File for keepalived
global_defs { router_id LVS1 }
$VIP=192.168.1.110
$RIPNET=10.1.1
vrrp_instance VI_1 {
  virtual_ipaddress { 192.168.1.110/24 dev eth0 }
  authentication { auth_type PASS
    auth_pass "se}cret" }
}
virtual_server $VIP 80 {
    delay_loop 6
    lb_algo wlc          # comment
    lb_kind NAT
    persistence_timeout 50
    protocol TCP
    sorry_server 10.1.1.99 80
    real_server ${RIPNET}.2 8080 {
        weight 3
        uthreshold 100
        TCP_CHECK { connect_timeout 3 }
    }
    real_server $RIPNET.3 80
    {
        lvs_method DR
        HTTP_GET {
            url { path /
              weight 77 }
        }
    }
@lvs2 real_server 10.1.1.4 80 { weight 1 }
@^lvs2 real_server 10.1.1.5 80 { weight 1 }
}
virtual_server fwmark 7 { lvs_sched rr
 ops
 real_server fd00::2 0 { }
}
)",
                                  "k", "/nonexistent", offline());
  ASSERT_TRUE(d) << d.error().message;
  ASSERT_EQ(d->services.size(), 2u);
  const Service& web = d->services[0];
  EXPECT_EQ(to_string(web), "tcp:192.168.1.110:80");
  EXPECT_EQ(web.scheduler, "wlc");
  EXPECT_EQ(web.persistence, 50u);
  ASSERT_EQ(web.destinations.size(), 3u);
  EXPECT_EQ(to_string(web.destinations[0].rip), "10.1.1.2");
  EXPECT_EQ(web.destinations[0].port, 8080);
  EXPECT_EQ(web.destinations[0].weight, 3);
  EXPECT_EQ(web.destinations[0].upper_threshold, 100u);
  EXPECT_EQ(web.destinations[0].method, Method::masq);
  EXPECT_EQ(web.destinations[1].method, Method::route);
  EXPECT_EQ(web.destinations[1].weight, 1) << "a checker's own weight is not the server's";
  EXPECT_EQ(to_string(web.destinations[2].rip), "10.1.1.5");
  EXPECT_EQ(to_string(d->services[1]), "fwmark:7");
  EXPECT_TRUE(d->services[1].v6);
  EXPECT_TRUE(d->services[1].one_packet);
  for (const std::string& note : d->notes) EXPECT_EQ(note.find("se}cret"), std::string::npos);
}

TEST(Keepalived, GroupsWithRanges) {
  const auto d = parse_keepalived(
      "virtual_server group G {\n protocol UDP\n lb_kind TUN\n real_server 10.0.0.1 53 { }\n}\n"
      "virtual_server_group G {\n 192.168.1.1-3 53\n fd00::a-c 53\n fwmark 9\n 192.168.2.1 54\n}\n",
      "k", "/nonexistent", offline());
  ASSERT_TRUE(d) << d.error().message;
  std::vector<std::string> names;
  for (const Service& s : d->services) names.push_back(to_string(s));
  EXPECT_EQ(names, (std::vector<std::string>{"udp:192.168.1.1:53", "udp:192.168.1.2:53", "udp:192.168.1.3:53", "udp:[fd00::a]:53",
                                             "udp:[fd00::b]:53", "udp:[fd00::c]:53", "fwmark:9", "udp:192.168.2.1:54"}));
  EXPECT_EQ(d->services[0].destinations[0].method, Method::tunnel);
}

TEST(Keepalived, Mistakes) {
  EXPECT_EQ(error_of("virtual_server 1.2.3.4 80 {\n"), "k:1:1: the block that begins here is never closed");
  EXPECT_EQ(error_of("}\n"), "k:1:1: a closing brace without an opening one");
  EXPECT_EQ(error_of("virtual_server host 80 { }\n"),
            "k:1:16: 'host' is no address, and neither --name nor the hosts file knows it");
  EXPECT_EQ(error_of("virtual_server 1.2.3.4 80 {\n  lb_kind FOO\n}\n"), "k:2:11: 'FOO' is none of NAT, DR, TUN");
  EXPECT_EQ(error_of("virtual_server 1.2.3.4 80 {\n  real_server 1.2.3.5 99999 { }\n}\n"), "k:2:23: '99999' is no port");
  EXPECT_EQ(error_of("virtual_server group G { }\n"), "k:1:1: there is no virtual_server_group 'G'");
  EXPECT_EQ(error_of("virtual_server 1.2.3.4 80 { }\nvirtual_server 1.2.3.4 80 { }\n"),
            "k:2:1: virtual_server tcp:1.2.3.4:80 stands twice");
  EXPECT_EQ(error_of("virtual_server 1.2.3.4 80\n"), "k:1:1: virtual_server has no block");
  EXPECT_EQ(error_of("virtual_server fwmark 0 { }\n"), "k:1:23: '0' is no firewall mark");
  EXPECT_NE(error_of("virtual_server_group G {\n 1.2.3.9-3 80\n}\n"), "(none)");
}

TEST(Keepalived, HostileFilesMeetLimits) {
  EXPECT_NE(error_of(std::string(10'000, '{')).find("nested deeper than 64"), std::string::npos);
  std::string bomb = "$A0=0123456789\n";
  for (int i = 1; i < 40; ++i) {
    const std::string last = "$A" + std::to_string(i - 1);
    bomb += "$A" + std::to_string(i) + "=" + last + last + last + last + "\n";
  }
  EXPECT_NE(error_of(bomb + "x $A39\n").find("longer than"), std::string::npos);
  EXPECT_NE(error_of("~SEQ(x, 1, 1, 1000000000) virtual_server 1.1.1.$x 80 { }\n").find("not understood"), std::string::npos);
  EXPECT_NE(error_of("virtual_server \x1b[2J 80 { }\n").find("\\x1b"), std::string::npos);
  ConfigOptions options = offline();
  options.max_services = 1;
  const auto d = parse_keepalived("virtual_server 1.2.3.4 80 { }\nvirtual_server 1.2.3.4 81 { }\n", "k", "", options);
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error().code, ErrorCode::limit);
}

class Includes : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "lvsnat-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    fs::create_directory(directory_ / "conf.d");
  }
  void TearDown() override { fs::remove_all(directory_); }
  void put(const char* name, const std::string& text) { std::ofstream(directory_ / name) << text; }
  Result<Declaration> read() { return read_config(directory_ / "keepalived.conf", offline()); }
  fs::path directory_;
};

TEST_F(Includes, ByPatternInOrder) {
  put("keepalived.conf", "global_defs { }\ninclude conf.d/*.conf\nvirtual_server 1.2.3.4 3 { }\n");
  put("conf.d/b.conf", "virtual_server 1.2.3.4 2 { }\n");
  put("conf.d/a.conf", "virtual_server 1.2.3.4 1 { }\n");
  const auto d = read();
  ASSERT_TRUE(d) << d.error().message;
  ASSERT_EQ(d->services.size(), 3u);
  EXPECT_EQ(d->services[0].port, 1);
  EXPECT_EQ(d->services[1].port, 2);
  EXPECT_EQ(d->services[2].port, 3);
}

TEST_F(Includes, OfItselfEnds) {
  put("keepalived.conf", "global_defs { }\ninclude keepalived.conf\n");
  const auto d = read();
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error().code, ErrorCode::limit);
}

TEST_F(Includes, OutsideTheDirectoryAreNotRead) {
  put("keepalived.conf", "include /etc/passwd\nvirtual_server 1.2.3.4 3 { }\n");
  const auto d = read();
  ASSERT_TRUE(d) << d.error().message;
  ASSERT_EQ(d->notes.size(), 1u);
  EXPECT_NE(d->notes[0].find("outside the main file's directory"), std::string::npos);
}

TEST_F(Includes, AFifoDoesNotBlock) {
  put("keepalived.conf", "include conf.d/fifo\n");
  ASSERT_EQ(::mkfifo((directory_ / "conf.d/fifo").c_str(), 0600), 0);
  const auto d = read();
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error().code, ErrorCode::unsupported);
}

TEST_F(Includes, ErrorsNameTheIncludedFile) {
  put("keepalived.conf", "include conf.d/a.conf\n");
  put("conf.d/a.conf", "\nvirtual_server nowhere 1 { }\n");
  const auto d = read();
  ASSERT_FALSE(d);
  EXPECT_NE(d.error().message.find("conf.d/a.conf:2:16:"), std::string::npos) << d.error().message;
}

}  // namespace
}  // namespace lvsnat
