// What a program may do, and how it gives that up before it looks at anything that strangers wrote.
//
// Order of use: sockets and kernel state first, with the rights the program was started with; output files as the user who
// asked; then drop_privileges(), and only then packets and configuration files. Threads: main only, before others begin.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "lvsnat/result.h"

namespace lvsnat::tool {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Whom a program that runs as root works for: the caller of sudo, else nobody (65534). nullopt: not root, or root under a
/// user namespace that does not map that user.
std::optional<User> user_without_privileges();

/// While it lives, files are opened with the rights of `user` and belong to them.
class ActingAs {
 public:
  explicit ActingAs(const User& user);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;
  /// False: nothing was changed.
  [[nodiscard]] bool succeeded() const { return succeeded_; }

 private:
  gid_t group_;
  bool succeeded_ = false;
};

/// While it lives, nothing is allowed that only a capability allows, but for `but` (CAP_*).
class WithoutCapabilities {
 public:
  explicit WithoutCapabilities(std::optional<unsigned> but = std::nullopt);
  ~WithoutCapabilities();
  WithoutCapabilities(const WithoutCapabilities&) = delete;
  WithoutCapabilities& operator=(const WithoutCapabilities&) = delete;

 private:
  std::uint32_t effective_[2] = {0, 0};
};

/// Gives up every capability (effective, permitted, inheritable, ambient, and the bounding set where allowed), for good: no
/// program that is executed later gains any, and no other process of that user can read this one's memory. With `become`, the
/// process also turns into that user. `keep`: a capability (CAP_*) that stays, if it is there at all; it is never handed on to
/// a program. Errors: no_permission when any other right is still there afterwards.
Status drop_privileges(const std::optional<User>& become, std::optional<unsigned> keep = std::nullopt);

/// "CAP_NET_RAW", "CAP_NET_ADMIN" and what goes without, one sentence each for those that are not effective. Empty: all there.
std::string missing_capabilities();

}  // namespace lvsnat::tool
