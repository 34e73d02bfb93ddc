// Effective values: the kernel's own rule for each setting.
#include <gtest/gtest.h>

#include <string>

#include "lvsnat/state.h"

namespace lvsnat {
namespace {

KernelState with(const char* name, const char* all, const char* device) {
  KernelState s;
  if (all != nullptr) s.sysctls[std::string("net.ipv4.conf.all.") + name] = all;
  if (device != nullptr) s.sysctls[std::string("net.ipv4.conf.eth0.") + name] = device;
  return s;
}

TEST(Settings, SendRedirectsIsAnOr) {
  // Both must be 0; the commonest mistake is to turn off `all` alone.
  EXPECT_EQ(effective_send_redirects(with("send_redirects", "0", "1"), "eth0", false).effective, 1);
  EXPECT_EQ(effective_send_redirects(with("send_redirects", "1", "0"), "eth0", false).effective, 1);
  EXPECT_EQ(effective_send_redirects(with("send_redirects", "0", "0"), "eth0", false).effective, 0);
  EXPECT_EQ(effective_send_redirects(with("send_redirects", "1", nullptr), "eth0", false).effective, 1);
  EXPECT_EQ(effective_send_redirects(with("send_redirects", "0", nullptr), "eth0", false).effective, std::nullopt);
  EXPECT_EQ(effective_send_redirects(KernelState{}, "eth0", true).effective, 1) << "IPv6 has no such switch";
}

TEST(Settings, RpFilterIsAMaximum) {
  EXPECT_EQ(effective_rp_filter(with("rp_filter", "2", "1"), "eth0").effective, 2) << "loose wins over strict";
  EXPECT_EQ(effective_rp_filter(with("rp_filter", "0", "1"), "eth0").effective, 1);
  EXPECT_EQ(effective_rp_filter(with("rp_filter", "1", nullptr), "eth0").effective, std::nullopt);
}

TEST(Settings, AcceptRedirectsDependsOnForwarding) {
  KernelState s = with("accept_redirects", "0", "1");
  EXPECT_EQ(effective_accept_redirects(s, "eth0", false).effective, std::nullopt);
  s.sysctls["net.ipv4.conf.eth0.forwarding"] = "1";
  EXPECT_EQ(effective_accept_redirects(s, "eth0", false).effective, 0) << "a router: AND";
  s.sysctls["net.ipv4.conf.eth0.forwarding"] = "0";
  EXPECT_EQ(effective_accept_redirects(s, "eth0", false).effective, 1) << "a host: OR";
  s.sysctls["net.ipv6.conf.eth0.accept_redirects"] = "1";
  s.sysctls["net.ipv6.conf.eth0.forwarding"] = "0";
  EXPECT_EQ(effective_accept_redirects(s, "eth0", true).effective, 1);
  s.sysctls["net.ipv6.conf.eth0.forwarding"] = "1";
  EXPECT_EQ(effective_accept_redirects(s, "eth0", true).effective, 0);
}

TEST(Settings, ForwardingIsPerDeviceForIPv4AndGlobalForIPv6) {
  KernelState s = with("forwarding", "1", "0");
  EXPECT_EQ(effective_forwarding(s, "eth0", false).effective, 0);
  s.sysctls["net.ipv6.conf.all.forwarding"] = "1";
  s.sysctls["net.ipv6.conf.eth0.forwarding"] = "0";
  EXPECT_EQ(effective_forwarding(s, "eth0", true).effective, 1);
  EXPECT_EQ(effective_forwarding(s, "eth0", true).device_name, "net.ipv6.conf.eth0.forwarding");
}

TEST(Settings, AndNeedsBoth) {
  EXPECT_EQ(setting_and(with("accept_source_route", "1", "0"), "eth0", "accept_source_route").effective, 0);
  EXPECT_EQ(setting_and(with("accept_source_route", "1", nullptr), "eth0", "accept_source_route").effective, std::nullopt);
  EXPECT_EQ(setting_and(with("accept_source_route", "1", "1"), "eth0", "accept_source_route").effective, 1);
}

TEST(Settings, DotsInDeviceNames) {
  KernelState s;
  s.sysctls["net.ipv4.conf.all.rp_filter"] = "0";
  s.sysctls["net.ipv4.conf.eth0/100.rp_filter"] = "1";
  EXPECT_EQ(effective_rp_filter(s, "eth0.100").effective, 1);
}

}  // namespace
}  // namespace lvsnat
