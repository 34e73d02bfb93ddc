// Loaded in front of libc (LD_PRELOAD) by failing_calls_test.py: makes chosen calls of one function fail, and counts the calls of
// all. The programs know nothing of it. Calls before main() are not counted: they are the loader's and other libraries'.
//
// LVSNAT_FAULT names a file of one Plan. It is mapped and shared, so that the counts outlive the program, however that ends, and
// processes that it starts count on. Threads: all; counters are atomic.
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

// NAME(function): -1 and errno. Those that say it otherwise stand apart.
// clang-format off
#define LVSNAT_FAILING_CALLS(X) \
  X(open) X(openat) X(read) X(write) X(close) X(stat) X(lstat) X(fstat) X(mmap) X(fcntl) X(ioctl) X(lseek) \
  X(fsync) X(ftruncate) X(fchmod) X(rename) X(unlink) X(access) X(opendir) X(fopen) X(socket) X(socketpair) \
  X(bind) X(send) X(sendto) X(sendmsg) X(recv) X(recvfrom) X(recvmsg) X(getsockopt) X(setsockopt) \
  X(getsockname) X(poll) X(eventfd) X(pipe2) X(fork) X(dup2) X(prctl) X(getrandom) X(syscall) X(setgroups) \
  X(setresuid) X(setresgid) X(seteuid) X(setegid) X(tcgetattr) X(tcsetattr) X(sigaction) X(gethostname) \
  X(getifaddrs) X(if_nameindex) X(glob) X(pthread_create) X(memory)
// clang-format on

namespace {

enum Call : std::uint32_t {
#define X(name) kCall_##name,
  LVSNAT_FAILING_CALLS(X)
#undef X
      kCalls
};

struct Plan {
  std::uint32_t call = kCalls;  // kCalls: none fails
  std::int32_t error = 0;       // 0: less is transferred than was asked for
  std::uint64_t first = 0;      // counted from 1
  std::uint64_t failures = 0;   // this many one after the other
  std::atomic<std::uint64_t> failed{0};
  std::array<std::atomic<std::uint64_t>, kCalls> calls{};
};

Plan* plan = nullptr;
std::atomic<bool> armed{false};

bool fails(Call call) {
  if (!armed.load(std::memory_order_relaxed) || plan == nullptr) return false;
  const std::uint64_t number = plan->calls[call].fetch_add(1) + 1;
  if (plan->call != call || number < plan->first || number - plan->first >= plan->failures) return false;
  plan->failed.fetch_add(1);
  return true;
}

bool fails_by_error(Call call) {
  if (!fails(call)) return false;
  errno = plan->error;
  return true;
}

template <typename Function>
Function real(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) abort();
  Function function = nullptr;
  std::memcpy(&function, &found, sizeof function);
  return function;
}

/// What a transfer makes of its size: less, where the plan says so. -1: it fails.
bool transfers(Call call, std::size_t& size) {
  if (!fails(call)) return true;
  if (plan->error != 0) {
    errno = plan->error;
    return false;
  }
  if (size > 1) size = (size + 1) / 2;
  return true;
}

}  // namespace

extern "C" {

// For the test.
const char* lvsnat_failing_calls() {
  return
#define X(name) #name " "
      LVSNAT_FAILING_CALLS(X)
#undef X
          ;
}
std::size_t lvsnat_plan_size() { return sizeof(Plan); }
std::size_t lvsnat_plan_calls() { return offsetof(Plan, calls); }

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);

namespace {

using Main = int (*)(int, char**, char**);
Main program = nullptr;

int arm(int argc, char** argv, char** env) {
  if (const char* path = getenv("LVSNAT_FAULT")) {
    const auto fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
    // By the system calls themselves: the names are ours here.
    const long at = ::syscall(SYS_mmap, nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L);
    if (fd < 0 || at == -1) abort();
    ::syscall(SYS_close, fd);
    plan = reinterpret_cast<Plan*>(at);
    // Whoever reads the environment later has no use for it.
    unsetenv("LVSNAT_FAULT");
    unsetenv("LD_PRELOAD");
  }
  armed = plan != nullptr;
  return program(argc, argv, env);
}

}  // namespace

