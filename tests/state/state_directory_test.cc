// Directories as a shell collected them on a real cluster (Linux 6.1).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "lvsnat/state.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

Address ip(const char* text) { return parse_address(text).value(); }

KernelState sample(const char* name) {
  auto state = read_state(std::string(LVSNAT_SOURCE_DIR "/tests/state/data/") + name);
  EXPECT_TRUE(state) << state.error().message;
  return std::move(state).value();
}

const Gap* gap_about(const KernelState& s, std::string_view what) {
  const auto found =
      std::find_if(s.gaps.begin(), s.gaps.end(), [what](const Gap& g) { return g.what.find(what) != std::string::npos; });
  return found == s.gaps.end() ? nullptr : &*found;
}

TEST(StateDirectory, Director) {
  const KernelState s = sample("director");
  EXPECT_TRUE(owns_address(s, ip("192.168.1.110")));
  EXPECT_TRUE(owns_address(s, ip("10.1.1.9")));
  EXPECT_TRUE(owns_address(s, ip("127.5.5.5")));
  EXPECT_FALSE(owns_address(s, ip("10.1.1.2")));
  EXPECT_EQ(on_link_dev(s, ip("10.1.1.2")), "eth1");
  ASSERT_EQ(s.ipvs.services.size(), 1u) << "one table from four listings";
  const Service& service = s.ipvs.services[0];
  EXPECT_EQ(to_string(service), "tcp:192.168.1.110:80");
  EXPECT_EQ(service.scheduler, "rr");
  ASSERT_EQ(service.destinations.size(), 3u);
  EXPECT_EQ(service.destinations[0].method, Method::masq);
  EXPECT_EQ(service.destinations[0].inactive, 2u);
  EXPECT_EQ(service.destinations[0].counters->packets_out, 12u);
  EXPECT_EQ(s.ipvs.connections.size(), 7u);
  EXPECT_EQ(s.ipvs.timeouts, (ServiceTimeouts{}));
  EXPECT_EQ(sysctl_number(s, "net.ipv4.vs.conntrack"), 0);
  EXPECT_EQ(effective_send_redirects(s, "eth0", false).effective, 1);
  EXPECT_TRUE(s.known.nft_json && s.known.conntrack && s.known.exceptions_v4);
  ASSERT_NE(find_neighbour(s, ip("10.1.1.3"), "eth1"), nullptr);
  EXPECT_EQ(to_string(find_neighbour(s, ip("10.1.1.3"), "eth1")->mac), "02:00:5e:00:03:00");
  // /proc/modules was not collected: whether ip_vs_ftp is loaded is not known, and said to be so.
  EXPECT_FALSE(s.known.modules);
  ASSERT_EQ(s.gaps.size(), 1u);
  EXPECT_EQ(s.gaps[0], (Gap{"modules, ip_vs_app", "no such file", "whether ip_vs_ftp is loaded"}));
}

TEST(StateDirectory, DirectorV6TakesBothFilesAsOneTable) {
  const KernelState s = sample("director-v6");
  const auto count =
      std::count_if(s.routes.begin(), s.routes.end(), [](const Route& r) { return to_string(r.destination) == "fd00:10::/64"; });
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(s.known.routes_v6 && s.known.rules_v6 && s.known.exceptions_v6);
  ASSERT_EQ(s.ipvs.services.size(), 1u);
  EXPECT_EQ(to_string(s.ipvs.services[0]), "tcp:[fd00:1::110]:80");
  EXPECT_EQ(s.rules.size(), 5u) << "three of IPv4, two of IPv6";
}

TEST(StateDirectory, FirewallMark) {
  const KernelState s = sample("director-fwmark");
  ASSERT_EQ(s.ipvs.services.size(), 1u);
  EXPECT_EQ(to_string(s.ipvs.services[0]), "fwmark:1");
  EXPECT_EQ(s.ipvs.services[0].destinations.size(), 3u);
  EXPECT_EQ(s.ipvs.services[0].destinations[0].port, 0);
  EXPECT_NE(gap_about(s, "route.json"), nullptr);
}

