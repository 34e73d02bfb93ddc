// What a program of ours can still do after the step down: tried, by a process that is linked with the programs' own code.
#include "common/confinement.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/privileges.h"
#include "common/step_down.h"

namespace lvsnat::tool {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "lvsnat-confined-XXXXXX").string();
    path_ = mkdtemp(name.data());
    // Whoever the process turns into works here.
    fs::permissions(path_, fs::perms::all);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string make(const std::string& name, const std::string& text = "text") {
    const std::string path = (path_ / name).string();
    std::ofstream(path) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read | fs::perms::others_read);
    return path;
  }
  [[nodiscard]] std::string name(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

/// What a process of its own finds wrong; empty: nothing.
class Findings {
 public:
  void expect(bool right, const std::string& what) {
    if (!right) text_ += what + " (errno " + std::to_string(errno) + ")\n";
  }
  /// `result` is that of a system call.
  void refused(long result, int error, const std::string& what) {
    const int got = errno;
    if (result >= 0) {
      text_ += what + " was possible\n";
    } else if (got != error) {
      text_ += what + " failed with errno " + std::to_string(got) + ", not " + std::to_string(error) + "\n";
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string in_a_process_of_its_own(const std::function<void(Findings&)>& body) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    Findings findings;
    body(findings);
    const std::string& text = findings.text();
    const bool told = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> some{};
  for (ssize_t n = 0; (n = read(ends[0], some.data(), some.size())) > 0;) text.append(some.data(), static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) text += "ended with wait status " + std::to_string(status) + "\n";
  return text;
}

/// What this kernel, and this build, have of the two locks.
const Confinement& what_there_is() {
  static const Confinement there_is = [] {
    Confinement found;
    const std::string text = in_a_process_of_its_own([](Findings& f) {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      const Confinement c = confine({});
      errno = 0;
      f.expect(false, std::to_string(c.landlock) + (c.system_calls ? " yes " : " no ") + c.missing);
    });
    found.landlock = std::atoi(text.c_str());
    found.system_calls = text.find(" yes ") != std::string::npos;
    found.missing = text;
    return found;
  }();
  return there_is;
}

#define NEEDS_LANDLOCK() \
  if (what_there_is().landlock == 0) GTEST_SKIP() << what_there_is().missing
#define NEEDS_FILTER() \
  if (!what_there_is().system_calls) GTEST_SKIP() << what_there_is().missing

int opened(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  const int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return fd;
}

std::string status_line(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return line.substr(line.find('\t') + 1);
  }
  return "none";
}

/// System calls that only older architectures have.
void old_ways(Findings& f) {
#ifdef SYS_creat
  f.refused(syscall(SYS_fork), EPERM, "the old fork");
  f.refused(syscall(SYS_creat, "/tmp/created", 0600), EPERM, "creat");
  f.refused(syscall(SYS_open, "/dev/null", O_WRONLY), EACCES, "the old open");
#else
  static_cast<void>(f);
#endif
}

void step_down_to(Findings& f, Remaining remaining) {
  const auto confined = step_down(remaining, false, [] { return ok(); });
  f.expect(confined.has_value(), "stepping down: " + (confined ? "" : confined.error().message));
}

TEST(ConfinementDeathTest, TheKernelTellsThatEverythingIsGivenUp) {
  NEEDS_FILTER();
  EXPECT_EQ(in_a_process_of_its_own([](Findings& f) {
              step_down_to(f, {});
              for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
                f.expect(status_line(set) == "0000000000000000", std::string(set) + " " + status_line(set));
              f.expect(status_line("NoNewPrivs") == "1", "NoNewPrivs " + status_line("NoNewPrivs"));
              f.expect(status_line("Seccomp") == "2", "Seccomp " + status_line("Seccomp"));
            }),
            "");
}

TEST(ConfinementDeathTest, NoProgramAndNoProcessIsStarted) {
  NEEDS_FILTER();
  EXPECT_EQ(in_a_process_of_its_own([](Findings& f) {
              step_down_to(f, {});
              char program[] = "/bin/true";
              char* const arguments[] = {program, nullptr};
              f.refused(execv(program, arguments), EPERM, "execve");
              f.refused(syscall(SYS_execveat, AT_FDCWD, program, arguments, nullptr, 0), EPERM, "execveat");
              const pid_t child = fork();
              if (child == 0) _exit(0);
              f.refused(child, EPERM, "fork");
              f.refused(syscall(SYS_clone3, nullptr, 0), ENOSYS, "clone3");
              old_ways(f);
              bool ran = false;
              std::thread([&ran] { ran = true; }).join();
              f.expect(ran, "a thread");
            }),
            "");
}

TEST(ConfinementDeathTest, NoFileIsWritten) {
  NEEDS_FILTER();
  Folder folder;
  const std::string there = folder.make("there"), absent = folder.name("absent");
  fs::permissions(there, fs::perms::all);
  EXPECT_EQ(in_a_process_of_its_own([&](Findings& f) {
              step_down_to(f, {.read = {there}});
              f.expect(opened(there, O_RDONLY) >= 0, "reading what is named");
              f.refused(opened(there, O_WRONLY), EACCES, "writing");
              f.refused(opened(there, O_RDWR), EACCES, "reading and writing");
              f.refused(opened(there, O_RDONLY | O_TRUNC), EACCES, "truncating");
              f.refused(opened(absent, O_RDONLY | O_CREAT), EACCES, "creating");
              f.refused(opened(absent, O_WRONLY | O_CREAT | O_EXCL), EACCES, "creating what is new");
              f.refused(opened(folder.name(""), O_WRONLY | O_TMPFILE), EACCES, "a file without a name");
              f.refused(syscall(SYS_openat2, AT_FDCWD, there.c_str(), nullptr, 0), ENOSYS, "openat2");
              f.refused(truncate(there.c_str(), 0), EPERM, "truncate");
              f.refused(mkdir(absent.c_str(), 0700), EPERM, "mkdir");
              f.refused(symlink(there.c_str(), absent.c_str()), EPERM, "symlink");
              f.refused(link(there.c_str(), absent.c_str()), EPERM, "link");
              f.refused(mkfifo(absent.c_str(), 0600), EPERM, "mkfifo");
              f.refused(chmod(there.c_str(), 0777), EPERM, "chmod");
            }),
            "");
  EXPECT_FALSE(fs::exists(absent));
}

TEST(ConfinementDeathTest, OnlyWhatIsNamedIsRead) {
  NEEDS_LANDLOCK();
  Folder folder;
  const std::string named = folder.make("named"), other = folder.make("other");
  fs::create_directory(folder.name("below"));
  fs::permissions(folder.name("below"), fs::perms::all);
  const std::string config = folder.make("below/config"), included = folder.make("below/included");
  EXPECT_EQ(in_a_process_of_its_own([&](Findings& f) {
              step_down_to(f, {.read = {named, folder.name("absent"), "-"}, .beside = {config}});
              f.expect(opened(named, O_RDONLY) >= 0, "reading what is named");
              f.expect(opened(included, O_RDONLY) >= 0, "reading what a configuration includes");
              f.refused(opened(other, O_RDONLY), EACCES, "reading another file");
              f.refused(opened("/etc/passwd", O_RDONLY), EACCES, "reading the users");
              f.refused(opened(folder.name(""), O_RDONLY | O_DIRECTORY), EACCES, "listing a folder");
              f.refused(opened(folder.name("absent"), O_RDONLY), ENOENT, "what is not there");
              f.expect(opened("/proc/net/dev", O_RDONLY) >= 0, "reading the kernel's tables");
              f.expect(opened("/proc/sys/net/ipv4/ip_forward", O_RDONLY) >= 0, "reading a setting");
            }),
            "");
}

TEST(ConfinementDeathTest, AnOutputGetsItsNameInItsFolderAlone) {
  NEEDS_LANDLOCK();
  Folder folder, elsewhere;
  const std::string part = folder.make("part"), part2 = folder.make("part2"), there = elsewhere.make("there");
  // Theirs, whoever they are: what is refused is not refused because of the owner.
  EXPECT_EQ(in_a_process_of_its_own([&](Findings& f) {
              step_down_to(f, {.outputs = {folder.name("output")}});
              f.expect(rename(part.c_str(), folder.name("output").c_str()) == 0, "naming an output");
              f.expect(unlink(part2.c_str()) == 0, "removing an unfinished output");
              f.refused(unlink(there.c_str()), EACCES, "removing another file");
              f.refused(rename(there.c_str(), elsewhere.name("other").c_str()), EACCES, "naming another file");
              f.refused(opened(folder.name("output"), O_RDONLY), EACCES, "reading it");
            }),
            "");
}

TEST(ConfinementDeathTest, NewFilesWhereTheScreenSavesThem) {
  NEEDS_FILTER();
  Folder folder;
  const std::string there = folder.make("there");
  fs::permissions(there, fs::perms::all);
  EXPECT_EQ(in_a_process_of_its_own([&](Findings& f) {
              step_down_to(f, {.new_files = true});
              f.expect(opened(folder.name("new"), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW) >= 0, "a new file");
              f.refused(opened(there, O_WRONLY), EACCES, "writing what is there");
              f.refused(opened(there, O_WRONLY | O_CREAT | O_TRUNC), EACCES, "replacing what is there");
              f.refused(opened(there, O_WRONLY | O_CREAT | O_EXCL), EEXIST, "making what is there");
            }),
            "");
}

TEST(ConfinementDeathTest, NoSocketButForTheKernelsTables) {
  NEEDS_FILTER();
  EXPECT_EQ(in_a_process_of_its_own([](Findings& f) {
              const int before = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
              step_down_to(f, {});
              f.expect(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0, "asking for routes");
              f.refused(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT), EPERM, "another netlink");
              for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_PACKET, AF_ALG, AF_VSOCK})
                f.refused(socket(family, SOCK_DGRAM, 0), EPERM, "socket of family " + std::to_string(family));
              f.refused(socket(AF_INET, SOCK_RAW, 1), EPERM, "a raw socket");
              sockaddr address{};
              address.sa_family = AF_UNIX;
              f.refused(connect(before, &address, sizeof address), EPERM, "connecting");
              f.refused(listen(before, 1), EPERM, "listening");
              f.refused(accept(before, nullptr, nullptr), EPERM, "accepting");
              const packet_mreq promiscuous{1, PACKET_MR_PROMISC, 0, {}};
              f.refused(setsockopt(before, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous), EPERM,
                        "promiscuous mode");
              ifreq request{};
              f.refused(ioctl(before, SIOCSIFFLAGS, &request), EPERM, "setting an interface");
              f.refused(ioctl(before, SIOCADDRT, &request), EPERM, "adding a route");
              request.ifr_ifindex = 1;
              f.expect(ioctl(before, SIOCGIFNAME, &request) == 0 || errno == ENODEV, "asking for an interface");
            }),
            "");
}