int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(), void (*loader_fini)(), void* stack_end) {
  using Start = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  program = main;
  return real<Start>("__libc_start_main")(arm, argc, argv, init, fini, loader_fini, stack_end);
}

// ---- memory. The real ones by other names, since looking them up asks for memory.

void* malloc(std::size_t size) { return fails_by_error(kCall_memory) ? nullptr : __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return fails_by_error(kCall_memory) ? nullptr : __libc_calloc(count, size); }
void* realloc(void* old, std::size_t size) { return fails_by_error(kCall_memory) ? nullptr : __libc_realloc(old, size); }

// ---- transfers, which may also be partial

ssize_t read(int fd, void* to, std::size_t size) {
  static const auto next = real<decltype(&read)>("read");
  return transfers(kCall_read, size) ? next(fd, to, size) : -1;
}
ssize_t write(int fd, const void* from, std::size_t size) {
  static const auto next = real<decltype(&write)>("write");
  return transfers(kCall_write, size) ? next(fd, from, size) : -1;
}
ssize_t send(int fd, const void* from, std::size_t size, int flags) {
  static const auto next = real<decltype(&send)>("send");
  return transfers(kCall_send, size) ? next(fd, from, size, flags) : -1;
}
ssize_t recv(int fd, void* to, std::size_t size, int flags) {
  static const auto next = real<decltype(&recv)>("recv");
  return transfers(kCall_recv, size) ? next(fd, to, size, flags) : -1;
}

// ---- those with a list of arguments of their own

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (fails_by_error(kCall_open)) return -1;
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
int open64(const char* path, int flags, ...) __attribute__((alias("open")));
int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (fails_by_error(kCall_openat)) return -1;
  return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
}
int openat64(int folder, const char* path, int flags, ...) __attribute__((alias("openat")));
int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  static const auto next = real<int (*)(int, int, ...)>("fcntl");
  return fails_by_error(kCall_fcntl) ? -1 : next(fd, command, argument);
}
int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));
int ioctl(int fd, unsigned long command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  static const auto next = real<int (*)(int, unsigned long, ...)>("ioctl");
  return fails_by_error(kCall_ioctl) ? -1 : next(fd, command, argument);
}
int prctl(int what, ...) {
  va_list rest;
  va_start(rest, what);
  std::array<unsigned long, 4> a{};
  for (unsigned long& one : a) one = va_arg(rest, unsigned long);
  va_end(rest);
  static const auto next = real<int (*)(int, ...)>("prctl");
  return fails_by_error(kCall_prctl) ? -1 : next(what, a[0], a[1], a[2], a[3]);
}
long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  std::array<long, 6> a{};
  for (long& one : a) one = va_arg(rest, long);
  va_end(rest);
  static const auto next = real<long (*)(long, ...)>("syscall");
  // Only what the programs ask for by number: rights and confinement.
  const bool counted = number == SYS_capget || number == SYS_capset || number == SYS_landlock_create_ruleset ||
                       number == SYS_landlock_add_rule || number == SYS_landlock_restrict_self || number == SYS_seccomp;
  return counted && fails_by_error(kCall_syscall) ? -1 : next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// The descriptor is gone all the same, as Linux has it.
int close(int fd) {
  static const auto next = real<decltype(&close)>("close");
  const bool failing = fails_by_error(kCall_close);
  const int error = errno;
  const int closed = next(fd);
  if (!failing) return closed;
  errno = error;
  return -1;
}

// ---- those that say it otherwise

