// What a netlink socket can answer when it does not answer well: this file stands between the library and libmnl's two calls that
// send and receive, and plays a kernel.
#include "state/netlink.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>

namespace {

struct Answer {
  std::vector<std::uint8_t> bytes;
  int error = 0;  // errno instead of bytes
};

/// What the next request is answered with; empty after that.
std::function<std::deque<Answer>(std::uint32_t sequence)> kernel;
std::deque<Answer> waiting;
int asked = 0;

}  // namespace

// The names are libmnl's; what the library links finds these first.
extern "C" ssize_t mnl_socket_sendto(const mnl_socket*, const void* data, std::size_t size) {
  nlmsghdr header{};
  std::memcpy(&header, data, sizeof header);
  ++asked;
  waiting = kernel(header.nlmsg_seq);
  return static_cast<ssize_t>(size);
}

extern "C" ssize_t mnl_socket_recvfrom(const mnl_socket*, void* to, std::size_t room) {
  if (waiting.empty()) {
    errno = EAGAIN;  // nothing came within the patience
    return -1;
  }
  const Answer answer = waiting.front();
  waiting.pop_front();
  if (answer.error != 0) {
    errno = answer.error;
    return -1;
  }
  const std::size_t size = std::min(room, answer.bytes.size());
  if (size != 0) std::memcpy(to, answer.bytes.data(), size);
  return static_cast<ssize_t>(size);
}

namespace lvsnat {
namespace {

Answer message(std::uint16_t type, std::uint32_t sequence, std::uint16_t flags = 0,
               std::vector<std::uint8_t> body = {1, 2, 3, 4}) {
  Answer answer;
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  answer.bytes.resize(sizeof header + body.size());
  std::memcpy(answer.bytes.data(), &header, sizeof header);
  if (!body.empty()) std::memcpy(answer.bytes.data() + sizeof header, body.data(), body.size());
  return answer;
}
Answer done(std::uint32_t sequence, std::uint16_t flags = 0) { return message(NLMSG_DONE, sequence, flags, {0, 0, 0, 0}); }
Answer failing(int error) { return Answer{{}, error}; }

struct Dumped {
  std::string error;  // empty: none
  int messages = 0, times = 0;
};

Dumped dump(std::function<std::deque<Answer>(std::uint32_t)> plays) {
  kernel = std::move(plays);
  waiting.clear();
  asked = 0;
  Dumped out;
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  if (!socket) return {socket.error().message, 0, 0};
  const Status status = socket->dump(
      Request(RTM_GETLINK), [&] { out.messages = 0; }, [&](std::uint16_t, Bytes) { ++out.messages; });
  out.error = status ? "" : status.error().message;
  out.times = asked;
  return out;
}

TEST(Netlink, AWholeDump) {
  const Dumped d = dump([](std::uint32_t s) {
    return std::deque<Answer>{message(16, s, NLM_F_MULTI), message(16, s, NLM_F_MULTI), done(s)};
  });
  EXPECT_EQ(d.error, "");
  EXPECT_EQ(d.messages, 2);
  EXPECT_EQ(d.times, 1);
}

TEST(Netlink, AnInterruptedDumpIsMadeAnewAndCountedOnce) {
  for (const int how : {0, 1, 2}) {
    const Dumped d = dump([how](std::uint32_t s) {
      std::deque<Answer> answers{message(16, s, NLM_F_MULTI)};
      if (asked == 1 && how == 0) answers.push_back(message(16, s, NLM_F_MULTI | NLM_F_DUMP_INTR));
      if (asked == 1 && how == 1) answers.push_back(failing(ENOBUFS));
      if (asked == 1 && how == 2) answers.push_back(message(NLMSG_OVERRUN, s));
      answers.push_back(done(s));
      return answers;
    });
    EXPECT_EQ(d.error, "") << how;
    EXPECT_EQ(d.messages, 1) << how;
    EXPECT_EQ(d.times, 2) << how;
  }
}

TEST(Netlink, ATableThatNeverStandsStillIsToldAndNotAskedForEver) {
  const Dumped d = dump([](std::uint32_t s) {
    return std::deque<Answer>{message(16, s, NLM_F_MULTI | NLM_F_DUMP_INTR), done(s)};
  });
  EXPECT_NE(d.error.find("went on changing"), std::string::npos) << d.error;
  EXPECT_EQ(d.times, 5);
}

TEST(Netlink, AKernelThatFallsSilentIsAnError) {
  EXPECT_NE(dump([](std::uint32_t s) { return std::deque<Answer>{message(16, s, NLM_F_MULTI)}; }).error, "");
  EXPECT_NE(dump([](std::uint32_t) { return std::deque<Answer>{}; }).error, "");
  EXPECT_NE(dump([](std::uint32_t) { return std::deque<Answer>{failing(ENOMEM)}; }).error, "");
  EXPECT_NE(dump([](std::uint32_t) { return std::deque<Answer>{Answer{}}; }).error, "");  // closed
}

TEST(Netlink, LengthsThatLieAreErrors) {
  for (const std::uint32_t length : {0U, 1U, 15U, 21U, 4096U, 0x7fffffffU, 0xffffffffU}) {
    const Dumped d = dump([length](std::uint32_t s) {
      Answer lie = message(16, s, NLM_F_MULTI);
      std::memcpy(lie.bytes.data(), &length, sizeof length);
      return std::deque<Answer>{lie, done(s)};
    });
    EXPECT_NE(d.error, "") << length;
    EXPECT_EQ(d.messages, 0) << length;
  }
}

TEST(Netlink, AnswersToEarlierQuestionsAreNoneOfThis) {
  const Dumped d = dump([](std::uint32_t s) {
    return std::deque<Answer>{message(16, s + 7, NLM_F_MULTI), done(s - 1), failing(EINTR), message(16, s, NLM_F_MULTI), done(s)};
  });
  EXPECT_EQ(d.error, "");
  EXPECT_EQ(d.messages, 1);
}

TEST(Netlink, ErrorsAreTheKernels) {
  const auto refusing = [](std::int32_t code) {
    return [code](std::uint32_t s) {
      std::vector<std::uint8_t> body(sizeof code);
      std::memcpy(body.data(), &code, sizeof code);
      return std::deque<Answer>{message(NLMSG_ERROR, s, 0, body)};
    };
  };
  EXPECT_NE(dump(refusing(-EPERM)).error.find("not permitted"), std::string::npos);
  EXPECT_EQ(dump(refusing(-EBUSY)).times, 5);  // it may be free the next time
  // An error without its number is none that can be told; it ends the dump.
  EXPECT_EQ(dump([](std::uint32_t s) { return std::deque<Answer>{message(NLMSG_ERROR, s, 0, {})}; }).times, 1);
}

}  // namespace
}  // namespace lvsnat
