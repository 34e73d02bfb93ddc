// A netlink socket for questions only: dumps that repeat when the table changed under them, and single questions.
//
// Ownership: closes its socket. Threads: one at a time. Errors: values, with the kernel's errno in words. Nothing that is sent
// here changes anything: only GET requests are ever made.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lvsnat/result.h"
#include "state/attributes.h"

struct mnl_socket;

namespace lvsnat {

/// The body of a request: what follows nlmsghdr. Attributes are appended with padding.
class Request {
 public:
  explicit Request(std::uint16_t type) : type_(type) {}
  template <typename Head>
  Request& head(const Head& value) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    body_.insert(body_.end(), bytes, bytes + sizeof value);
    pad();
    return *this;
  }
  Request& put(std::uint16_t type, Bytes payload);
  Request& put_u32(std::uint16_t type, std::uint32_t value);
  Request& put_u16(std::uint16_t type, std::uint16_t value);
  Request& put_u8(std::uint16_t type, std::uint8_t value);
  [[nodiscard]] std::uint16_t type() const { return type_; }
  [[nodiscard]] const std::vector<std::uint8_t>& body() const { return body_; }

 private:
  void pad() {
    while (body_.size() % 4 != 0) body_.push_back(0);
  }
  std::uint16_t type_;
  std::vector<std::uint8_t> body_;
};

class NetlinkSocket {
 public:
  using Take = std::function<void(std::uint16_t type, Bytes body)>;

  /// `protocol`: NETLINK_ROUTE or NETLINK_GENERIC. Errors: io, no_permission.
  static Result<NetlinkSocket> open(int protocol);
  NetlinkSocket(NetlinkSocket&& other) noexcept;
  NetlinkSocket& operator=(NetlinkSocket&&) = delete;
  ~NetlinkSocket();

  /// The kernel checks requests strictly and filters dumps by them; false where it is too old (before 4.20).
  [[nodiscard]] bool strict() const { return strict_; }

  /// Every message of a dump. When the table changed in between, `restart` is called and the dump is made anew, a few times.
  /// Errors: limit (it never stood still), no_permission, unsupported, io.
  /// `enough` may end a dump early; the socket is of no use afterwards.
  Status dump(const Request& request, const std::function<void()>& restart, const Take& take,
              const std::function<bool()>& enough = {});
  /// One question, one answer. `error` gets the kernel's errno (0: none); the status is about the socket.
  Status ask(const Request& request, int& error, const Take& take);

 private:
  explicit NetlinkSocket(mnl_socket* socket) : socket_(socket) {}
  Status send(const Request& request, std::uint16_t flags);
  enum class End { done, interrupted };
  Result<End> receive(bool dump, int& error, const Take& take, const std::function<bool()>& enough);

  mnl_socket* socket_ = nullptr;
  std::uint32_t sequence_ = 0;
  bool strict_ = false;
};

}  // namespace lvsnat
