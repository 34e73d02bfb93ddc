#include "common/privileges.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "common/interruption.h"

namespace lvsnat::tool {
namespace {

constexpr id_t kNobody = 65534;

// libcap is not needed for two system calls.
using CapabilityData = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

bool read_capabilities(CapabilityData& data) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capget, &header, data.data()) == 0;
}

bool write_capabilities(const CapabilityData& data) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capset, &header, data.data()) == 0;
}

bool effective(unsigned capability) {
  CapabilityData data{};
  return read_capabilities(data) && (data[capability / 32].effective >> (capability % 32) & 1U) != 0;
}

std::optional<id_t> id_of(const char* variable) {
  const char* text = std::getenv(variable);
  std::uint64_t id = 0;
  // (id_t)-1 means "leave as it is" to the kernel.
  if (text == nullptr || !parse_number(text, 0xfffffffeU, id)) return std::nullopt;
  return static_cast<id_t>(id);
}

Error refused(const char* what) {
  return {ErrorCode::no_permission, std::string("giving up privileges: ") + what + ": " + std::generic_category().message(errno)};
}

/// The saved user id is still root's; where the way back fails all the same, who goes on would not know who it is.
[[noreturn]] void end_as_a_stranger() noexcept {
  constexpr std::string_view kWhy = "giving up privileges: the kernel does not let root become root again; ended\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kWhy.data(), kWhy.size());
  remove_unfinished();
  _exit(3);
}

}  // namespace

std::optional<User> user_without_privileges() {
  if (geteuid() != 0) return std::nullopt;
  User user{id_of("SUDO_UID").value_or(kNobody), id_of("SUDO_GID").value_or(kNobody)};
  // root who called sudo is no lesser user.
  if (user.uid == 0) user = {kNobody, kNobody};
  return ActingAs(user).succeeded() ? std::optional<User>(user) : std::nullopt;
}

ActingAs::ActingAs(const User& user) : group_(getegid()) {
  // Root's groups must not decide what this user may open. They are given up for good; root does not need them.
  if (setgroups(0, nullptr) != 0) return;
  if (setegid(user.gid) != 0) return;
  if (seteuid(user.uid) != 0) {
    if (setegid(group_) != 0) end_as_a_stranger();
    return;
  }
  succeeded_ = true;
}

ActingAs::~ActingAs() {
  if (succeeded_ && (seteuid(0) != 0 || setegid(group_) != 0)) end_as_a_stranger();
}

WithoutCapabilities::WithoutCapabilities(std::optional<unsigned> but) {
  CapabilityData data{};
  if (!read_capabilities(data)) return;
  for (std::size_t i = 0; i < data.size(); ++i) effective_[i] = std::exchange(data[i].effective, 0);
  if (but) data[*but / 32].effective = effective_[*but / 32] & (1U << (*but % 32));
  write_capabilities(data);
}

WithoutCapabilities::~WithoutCapabilities() {
  CapabilityData data{};
  if (!read_capabilities(data)) return;
  for (std::size_t i = 0; i < data.size(); ++i) data[i].effective = effective_[i];
  write_capabilities(data);
}

Status drop_privileges(const std::optional<User>& become, std::optional<unsigned> keep) {
  CapabilityData kept{};
  if (keep && effective(*keep)) {
    kept[*keep / 32].effective = kept[*keep / 32].permitted = 1U << (*keep % 32);
    // Else the change of user below takes it away.
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return refused("keepcaps");
  }
  if (effective(CAP_SETPCAP)) {
    // Ends with EINVAL after the last one that this kernel knows.
    for (unsigned capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) {
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (become) {
    if (setgroups(0, nullptr) != 0) return refused("supplementary groups");
    if (setresgid(become->gid, become->gid, become->gid) != 0) return refused("group");
    if (setresuid(become->uid, become->uid, become->uid) != 0) return refused("user");
  }
  if (!write_capabilities(kept)) return refused("capabilities");
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return refused("keepcaps");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return refused("dumpable");
  CapabilityData left{};
  if (!read_capabilities(left)) return refused("reading capabilities");
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].effective != kept[i].effective || left[i].permitted != kept[i].permitted || left[i].inheritable != 0) {
      return Error{ErrorCode::no_permission, "giving up privileges: capabilities are left"};
    }
  }
  return ok();
}

std::string missing_capabilities() {
  std::string text;
  if (!effective(CAP_NET_RAW)) text += "without CAP_NET_RAW no packet can be captured";
  if (!effective(CAP_NET_ADMIN)) {
    text += std::string(text.empty() ? "" : "; ") +
            "without CAP_NET_ADMIN the kernel tells neither the counters and timeouts of IPVS nor firewall rules nor connection "
            "tracking";
  }
  return text;
}

}  // namespace lvsnat::tool
