#include "common/confinement.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LVSNAT_TRACED_BY_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LVSNAT_TRACED_BY_SANITIZER 1
#endif
#endif

#if defined(__x86_64__)
#define LVSNAT_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define LVSNAT_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define LVSNAT_ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define LVSNAT_ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define LVSNAT_ARCHITECTURE AUDIT_ARCH_S390X
#endif

namespace lvsnat::tool {
namespace {

// ---- Landlock

// Later than Debian 12's headers.
constexpr std::uint64_t kTruncate = 1ULL << 14;
constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// What renaming a file within its folder takes, and removing it.
constexpr std::uint64_t kName = LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;

class Rules {
 public:
  explicit Rules(int abi) {
    // ABI 1 has thirteen rights; 2 added moving between folders, 3 truncation.
    handled_ = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;
    if (abi >= 2) handled_ |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3) handled_ |= kTruncate;
    const landlock_ruleset_attr attributes{handled_};
    fd_ = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
    if (fd_ < 0) error_ = errno;
  }
  ~Rules() {
    if (fd_ >= 0) close(fd_);
  }
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;

  /// A path that is not there needs no right. Neither does a pipe, which is in no folder.
  void allow(const std::string& path, std::uint64_t rights) {
    int target = -1;
    do {
      target = open(path.c_str(), O_PATH | O_CLOEXEC);
    } while (target < 0 && errno == EINTR);
    if (target < 0) {
      // Whatever else is wrong with a path, who opens it is told. Without descriptors it could be opened and would be refused.
      // So could a folder in which a file that is open already gets its name.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || rights == kName) error_ = errno;
      return;
    }
    landlock_path_beneath_attr rule{};
    rule.parent_fd = target;
    rule.allowed_access = rights & handled_;
    bool added = syscall(SYS_landlock_add_rule, fd_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    if (!added && errno == EINVAL) {
      // Of a file, not of a folder.
      rule.allowed_access = rights & handled_ & (kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate);
      added = syscall(SYS_landlock_add_rule, fd_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    }
    // What is to be done must not be refused: rather no lock, and said. A pipe is in no folder.
    if (!added && errno != EBADFD) error_ = errno;
    close(target);
  }
  /// 0, or the errno for which nothing is enforced.
  [[nodiscard]] int enforce() const {
    if (error_ != 0) return error_;
    return syscall(SYS_landlock_restrict_self, fd_, 0) == 0 ? 0 : errno;
  }

 private:
  std::uint64_t handled_ = 0;
  int fd_ = -1, error_ = 0;
};

std::string folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  return folder.empty() ? "." : folder.string();
}

void allow_named(Rules& rules, const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): before there are threads
  if (value == nullptr) return;
  std::string paths = value;
  for (std::size_t at = 0; at <= paths.size();) {
    const std::size_t end = std::min(paths.find(':', at), paths.size());
    if (end > at) rules.allow(paths.substr(at, end - at), kRead);
    at = end + 1;
  }
}

int lock_files(const Remaining& remaining, std::string& missing) {
  const auto abi = static_cast<int>(syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (abi < 1) {
    missing = "this kernel has no Landlock, or has it switched off";
    return 0;
  }
  Rules rules(abi);
  for (const char* path : {"/proc", "/sys"}) rules.allow(path, kRead);
  for (const char* path : {"/dev/null", "/dev/urandom", "/dev/random", "/etc/localtime", "/usr/share/zoneinfo"})
    rules.allow(path, kRead);
  for (const std::string& path : remaining.read) {
    if (path != "-" && !path.empty()) rules.allow(path, kRead);
  }
  for (const std::string& path : remaining.beside) {
    rules.allow(folder_of(path), kRead);
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(path, error);
    if (!error) rules.allow(folder_of(real), kRead);
  }
  for (const std::string& path : remaining.outputs) rules.allow(folder_of(path), kName);
  if (remaining.names || remaining.terminal || remaining.plug_ins) {
    for (const char* path :
         {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols"})
      rules.allow(path, kRead);
  }
  if (remaining.names) {
    for (const char* path : {"/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/run/systemd/resolve",
                             "/run/resolvconf", "/run/NetworkManager", "/var/lib/extrausers", "/var/lib/sss"})
      rules.allow(path, kRead);
  }
  if (remaining.terminal) {
    rules.allow("/etc/terminfo", kRead);
    allow_named(rules, "TERMINFO");
    allow_named(rules, "TERMINFO_DIRS");
    if (const char* home = std::getenv("HOME"))  // NOLINT(concurrency-mt-unsafe): before there are threads
      rules.allow(std::string(home) + "/.terminfo", kRead);
  }
  if (remaining.plug_ins) {
    for (const char* path : {"/etc/iproute2", "/etc/xtables", "/etc/ethertypes"}) rules.allow(path, kRead);
  }
  if (remaining.new_files) rules.allow("/", LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate);
  const int error = rules.enforce();
  if (error == 0) return abi;
  missing = "no Landlock: " + std::generic_category().message(error);
  return 0;
}

// ---- the filter of system calls

// The newest call that Debian 12's headers know. What came later can be anything.
constexpr std::uint32_t kNewestCall = 450;

/// A seccomp program, written from top to bottom: the first rule that fits decides.
class Filter {
 public:
  explicit Filter(std::uint32_t architecture) {
    load(offsetof(seccomp_data, arch));
    jump(BPF_JEQ, architecture, 1, 0);
    end(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
    // Also the calls of the x32 ABI, which are the same ones under other numbers.
    jump(BPF_JGT, kNewestCall, 0, 1);
    refuse(ENOSYS);
  }

  void refuse_call(long call, int error) {
    jump(BPF_JEQ, static_cast<std::uint32_t>(call), 0, 1);
    refuse(error);
  }

  /// Rules for the arguments of one call; every path through them must end.
  template <typename Body>
  void call(long number, Body body) {
    Filter inner;
    body(inner);
    jump(BPF_JEQ, static_cast<std::uint32_t>(number), 0, static_cast<std::uint8_t>(inner.code_.size()));
    code_.insert(code_.end(), inner.code_.begin(), inner.code_.end());
  }
  /// The low half: everything that is asked for here is an int to the kernel.
  void argument(std::size_t i) {
    constexpr std::size_t kLowHalf = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;
    load(offsetof(seccomp_data, args) + i * sizeof(std::uint64_t) + kLowHalf);
  }
  void allow_if_equal(std::uint32_t value) {
    jump(BPF_JEQ, value, 0, 1);
    end(SECCOMP_RET_ALLOW);
  }
  void refuse_if_equal(std::uint32_t value, int error) {
    jump(BPF_JEQ, value, 0, 1);
    refuse(error);
  }
  void allow_if_all(std::uint32_t bits) {
    code_.push_back(BPF_STMT(BPF_MISC | BPF_TAX, 0));
    code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits));
    jump(BPF_JEQ, bits, 0, 1);
    end(SECCOMP_RET_ALLOW);
    code_.push_back(BPF_STMT(BPF_MISC | BPF_TXA, 0));
  }
  void refuse_if_all(std::uint32_t bits, int error) {
    code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits));
    jump(BPF_JEQ, bits, 0, 1);
    refuse(error);
  }
  void allow_if_none(std::uint32_t bits) {
    jump(BPF_JSET, bits, 1, 0);
    end(SECCOMP_RET_ALLOW);
  }
  /// Outside [low, high] nothing is said against it.
  void allow_outside(std::uint32_t low, std::uint32_t high) {
    jump(BPF_JGE, low, 1, 0);
    end(SECCOMP_RET_ALLOW);
    jump(BPF_JGT, high, 0, 1);
    end(SECCOMP_RET_ALLOW);
  }
  /// The rules that `body` writes are for a value of the argument that is at hand.
  template <typename Body>
  void when_equal(std::uint32_t value, Body body) {
    Filter inner;
    body(inner);
    jump(BPF_JEQ, value, 0, static_cast<std::uint8_t>(inner.code_.size()));
    code_.insert(code_.end(), inner.code_.begin(), inner.code_.end());
  }
  void refuse(int error) { end(SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(error) & SECCOMP_RET_DATA)); }
  void allow() { end(SECCOMP_RET_ALLOW); }