TEST(ConfinementDeathTest, NameServersAreAskedWhereThatIsWanted) {
  NEEDS_FILTER();
  EXPECT_EQ(in_a_process_of_its_own([](Findings& f) {
              step_down_to(f, {.names = true});
              f.expect(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) >= 0, "UDP");
              f.expect(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) >= 0, "TCP");
              f.expect(opened("/etc/nsswitch.conf", O_RDONLY) >= 0 || errno == ENOENT, "how names are looked up");
              f.refused(socket(AF_INET, SOCK_RAW, 1), EPERM, "a raw socket");
              f.refused(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), EPERM, "a protocol that may be a module");
              f.refused(socket(AF_PACKET, SOCK_DGRAM, 0), EPERM, "a packet socket");
            }),
            "");
}

TEST(ConfinementDeathTest, OtherProcessesAreOutOfReach) {
  NEEDS_FILTER();
  const pid_t parent = getpid();
  EXPECT_EQ(in_a_process_of_its_own([parent](Findings& f) {
              int ready[2];
              f.expect(pipe(ready) == 0, "a pipe");
              const pid_t child = fork();
              if (child == 0) {
                // It steps down, too: only then are the two of the same user.
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                const bool down = drop_privileges(user_without_privileges()).has_value();
                prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user forgets it
                const bool told = write(ready[1], "r", 1) == 1;
                if (!down || !told) _exit(1);
                for (;;) pause();
              }
              char byte = 0;
              f.expect(read(ready[0], &byte, 1) == 1, "its child is ready");
              step_down_to(f, {.child = child});
              f.refused(kill(parent, 0), EPERM, "a signal to another process");
              f.refused(kill(0, 0), EPERM, "a signal to a group");
              f.refused(kill(-1, 0), EPERM, "a signal to everybody");
              f.refused(syscall(SYS_tkill, parent, 0), EPERM, "a signal to a thread");
              f.refused(syscall(SYS_tgkill, parent, parent, 0), EPERM, "a signal to another's thread");
              f.expect(raise(SIGCONT) == 0, "a signal to itself");
              f.expect(kill(child, SIGKILL) == 0, "a signal to its child");
              f.refused(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr), EPERM, "ptrace");
              f.refused(syscall(SYS_pidfd_open, parent, 0), EPERM, "pidfd_open");
              rlimit limit{};
              f.refused(prlimit(parent, RLIMIT_NOFILE, nullptr, &limit), EPERM, "another's limits");
              f.expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "its own limits");
              f.refused(setpriority(PRIO_PROCESS, static_cast<id_t>(parent), 5), EPERM, "priorities");
              f.refused(ioctl(STDIN_FILENO, TIOCSTI, "x"), EPERM, "keys that nobody typed");
            }),
            "");
}