void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) {
  static const auto next = real<decltype(&mmap)>("mmap");
  return fails_by_error(kCall_mmap) ? MAP_FAILED : next(at, size, protection, flags, fd, offset);
}
void* mmap64(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) __attribute__((alias("mmap")));
DIR* opendir(const char* path) {
  static const auto next = real<decltype(&opendir)>("opendir");
  return fails_by_error(kCall_opendir) ? nullptr : next(path);
}
std::FILE* fopen(const char* path, const char* mode) {
  static const auto next = real<decltype(&fopen)>("fopen");
  return fails_by_error(kCall_fopen) ? nullptr : next(path, mode);
}
std::FILE* fopen64(const char* path, const char* mode) __attribute__((alias("fopen")));
struct if_nameindex* if_nameindex() {
  static const auto next = real<decltype(&if_nameindex)>("if_nameindex");
  return fails_by_error(kCall_if_nameindex) ? nullptr : next();
}
int glob(const char* pattern, int flags, int (*error)(const char*, int), glob_t* found) {
  static const auto next = real<decltype(&glob)>("glob");
  return fails_by_error(kCall_glob) ? GLOB_ABORTED : next(pattern, flags, error, found);
}
int glob64(const char* pattern, int flags, int (*error)(const char*, int), glob64_t* found) {
  static const auto next = real<decltype(&glob64)>("glob64");
  return fails_by_error(kCall_glob) ? GLOB_ABORTED : next(pattern, flags, error, found);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* with) {
  static const auto next = real<decltype(&pthread_create)>("pthread_create");
  return fails(kCall_pthread_create) ? plan->error : next(thread, attributes, run, with);
}

// ---- the plain ones

#define PLAIN(type, name, parameters, arguments)                     \
  type name parameters {                                             \
    static const auto next = real<type(*) parameters>(#name);        \
    return fails_by_error(kCall_##name) ? type(-1) : next arguments; \
  }
PLAIN(int, stat, (const char* path, struct stat* about), (path, about))
PLAIN(int, lstat, (const char* path, struct stat* about), (path, about))
PLAIN(int, fstat, (int fd, struct stat* about), (fd, about))
PLAIN(off_t, lseek, (int fd, off_t to, int from), (fd, to, from))
PLAIN(int, fsync, (int fd), (fd))
PLAIN(int, ftruncate, (int fd, off_t size), (fd, size))
PLAIN(int, fchmod, (int fd, mode_t mode), (fd, mode))
PLAIN(int, rename, (const char* from, const char* to), (from, to))
PLAIN(int, unlink, (const char* path), (path))
PLAIN(int, access, (const char* path, int how), (path, how))
PLAIN(int, socket, (int family, int type, int protocol), (family, type, protocol))
PLAIN(int, socketpair, (int family, int type, int protocol, int* ends), (family, type, protocol, ends))
PLAIN(int, bind, (int fd, const sockaddr* to, socklen_t size), (fd, to, size))
PLAIN(ssize_t, sendto, (int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t length),
      (fd, from, size, flags, to, length))
PLAIN(ssize_t, sendmsg, (int fd, const msghdr* message, int flags), (fd, message, flags))
PLAIN(ssize_t, recvfrom, (int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* length),
      (fd, to, size, flags, from, length))
PLAIN(ssize_t, recvmsg, (int fd, msghdr* message, int flags), (fd, message, flags))
PLAIN(int, getsockopt, (int fd, int level, int option, void* value, socklen_t* size), (fd, level, option, value, size))
PLAIN(int, setsockopt, (int fd, int level, int option, const void* value, socklen_t size), (fd, level, option, value, size))
PLAIN(int, getsockname, (int fd, sockaddr* name, socklen_t* size), (fd, name, size))
PLAIN(int, poll, (pollfd * what, nfds_t count, int milliseconds), (what, count, milliseconds))
PLAIN(int, eventfd, (unsigned value, int flags), (value, flags))
PLAIN(int, pipe2, (int* ends, int flags), (ends, flags))
PLAIN(pid_t, fork, (), ())
PLAIN(int, dup2, (int from, int to), (from, to))
PLAIN(ssize_t, getrandom, (void* to, std::size_t size, unsigned flags), (to, size, flags))
PLAIN(int, setgroups, (std::size_t count, const gid_t* groups), (count, groups))
PLAIN(int, setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c))
PLAIN(int, setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c))
PLAIN(int, seteuid, (uid_t id), (id))
PLAIN(int, setegid, (gid_t id), (id))
PLAIN(int, tcgetattr, (int fd, termios* settings), (fd, settings))
PLAIN(int, tcsetattr, (int fd, int when, const termios* settings), (fd, when, settings))
PLAIN(int, sigaction, (int signal, const struct sigaction* now, struct sigaction* before), (signal, now, before))
PLAIN(int, gethostname, (char* name, std::size_t size), (name, size))
PLAIN(int, getifaddrs, (ifaddrs * *list), (list))
}