  bool enforce() {
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
  }

 private:
  Filter() = default;
  void load(std::size_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset))); }
  void jump(std::uint16_t how, std::uint32_t value, std::uint8_t fits, std::uint8_t fits_not) {
    code_.push_back(sock_filter{static_cast<std::uint16_t>(BPF_JMP | how | BPF_K), fits, fits_not, value});
  }
  void end(std::uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }

  std::vector<sock_filter> code_;
};

// No program of ours makes any of these calls once it has opened what it needs.
constexpr auto kRefused = std::to_array<long>({
    // Programs and processes.
    SYS_execve,
    SYS_execveat,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    // Other processes: their memory, descriptors, signals and priorities.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_process_madvise,
    SYS_process_mrelease,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_migrate_pages,
    SYS_move_pages,
    // The kernel itself.
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_syslog,
    SYS_acct,
    SYS_quotactl,
    SYS_swapon,
    SYS_swapoff,
    SYS_personality,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_fanotify_init,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
    // Clock and name of the host.
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    // What is where in the file system, and who owns it.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_move_mount,
    SYS_open_tree,
    SYS_mount_setattr,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_truncate,
    SYS_mknodat,
    SYS_mkdirat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_utimensat,
    SYS_memfd_create,
#ifdef SYS_memfd_secret
    SYS_memfd_secret,
#endif
#ifdef SYS_creat  // the old names
    SYS_creat,
    SYS_mknod,
    SYS_mkdir,
    SYS_link,
    SYS_symlink,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
#endif
    // Back to rights.
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    // Those who would talk to us.
    SYS_listen,
    SYS_accept4,
#ifdef SYS_accept
    SYS_accept,
#endif
});