TEST(StateDirectory, RealServerWithARedirectedRoute) {
  const KernelState s = sample("rs-redirected");
  ASSERT_EQ(s.exceptions.size(), 1u) << "JSON and text of one cache";
  EXPECT_TRUE(s.exceptions[0].redirected);
  EXPECT_EQ(s.exceptions[0].gateway, ip("192.168.1.254"));
  ASSERT_EQ(s.route_answers.size(), 2u);
  EXPECT_TRUE(s.route_answers[0].redirected);
  EXPECT_EQ(s.listeners.size(), 1u);
  EXPECT_FALSE(s.ipvs.present);
  EXPECT_FALSE(s.known.services);
  EXPECT_TRUE(s.gaps.empty()) << s.gaps[0].what << ": " << s.gaps[0].why;
}

TEST(StateDirectory, AFailedCommandIsAnAnswer) {
  const KernelState s = sample("rs-no-route");
  ASSERT_EQ(s.route_answers.size(), 2u);
  EXPECT_EQ(s.route_answers[0].label, "cip-from-rip");
  EXPECT_EQ(s.route_answers[0].error, "RTNETLINK answers: Network is unreachable");
  ASSERT_EQ(s.traceroutes.size(), 1u);
  EXPECT_EQ(s.traceroutes[0].error, "connect: Network is unreachable");
  EXPECT_TRUE(s.gaps.empty());
}

TEST(StateDirectory, PolicyRouting) {
  const KernelState s = sample("rs-policy");
  ASSERT_EQ(s.rules.size(), 4u);
  EXPECT_EQ(to_string(s.rules[1]), "1000: from 10.1.1.2 lookup 100");
  EXPECT_EQ(s.route_answers.at(0).table, "100");
}

class MadeDirectory : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "lvsnat-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }
  void put(const char* name, const std::string& text) { std::ofstream(directory_ / name) << text; }
  fs::path directory_;
};

TEST_F(MadeDirectory, NothingInItIsAnError) {
  const auto state = read_state(directory_);
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code, ErrorCode::not_found);
  EXPECT_EQ(read_state(directory_ / "none").error().code, ErrorCode::not_found);
}

TEST_F(MadeDirectory, DamageIsAGapAndNotAnError) {
  put("route.json", "[{\"dst\":");
  put("addr.json", "[]");
  ASSERT_EQ(::mkfifo((directory_ / "sysctl.txt").c_str(), 0600), 0);
  const auto s = read_state(directory_);
  ASSERT_TRUE(s) << s.error().message;
  EXPECT_FALSE(s->known.routes_v4);
  ASSERT_NE(gap_about(*s, "route.json"), nullptr);
  EXPECT_NE(gap_about(*s, "route.json")->why.find("no JSON at line 1"), std::string::npos);
  EXPECT_EQ(gap_about(*s, "route.json")->would_tell, "which way packets leave");
  ASSERT_NE(gap_about(*s, "sysctl.txt"), nullptr);
  EXPECT_NE(gap_about(*s, "sysctl.txt")->why.find("no regular file"), std::string::npos);
}

TEST_F(MadeDirectory, AKernelWithoutIpvsIsKnownToHaveNone) {
  put("addr.json", "[]");
  put("ip_vs", "# stderr: cat: /proc/net/ip_vs: No such file or directory\n# exit 1\n");
  const auto s = read_state(directory_);
  ASSERT_TRUE(s);
  EXPECT_TRUE(s->known.services);
  EXPECT_FALSE(s->ipvs.present);
}

TEST_F(MadeDirectory, DeniedIsNotAbsent) {
  put("addr.json", "[]");
  put("ipvsadm-save.txt", "# stderr: Can't initialize ipvs: Permission denied (you must be root)\n# exit 255\n");
  const auto s = read_state(directory_);
  ASSERT_TRUE(s);
  EXPECT_FALSE(s->known.services);
  EXPECT_NE(gap_about(*s, "ipvsadm-save.txt"), nullptr);
}

TEST_F(MadeDirectory, ProcNetRouteStandsInButIsNotAll) {
  put("proc-net-route",
      "Iface\tDestination\tGateway "
      "\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\neth0\t00000000\t0901010A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
  const auto s = read_state(directory_);
  ASSERT_TRUE(s);
  EXPECT_EQ(s->routes.size(), 1u);
  EXPECT_FALSE(s->known.routes_v4);
}

TEST_F(MadeDirectory, ASnapshotFileIsReadByTheSameCall) {
  const KernelState before = sample("rs-policy");
  put("snapshot.json", write_snapshot(before));
  const auto after = read_state(directory_ / "snapshot.json");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->routes, before.routes);
  put("other.json", "[]");
  EXPECT_FALSE(read_state(directory_ / "other.json"));
}

}  // namespace
}  // namespace lvsnat
