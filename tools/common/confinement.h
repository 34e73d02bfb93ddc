// What is left to a program once it looks at what strangers wrote: the kernel refuses everything else.
//
// Two locks, each as far as the kernel has it. Landlock: which files are read, and in which folders an output gets its name. A
// seccomp filter: no program is executed, no process is made, no file that exists is opened for writing, no socket is opened but
// for reading the kernel's tables, no module, mount, key, trace, or terminal input. The filter is a list of what is refused:
// what a library of tomorrow asks for is not, unless it came after every call that these headers know. It is written here and
// not with libseccomp because lvstrace needs no library but libc, libstdc++ and libmnl.
//
// Both hold for good, and for every thread and process that comes later. Threads: main only, before others begin.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace lvsnat::tool {

/// What is still to be done. Everything that is not named here is refused.
struct Remaining {
  std::vector<std::string> read = {};     // files that are opened by name, and folders with all below
  std::vector<std::string> beside = {};   // files whose neighbours are read, too: what a configuration includes
  std::vector<std::string> outputs = {};  // files that are complete later: named, or removed, in their folder
  bool names = false;                     // name servers are asked
  bool terminal = false;                  // a screen is drawn: its descriptions are read
  bool plug_ins = false;                  // libraries are loaded: libnftables and what it loads
  bool new_files = false;                 // files are made where the user says later; none that exists is opened for writing
  pid_t child = 0;                        // may be ended; 0: none
};

struct Confinement {
  int landlock = 0;           // its ABI; 0: this kernel has none
  bool system_calls = false;  // the filter holds
  std::string missing;        // why a lock is not there; empty: both hold

  /// "Landlock (ABI 2) and a filter of system calls hold", one sentence, for -v.
  [[nodiscard]] std::string words() const;
};

/// Closes both locks. Never an error: where a kernel has none of them, the program goes on without, and the result says so.
/// no_new_privs must be set (drop_privileges()). Under the address and thread sanitizers nothing is done: they start processes
/// and trace them.
Confinement confine(const Remaining& remaining);

}  // namespace lvsnat::tool
