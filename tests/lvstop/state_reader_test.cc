// The process that reads the kernel's state: what it may do, and that it goes when it should.
#include "state_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <limits>
#include <new>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "state_watch.h"

namespace lvsnat::top {
namespace {

// By this suffix of theirs GoogleTest runs tests first that fork: before other tests have left threads behind, as in the program.

/// The one child of this process; 0: none.
pid_t child() {
  std::ifstream file("/proc/self/task/" + std::to_string(getpid()) + "/children");
  pid_t pid = 0;
  file >> pid;
  return pid;
}

std::string status_line(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return line.substr(name.size() + 1);
  }
  return {};
}

TEST(StateReaderDeathTest, ReadsThisHostAgainAndAgain) {
  auto reader = StateReader::start();
  ASSERT_TRUE(reader) << reader.error().message;
  utsname self{};
  ASSERT_EQ(uname(&self), 0);
  for (int i = 0; i < 3; ++i) {
    auto state = (*reader)->read();
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ((*state)->kernel, self.release);
    EXPECT_EQ((*state)->source, "live");
    EXPECT_TRUE((*state)->known.links);
    EXPECT_GT((*reader)->cost(), 0);
  }
}

TEST(StateReaderDeathTest, KeepsNothingButTheRightToAskTheKernel) {
  const int open_before = open("/dev/null", O_RDONLY | O_CLOEXEC);
  auto reader = StateReader::start();
  ASSERT_TRUE(reader);
  ASSERT_TRUE((*reader)->read());  // it has stepped down by now
  const pid_t pid = child();
  ASSERT_NE(pid, 0);
  constexpr unsigned long long kNetAdmin = 1ULL << 12;
  for (const char* set : {"CapEff", "CapPrm"}) EXPECT_EQ(std::stoull(status_line(pid, set), nullptr, 16) & ~kNetAdmin, 0u) << set;
  for (const char* set : {"CapInh", "CapAmb"}) EXPECT_EQ(std::stoull(status_line(pid, set), nullptr, 16), 0u) << set;
  EXPECT_EQ(std::stoi(status_line(pid, "NoNewPrivs")), 1);
  EXPECT_EQ(std::stoi(status_line(pid, "Seccomp")), LVSNAT_CONFINES);
  if (DIR* folder = opendir(("/proc/" + std::to_string(pid) + "/fd").c_str())) {
    int count = 0;
    while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
    closedir(folder);
    EXPECT_EQ(count, 4);  // /dev/null three times, and the socket
  }
  close(open_before);
}

TEST(StateReaderDeathTest, GoesWhenItIsNotNeededAnyMore) {
  auto reader = StateReader::start();
  ASSERT_TRUE(reader);
  ASSERT_TRUE((*reader)->read());
  reader->reset();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(StateReaderDeathTest, AnInterruptedReadIsAnError) {
  auto reader = StateReader::start();
  ASSERT_TRUE(reader);
  (*reader)->interrupt();
  EXPECT_FALSE((*reader)->read());
}

TEST(StateReaderDeathTest, IsAskedUntilTheWatchIsStopped) {
  auto reader = StateReader::start();
  ASSERT_TRUE(reader);
  std::mutex mutex;
  std::condition_variable changed;
  int seen = 0;
  {
    const StateWatch watch({[&] { return (*reader)->read(); }, [&] { return (*reader)->cost(); }, [&] { (*reader)->interrupt(); },
                            [&](const std::shared_ptr<const KernelState>&) {
                              const std::lock_guard lock(mutex);
                              ++seen;
                              changed.notify_all();
                            },
                            [](const std::string& why) { ADD_FAILURE() << why; }},
                           std::chrono::milliseconds(1));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return seen >= 3; });
  }
  EXPECT_GE(seen, 3);
}

/// What the screen makes of an answer that nobody sensible gives.
class Answers : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0); }
  void TearDown() override {
    for (const int end : ends) close(end);
  }
  Result<std::string> answer(const AnswerHead& head, const std::string& text) {
    EXPECT_EQ(write(ends[1], &head, sizeof head), static_cast<ssize_t>(sizeof head));
    EXPECT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    shutdown(ends[1], SHUT_WR);
    return receive_answer(ends[0], cost);
  }
  int ends[2] = {-1, -1};
  std::int64_t cost = -1;
};

TEST_F(Answers, AreTakenAsTheyAre) {
  const auto text = answer({5, 42, 0}, "state");
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "state");
  EXPECT_EQ(cost, 42);
}

TEST_F(Answers, OfAnErrorAreThatError) {
  const auto text = answer({4, 1, 1 + static_cast<std::uint32_t>(ErrorCode::limit)}, "no\x1b!");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::limit);
  EXPECT_EQ(text.error().message.find('\x1b'), std::string::npos);
}

TEST_F(Answers, WithAnErrorThatThereIsNotAreNonsense) {
  for (const std::uint32_t error : {2 + static_cast<std::uint32_t>(ErrorCode::limit), 256u, ~0u}) {
    TearDown();
    SetUp();
    const auto text = answer({2, 1, error}, "no");
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, ErrorCode::io);
    EXPECT_NE(text.error().message.find("nonsense"), std::string::npos);
  }
}

TEST_F(Answers, ThatCostNoTimeOrAllOfItAreNonsense) {
  for (const std::int64_t time :
       {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    TearDown();
    SetUp();
    EXPECT_FALSE(answer({2, time, 0}, "no"));
  }
}

TEST_F(Answers, ThatBreakOffOrNeverEndAreErrors) {
  EXPECT_FALSE(answer({200u << 20, 1, 0}, "only this"));
  TearDown();
  SetUp();
  EXPECT_FALSE(answer({~std::uint64_t{0}, 1, 0}, "only this"));
}

TEST(StateWatch, OutOfMemoryIsNotTheEndOfTheProgram) {
  std::mutex mutex;
  std::condition_variable changed;
  std::string trouble;
  StateWatch::Calls calls;
  calls.read = []() -> StateWatch::Reading { throw std::bad_alloc(); };
  calls.cost = [] { return std::int64_t{0}; };
  calls.interrupt = [] {};
  calls.news = [](const std::shared_ptr<const KernelState>&) { ADD_FAILURE(); };
  calls.trouble = [&](const std::string& why) {
    const std::lock_guard lock(mutex);
    trouble = why;
    changed.notify_all();
  };
  const StateWatch watch(calls, std::chrono::milliseconds(1));
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !trouble.empty(); });
  EXPECT_NE(trouble.find("out of memory"), std::string::npos);
}

TEST(StateWatch, TellsOnceThatItIsBlind) {
  std::mutex mutex;
  std::condition_variable changed;
  std::string trouble;
  StateWatch::Calls calls;
  calls.read = []() -> StateWatch::Reading { return Error{ErrorCode::io, "it is gone"}; };
  calls.cost = [] { return std::int64_t{0}; };
  calls.interrupt = [] {};
  calls.news = [](const std::shared_ptr<const KernelState>&) { ADD_FAILURE(); };
  calls.trouble = [&](const std::string& why) {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(trouble, "");
    trouble = why;
    changed.notify_all();
  };
  const StateWatch watch(calls, std::chrono::milliseconds(1));
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !trouble.empty(); });
  EXPECT_NE(trouble.find("it is gone"), std::string::npos);
}

}  // namespace
}  // namespace lvsnat::top
