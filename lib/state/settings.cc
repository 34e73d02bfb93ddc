// Effective per-device settings. The rule of each is that of include/linux/inetdevice.h (Linux 6.1):
//   IN_DEV_ANDCONF(dev, X) = all.X && dev.X      IN_DEV_ORCONF = all.X || dev.X
//   IN_DEV_MAXCONF = max(all.X, dev.X)           IN_DEV_CONF_GET = dev.X
#include <algorithm>
#include <charconv>

#include "lvsnat/state.h"

namespace lvsnat {
namespace {

std::string setting_name(std::string_view dev, std::string_view name, bool v6) {
  std::string out = v6 ? "net.ipv6.conf." : "net.ipv4.conf.";
  for (const char c : dev) out += c == '.' ? '/' : c;  // as sysctl(8) prints names that hold dots
  out += '.';
  out += name;
  return out;
}

DeviceSetting both(const KernelState& state, std::string_view dev, std::string_view name, bool v6) {
  DeviceSetting setting;
  setting.all_name = setting_name("all", name, v6);
  setting.device_name = setting_name(dev, name, v6);
  setting.all = sysctl_number(state, setting.all_name);
  setting.device = sysctl_number(state, setting.device_name);
  return setting;
}

void decide_or(DeviceSetting& s) {
  if (s.all.value_or(0) != 0 || s.device.value_or(0) != 0) {
    s.effective = 1;
  } else if (s.all && s.device) {
    s.effective = 0;
  }
}

void decide_and(DeviceSetting& s) {
  if (s.all.value_or(1) == 0 || s.device.value_or(1) == 0) {
    s.effective = 0;
  } else if (s.all && s.device) {
    s.effective = 1;
  }
}

}  // namespace

std::optional<std::string> sysctl(const KernelState& state, const std::string& name) {
  const auto found = state.sysctls.find(name);
  return found == state.sysctls.end() ? std::nullopt : std::optional<std::string>(found->second);
}

std::optional<long long> sysctl_number(const KernelState& state, const std::string& name) {
  const auto found = state.sysctls.find(name);
  if (found == state.sysctls.end()) return std::nullopt;
  long long value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, error] = std::from_chars(found->second.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

DeviceSetting setting_or(const KernelState& state, std::string_view dev, std::string_view name) {
  DeviceSetting setting = both(state, dev, name, false);
  decide_or(setting);
  return setting;
}

DeviceSetting setting_max(const KernelState& state, std::string_view dev, std::string_view name) {
  DeviceSetting setting = both(state, dev, name, false);
  if (setting.all && setting.device) setting.effective = std::max(*setting.all, *setting.device);
  return setting;
}

DeviceSetting setting_and(const KernelState& state, std::string_view dev, std::string_view name) {
  DeviceSetting setting = both(state, dev, name, false);
  decide_and(setting);
  return setting;
}

DeviceSetting setting_device(const KernelState& state, std::string_view dev, std::string_view name, bool v6) {
  DeviceSetting setting = both(state, dev, name, v6);
  setting.effective = setting.device;
  return setting;
}

DeviceSetting effective_forwarding(const KernelState& state, std::string_view dev, bool v6) {
  DeviceSetting setting = both(state, dev, "forwarding", v6);
  // IPv4: IN_DEV_FORWARD is IN_DEV_CONF_GET; `all` (that is, ip_forward) is a setter that copies to every device.
  // IPv6: ip6_forward() asks net->ipv6.devconf_all->forwarding; the device's own value only decides whether the host
  // is a router there. (Linux 6.17 added per-device `force_forwarding`, an OR.)
  if (v6) {
    setting.effective = setting.all;
    const auto forced = both(state, dev, "force_forwarding", true);
    if (setting.all == 0 && (forced.all.value_or(0) != 0 || forced.device.value_or(0) != 0)) setting.effective = 1;
    return setting;
  }
  setting.effective = setting.device;
  return setting;
}

DeviceSetting effective_send_redirects(const KernelState& state, std::string_view dev, bool v6) {
  if (v6) {
    // ndisc_send_redirect() asks no setting.
    DeviceSetting setting;
    setting.effective = 1;
    return setting;
  }
  return setting_or(state, dev, "send_redirects");
}

DeviceSetting effective_accept_redirects(const KernelState& state, std::string_view dev, bool v6) {
  DeviceSetting setting = both(state, dev, "accept_redirects", v6);
  const DeviceSetting forwarding = effective_forwarding(state, dev, false);
  if (v6) {
    // ndisc_redirect_rcv() -> rt6_do_redirect(): in6_dev->cnf.forwarding || !in6_dev->cnf.accept_redirects ignores it.
    const auto forwards = both(state, dev, "forwarding", true).device;
    if (setting.device == 0 || forwards.value_or(0) != 0) {
      setting.effective = 0;
    } else if (setting.device && forwards) {
      setting.effective = 1;
    }
    return setting;
  }
  // IN_DEV_RX_REDIRECTS: IN_DEV_FORWARD ? all && dev : all || dev.
  if (!forwarding.effective) {
    // Both rules agree where both values are the same.
    if (setting.all && setting.device && (*setting.all != 0) == (*setting.device != 0))
      setting.effective = *setting.all != 0 ? 1 : 0;
  } else if (*forwarding.effective != 0) {
    decide_and(setting);
  } else {
    decide_or(setting);
  }
  return setting;
}

DeviceSetting effective_secure_redirects(const KernelState& state, std::string_view dev) {
  return setting_or(state, dev, "secure_redirects");
}
DeviceSetting effective_shared_media(const KernelState& state, std::string_view dev) {
  return setting_or(state, dev, "shared_media");
}
DeviceSetting effective_rp_filter(const KernelState& state, std::string_view dev) { return setting_max(state, dev, "rp_filter"); }

}  // namespace lvsnat
