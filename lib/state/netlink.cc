#include "state/netlink.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>

namespace lvsnat {
namespace {

constexpr int kTries = 5;
constexpr time_t kSecondsOfSilence = 10;
constexpr std::size_t kBuffer = 64 * 1024;  // the kernel's messages of a dump are at most 32 KiB
constexpr int kStrictCheck = 12;            // NETLINK_GET_STRICT_CHK

Error failure(const char* what, int error) {
  const ErrorCode code = error == EPERM || error == EACCES                                    ? ErrorCode::no_permission
                         : error == EOPNOTSUPP || error == EPROTONOSUPPORT || error == EINVAL ? ErrorCode::unsupported
                                                                                              : ErrorCode::io;
  return {code, std::string(what) + ": " + std::generic_category().message(error)};
}

}  // namespace

Request& Request::put(std::uint16_t type, Bytes payload) {
  const std::uint16_t header[2] = {static_cast<std::uint16_t>(payload.size() + 4), type};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(header);
  body_.insert(body_.end(), bytes, bytes + sizeof header);
  body_.insert(body_.end(), payload.begin(), payload.end());
  pad();
  return *this;
}
Request& Request::put_u32(std::uint16_t type, std::uint32_t value) {
  return put(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}
Request& Request::put_u16(std::uint16_t type, std::uint16_t value) {
  return put(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}
Request& Request::put_u8(std::uint16_t type, std::uint8_t value) { return put(type, {&value, 1}); }

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
  mnl_socket* socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (socket == nullptr) return failure("opening netlink", errno);
  NetlinkSocket out(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) return failure("binding netlink", errno);
  const int on = 1;
  const int fd = mnl_socket_get_fd(socket);
  out.strict_ = setsockopt(fd, SOL_NETLINK, kStrictCheck, &on, sizeof on) == 0;
  const timeval patience{kSecondsOfSilence, 0};
  static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
  return out;
}

NetlinkSocket::NetlinkSocket(NetlinkSocket&& other) noexcept
    : socket_(other.socket_), sequence_(other.sequence_), strict_(other.strict_) {
  other.socket_ = nullptr;
}

NetlinkSocket::~NetlinkSocket() {
  if (socket_ != nullptr) mnl_socket_close(socket_);
}

Status NetlinkSocket::send(const Request& request, std::uint16_t flags) {
  std::vector<std::uint8_t> message(sizeof(nlmsghdr));
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + request.body().size());
  header.nlmsg_type = request.type();
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  std::memcpy(message.data(), &header, sizeof header);
  message.insert(message.end(), request.body().begin(), request.body().end());
  if (mnl_socket_sendto(socket_, message.data(), message.size()) < 0) return failure("asking the kernel", errno);
  return ok();
}

Result<NetlinkSocket::End> NetlinkSocket::receive(bool dump, int& error, const Take& take, const std::function<bool()>& enough) {
  alignas(nlmsghdr) static thread_local std::uint8_t buffer[kBuffer];
  bool interrupted = false;
  while (true) {
    const ssize_t got = mnl_socket_recvfrom(socket_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      interrupted = true;
      continue;
    }
    if (got < 0) return failure("the kernel's answer", errno);
    if (got == 0) return failure("the kernel's answer", ECONNRESET);
    Bytes rest(buffer, static_cast<std::size_t>(got));
    while (rest.size() >= sizeof(nlmsghdr)) {
      const auto header = *number_in<nlmsghdr>(rest);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return failure("the kernel's answer", EBADMSG);
      const Bytes body = rest.subspan(sizeof header, header.nlmsg_len - sizeof header);
      rest = rest.subspan(std::min<std::size_t>(rest.size(), (header.nlmsg_len + 3u) & ~std::size_t{3}));
      if (header.nlmsg_seq != sequence_) continue;  // what an earlier question left behind
      interrupted = interrupted || (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      interrupted = interrupted || header.nlmsg_type == NLMSG_OVERRUN;  // something was lost
      if (header.nlmsg_type == NLMSG_NOOP || header.nlmsg_type == NLMSG_OVERRUN) continue;
      if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
        const int code = number_in<std::int32_t>(body).value_or(0);
        error = code < 0 ? -code : 0;
        return interrupted ? End::interrupted : End::done;
      }
      take(header.nlmsg_type, body);
      if (!dump || (enough && enough())) return End::done;
    }
  }
}

Status NetlinkSocket::dump(const Request& request, const std::function<void()>& restart, const Take& take,
                           const std::function<bool()>& enough) {
  for (int i = 0; i < kTries; ++i) {
    if (i != 0) restart();
    if (Status sent = send(request, NLM_F_DUMP); !sent) return sent;
    int error = 0;
    auto end = receive(true, error, take, enough);
    if (!end) return end.error();
    if (error == EAGAIN || error == EBUSY) continue;
    if (error != 0) return failure("the kernel's answer", error);
    if (*end == End::done) return ok();
  }
  return Error{ErrorCode::limit, "the table went on changing while it was read"};
}

Status NetlinkSocket::ask(const Request& request, int& error, const Take& take) {
  error = 0;
  if (Status sent = send(request, 0); !sent) return sent;
  auto end = receive(false, error, take, {});
  if (!end) return end.error();
  return ok();
}

}  // namespace lvsnat