// Not stepped down: as root it is the filter alone that refuses. (Without root the kernel would refuse most of it anyway.)
TEST(ConfinementDeathTest, TheKernelIsOutOfReachEvenForRoot) {
  NEEDS_FILTER();
  EXPECT_EQ(in_a_process_of_its_own([](Findings& f) {
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              f.expect(confine({}).system_calls, "the filter");
              f.refused(syscall(SYS_init_module, nullptr, 0, nullptr), EPERM, "init_module");
              f.refused(syscall(SYS_finit_module, -1, nullptr, 0), EPERM, "finit_module");
              f.refused(syscall(SYS_delete_module, nullptr, 0), EPERM, "delete_module");
              f.refused(syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr), EPERM, "mount");
              f.refused(syscall(SYS_umount2, nullptr, 0), EPERM, "umount");
              f.refused(syscall(SYS_unshare, 0), EPERM, "unshare");
              f.refused(syscall(SYS_setns, -1, 0), EPERM, "setns");
              f.refused(syscall(SYS_chroot, nullptr), EPERM, "chroot");
              f.refused(syscall(SYS_bpf, 0, nullptr, 0), EPERM, "bpf");
              f.refused(syscall(SYS_perf_event_open, nullptr, 0, 0, -1, 0), EPERM, "perf_event_open");
              f.refused(syscall(SYS_io_uring_setup, 0, nullptr), EPERM, "io_uring");
              f.refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM, "keyctl");
              f.refused(syscall(SYS_clock_settime, 0, nullptr), EPERM, "the clock");
              f.refused(syscall(SYS_sethostname, nullptr, 0), EPERM, "the host's name");
              f.refused(syscall(SYS_setresuid, -1, -1, -1), EPERM, "another user");
              f.refused(syscall(SYS_capset, nullptr, nullptr), EPERM, "capabilities");
              f.refused(syscall(SYS_userfaultfd, 0), EPERM, "userfaultfd");
              f.refused(syscall(SYS_process_vm_readv, getpid(), nullptr, 0, nullptr, 0, 0), EPERM, "another's memory");
              f.refused(syscall(1000), ENOSYS, "a call of later days");
            }),
            "");
}

TEST(Confinement, SaysWhatHolds) {
  EXPECT_EQ((Confinement{2, true, ""}.words()), "confined by Landlock (ABI 2) and a filter of system calls");
  EXPECT_EQ((Confinement{0, true, "this kernel has no Landlock, or has it switched off"}.words()),
            "confined by a filter of system calls; this kernel has no Landlock, or has it switched off");
  EXPECT_EQ((Confinement{0, false, "because"}.words()), "not confined; because");
}

}  // namespace
}  // namespace lvsnat::tool