/// Reading is allowed; what else `flags` (an argument of open) ask for is not.
void look_at_opening(Filter& f, std::size_t flags, bool new_files) {
  f.argument(flags);
  if (new_files) f.allow_if_all(O_CREAT | O_EXCL);
  // O_TMPFILE holds O_DIRECTORY, which is fine by itself.
  f.allow_if_none(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY));
  f.refuse(EACCES);
}

#ifdef LVSNAT_ARCHITECTURE
bool lock_system_calls(const Remaining& remaining, std::string& missing) {
  const auto self = static_cast<std::uint32_t>(getpid());
  Filter filter(LVSNAT_ARCHITECTURE);
  for (const long call : kRefused) filter.refuse_call(call, EPERM);
  // Their arguments are where no filter can see; the C library knows the older ways.
  for (const long call : {long{SYS_clone3}, long{SYS_openat2}}) filter.refuse_call(call, ENOSYS);
#ifdef SYS_open
  filter.call(SYS_open, [&](Filter& f) { look_at_opening(f, 1, remaining.new_files); });
#endif
  filter.call(SYS_openat, [&](Filter& f) { look_at_opening(f, 2, remaining.new_files); });
  filter.call(SYS_clone, [](Filter& f) {
    f.argument(0);
    f.allow_if_all(CLONE_THREAD);
    f.refuse(EPERM);
  });
  filter.call(SYS_socket, [&](Filter& f) {
    f.argument(0);
    f.when_equal(AF_NETLINK, [](Filter& netlink) {
      netlink.argument(2);
      for (const int protocol : {NETLINK_ROUTE, NETLINK_GENERIC, NETLINK_NETFILTER})
        netlink.allow_if_equal(static_cast<std::uint32_t>(protocol));
      netlink.refuse(EPERM);
    });
    if (remaining.names) {
      f.allow_if_equal(AF_UNIX);
      for (const std::uint32_t family : std::array<std::uint32_t, 2>{AF_INET, AF_INET6}) {
        f.when_equal(family, [](Filter& inet) {
          inet.argument(1);
          // SOCK_RAW is 3: whatever else is asked for, these two bits tell.
          inet.refuse_if_all(SOCK_RAW, EPERM);
          // Another protocol could be a module that is not loaded yet.
          inet.argument(2);
          for (const std::uint32_t protocol : std::array<std::uint32_t, 3>{0, IPPROTO_TCP, IPPROTO_UDP})
            inet.allow_if_equal(protocol);
          inet.refuse(EPERM);
        });
      }
    }
    f.refuse(EPERM);
  });
  if (!remaining.names) filter.refuse_call(SYS_connect, EPERM);
  filter.call(SYS_setsockopt, [](Filter& f) {
    f.argument(1);
    f.when_equal(SOL_PACKET, [](Filter& packet) {
      // No interface becomes promiscuous now.
      packet.argument(2);
      packet.refuse_if_equal(PACKET_ADD_MEMBERSHIP, EPERM);
      packet.allow();
    });
    f.allow();
  });
  filter.call(SYS_ioctl, [](Filter& f) {
    f.argument(1);
    // Keys that nobody typed, for the shell that reads them when we are gone.
    f.refuse_if_equal(TIOCSTI, EPERM);
    f.refuse_if_equal(TIOCLINUX, EPERM);
    for (const std::uint32_t question : std::array<std::uint32_t, 4>{SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFINDEX, SIOCGIFMTU})
      f.allow_if_equal(question);
    f.allow_outside(0x8900, 0x89ff);  // sockets: the rest sets addresses, routes and interfaces
    f.refuse(EPERM);
  });
  filter.call(SYS_kill, [&](Filter& f) {
    f.argument(0);
    f.allow_if_equal(self);
    if (remaining.child > 0) f.allow_if_equal(static_cast<std::uint32_t>(remaining.child));
    f.refuse(EPERM);
  });
  filter.call(SYS_tgkill, [&](Filter& f) {
    f.argument(0);
    f.allow_if_equal(self);
    f.refuse(EPERM);
  });
  filter.call(SYS_prlimit64, [&](Filter& f) {
    f.argument(0);
    f.allow_if_equal(0);
    f.allow_if_equal(self);
    f.refuse(EPERM);
  });
  filter.allow();
  if (filter.enforce()) return true;
  missing += (missing.empty() ? "" : "; ") + std::string("no filter of system calls: ") + std::generic_category().message(errno);
  return false;
}
#else
bool lock_system_calls(const Remaining&, std::string& missing) {
  missing += std::string(missing.empty() ? "" : "; ") + "no filter of system calls is known for this processor";
  return false;
}
#endif

}  // namespace

std::string Confinement::words() const {
  std::string text;
  if (landlock != 0) text = "Landlock (ABI " + std::to_string(landlock) + ")";
  if (system_calls) text += (text.empty() ? "" : " and ") + std::string("a filter of system calls");
  text = text.empty() ? "not confined" : "confined by " + text;
  return missing.empty() ? text : text + "; " + missing;
}

Confinement confine(const Remaining& remaining) {
  Confinement confinement;
#ifdef LVSNAT_TRACED_BY_SANITIZER
  static_cast<void>(remaining);
  confinement.missing = "a sanitizer is built in, which needs to start and trace processes";
#else
  confinement.landlock = lock_files(remaining, confinement.missing);
  confinement.system_calls = lock_system_calls(remaining, confinement.missing);
#endif
  return confinement;
}

}  // namespace lvsnat::tool
