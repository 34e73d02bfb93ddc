// Before libnftables is asked anything, this file asks itself: libnftables ends the whole program where it cannot open its
// socket, takes a kilobyte of memory for each element of a set, and begins anew for as long as the ruleset goes on changing.
#include "state/live_nft.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "state/json_text.h"
#include "state/netlink.h"

namespace lvsnat {
namespace {

constexpr const char* kWouldTell = "whether a filter rule drops or rewrites requests or replies";
constexpr const char* kLibrary = "libnftables.so.1";
constexpr auto kPatience = std::chrono::seconds(5);
constexpr std::size_t kMaxRules = 32u << 20, kMaxElements = 2u << 20;  // bytes of netlink messages
constexpr std::size_t kMaxSets = 20'000;

using SetKey = std::tuple<int, std::string, std::string>;  // family, table, name

std::uint16_t nft_message(int type) { return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type); }

/// How large the ruleset is, and which sets with a name of their own have elements, or may have.
struct Extent {
  std::size_t rules = 0, elements = 0;  // bytes of netlink messages; counting ends beyond the limits
  std::set<SetKey> filled;
};

std::string_view family_name(int family) {
  switch (family) {
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_ARP:
      return "arp";
    case NFPROTO_BRIDGE:
      return "bridge";
    case NFPROTO_NETDEV:
      return "netdev";
    default:
      return "";
  }
}

Result<Extent> measure(NetlinkSocket& socket) {
  Extent extent;
  const nfgenmsg all{AF_UNSPEC, NFNETLINK_V0, 0};
  Status status = socket.dump(
      Request(nft_message(NFT_MSG_GETRULE)).head(all), [&] { extent.rules = 0; },
      [&](std::uint16_t, Bytes body) { extent.rules += body.size(); });
  if (!status) return status.error();
  std::map<SetKey, bool> sets;  // bool: it has a name of its own
  status = socket.dump(
      Request(nft_message(NFT_MSG_GETSET)).head(all), [&] { sets.clear(); },
      [&](std::uint16_t, Bytes body) {
        const auto head = number_in<nfgenmsg>(body);
        if (!head || sets.size() >= kMaxSets) return;
        std::string table, name;
        std::uint32_t flags = 0;
        for_each_attribute(body.subspan(sizeof(nfgenmsg)), [&](const Attribute& a) {
          if (a.type == NFTA_SET_TABLE) table = a.text(256);
          if (a.type == NFTA_SET_NAME) name = a.text(256);
          if (a.type == NFTA_SET_FLAGS && a.payload.size() == 4) flags = __builtin_bswap32(a.u32());
        });
        sets[{head->nfgen_family, table, name}] = (flags & NFT_SET_ANONYMOUS) == 0;
      });
  if (!status) return status.error();
  for (const auto& [key, named] : sets) {
    const auto& [family, table, name] = key;
    if (extent.elements > kMaxElements) {  // elements will not be listed, whatever there are
      if (named) extent.filled.insert(key);
      continue;
    }
    const auto put = [](Request& request, std::uint16_t type, const std::string& text) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.c_str());
      request.put(type, {bytes, text.size() + 1});
    };
    Request request(nft_message(NFT_MSG_GETSETELEM));
    request.head(nfgenmsg{static_cast<std::uint8_t>(family), NFNETLINK_V0, 0});
    put(request, NFTA_SET_ELEM_LIST_TABLE, table);
    put(request, NFTA_SET_ELEM_LIST_SET, name);
    std::size_t bytes = 0;
    bool any = false;
    status = socket.dump(
        request, [&] { bytes = 0; },
        [&](std::uint16_t, Bytes body) {
          bytes += body.size();
          for_each_attribute(body.size() < sizeof(nfgenmsg) ? Bytes() : body.subspan(sizeof(nfgenmsg)), [&](const Attribute& a) {
            any = any || (a.type == NFTA_SET_ELEM_LIST_ELEMENTS && !a.payload.empty());
          });
        },
        [&] { return extent.elements + bytes > kMaxElements; });
    // A set that is gone meanwhile is none of ours.
    if (!status && status.error().code == ErrorCode::limit) return status.error();
    extent.elements += bytes;
    if (any && named) extent.filled.insert(key);
  }
  return extent;
}

/// Ends what libnftables does after a time: from then on its socket is none, and every question fails.
class Watchdog {
 public:
  explicit Watchdog(int socket) {
    if (socket < 0) return;
    // Signals are for the threads of the program.
    sigset_t all, before;
    sigfillset(&all);
    const bool masked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    try {
      thread_ = std::thread([this, socket] {
        std::unique_lock lock(mutex_);
        if (ended_.wait_for(lock, kPatience, [this] { return over_; })) return;
        const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (nothing < 0) return;
        expired_ = ::dup2(nothing, socket) >= 0;
        ::close(nothing);
      });
    } catch (const std::system_error&) {
      // No thread to be had: then without.
    }
    if (masked) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() { end(); }

  /// True when the time was over.
  bool end() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        over_ = true;
      }
      ended_.notify_all();
      thread_.join();
    }
    return expired_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false, expired_ = false;
  std::thread thread_;
};

/// libnftables ends the whole program, with status 1, where it does not understand the kernel. Status 1 means something else
/// here.
class Asking {
 public:
  Asking() {
    static const bool registered = std::atexit(end_instead) == 0;
    asking = registered;
  }
  ~Asking() { asking = false; }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  template <typename Question>
  int answer(const Question& question) const {
    return question();
  }

 private:
  static void end_instead() {
    if (!asking) return;
    constexpr std::string_view kWhy =
        "libnftables ended the program: nothing was diagnosed; try again, or leave this host's kernel state out (--no-state)\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kWhy.data(), kWhy.size());
    ::_exit(3);
  }
  static inline bool asking = false;
};

/// The few functions of libnftables(3) that are needed, and the values of its header, which its soname keeps.
class Libnftables {
 public:
  static constexpr unsigned kText = 0, kJson = 1u << 4, kTerse = 1u << 11;
  struct Listing {
    std::string text, complaints;
    bool done = false, late = false;
  };

  static Result<Libnftables> open() {
    if (getauxval(AT_SECURE) != 0) {
      // Whoever starts a program with file capabilities must not choose the plug-ins that it loads.
      for (const char* name : {"XTABLES_LIBDIR", "IPTABLES_LIB_DIR", "IP6TABLES_LIB_DIR"})
        ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread of ours
    }
    void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      const char* why = ::dlerror();
      return Error{
          ErrorCode::not_found,
          std::string(kLibrary) + " is not there (Debian's package libnftables1)" +
              (why != nullptr && std::string_view(why).find("No such file") == std::string_view::npos ? ": " + printable(why, 200)
                                                                                                      : std::string())};
    }
    Libnftables out;
    const auto find = [library](const char* name, auto& function) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
      return function != nullptr;
    };
    if (!find("nft_ctx_new", out.create_) || !find("nft_ctx_free", out.destroy_) ||
        !find("nft_ctx_output_set_flags", out.flags_) || !find("nft_ctx_buffer_output", out.buffer_output_) ||
        !find("nft_ctx_buffer_error", out.buffer_error_) || !find("nft_ctx_get_output_buffer", out.output_) ||
        !find("nft_ctx_get_error_buffer", out.error_) || !find("nft_run_cmd_from_buffer", out.run_))
      return Error{ErrorCode::unsupported, std::string(kLibrary) + " lacks functions that it should have"};
    return out;  // stays loaded: it keeps tables of its own for the process
  }

  [[nodiscard]] Listing list(unsigned flags) const {
    Listing listing;
    const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (lowest >= 0) ::close(lowest);
    const std::unique_ptr<void, void (*)(void*)> context(create_(0), destroy_);
    if (context == nullptr || buffer_output_(context.get()) != 0 || buffer_error_(context.get()) != 0) return listing;
    flags_(context.get(), flags);
    Watchdog watchdog(is_netfilter(lowest) ? lowest : -1);
    const int failed = Asking().answer([&] { return run_(context.get(), "list ruleset"); });
    listing.late = watchdog.end();
    if (const char* text = output_(context.get()); text != nullptr) listing.text = text;
    if (const char* text = error_(context.get()); text != nullptr) listing.complaints = complaints_in(text);
    listing.done = failed == 0 && !listing.late;
    return listing;
  }

 private:
  /// The context's socket is what took the lowest free descriptor.
  static bool is_netfilter(int fd) {
    int domain = 0, protocol = 0;
    socklen_t length = sizeof domain;
    if (fd < 0 || ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) return false;
    length = sizeof protocol;
    return ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && domain == AF_NETLINK &&
           protocol == NETLINK_NETFILTER;
  }

  /// What is said besides, without the notes that iptables-nft should be left its tables.
  static std::string complaints_in(std::string_view text) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
      const std::string_view words = trim(line);
      if (words.empty() || words.starts_with("#")) continue;
      if (out.size() < 300) out += (out.empty() ? "" : "; ") + printable(words, 200);
    }
    return out;
  }

  void* (*create_)(std::uint32_t) = nullptr;
  void (*destroy_)(void*) = nullptr;
  void (*flags_)(void*, unsigned) = nullptr;
  int (*buffer_output_)(void*) = nullptr;
  int (*buffer_error_)(void*) = nullptr;
  const char* (*output_)(void*) = nullptr;
  const char* (*error_)(void*) = nullptr;
  int (*run_)(void*, const char*) = nullptr;
};

/// In a listing without elements, sets that have some say that theirs are not known: anything may be in them.
std::string without_elements(const std::string& listing, const std::set<SetKey>& filled) {
  auto document = parse_json(listing);
  if (!document || !document->is_object() || !document->contains("nftables")) return listing;
  std::set<std::tuple<std::string_view, std::string, std::string>> names;
  for (const auto& [family, table, name] : filled) names.emplace(family_name(family), table, name);
  for (nlohmann::json& entry : (*document)["nftables"]) {
    for (const char* kind : {"set", "map"}) {
      if (!entry.is_object() || !entry.contains(kind)) continue;
      nlohmann::json& set = entry[kind];
      const std::string family = text_of(set, "family");
      if (!names.contains({family, text_of(set, "table"), text_of(set, "name")}) || set.contains("elem")) continue;
      set["elem"] = nlohmann::json::array({nlohmann::json{{"xt", "elements"}}});
    }
  }
  return document->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool has_builtin(const std::filesystem::path& modules, const std::string& release, std::string_view file, bool& told) {
  constexpr std::size_t kMaxList = 8u << 20;
  const auto list = read_file(modules / release / "modules.builtin", kMaxList);
  told = list.has_value();
  return told && list->find(file) != std::string::npos;
}

}  // namespace

NftPresence nft_presence(const std::filesystem::path& proc, const std::filesystem::path& modules, const KernelState& state) {
  std::error_code error;
  // A kernel without modules has none to load, whatever it is asked.
  if (!state.known.modules) {
    const bool there = std::filesystem::exists(proc / "modules", error);
    return there || error ? NftPresence::not_told : NftPresence::present;
  }
  if (has_module(state, "nf_tables")) return NftPresence::present;
  bool told = false;
  if (has_builtin(modules, state.kernel, "/nf_tables.ko", told)) return NftPresence::present;
  return told ? NftPresence::absent : NftPresence::not_told;
}

void read_live_nft(const std::filesystem::path& proc, const std::filesystem::path& modules, KernelState& state) {
  const auto gap = [&state](std::string why) { state.gaps.push_back({"nft ruleset", std::move(why), kWouldTell}); };
  const auto none = [&state] {
    state.nft_json = R"({"nftables": []})";
    state.known.nft_json = true;
  };
  switch (nft_presence(proc, modules, state)) {
    case NftPresence::present:
      break;
    case NftPresence::absent:
      return none();
    case NftPresence::not_told:
      return gap(
          "nf_tables is not among the modules that are loaded, and whether it is built in is not told; asking could load it");
  }
  auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
  // A kernel that knows no such protocol has no nftables.
  if (!socket) return socket.error().code == ErrorCode::unsupported ? none() : gap(socket.error().message);
  int error = 0;
  const Status asked = socket->ask(Request(nft_message(NFT_MSG_GETGEN)).head(nfgenmsg{AF_UNSPEC, NFNETLINK_V0, 0}), error,
                                   [](std::uint16_t, Bytes) {});
  if (!asked) return gap(asked.error().message);
  if (error == EPERM) return gap("needs CAP_NET_ADMIN");
  if (error == EINVAL || error == EOPNOTSUPP) return none();
  const auto extent = measure(*socket);
  if (!extent) return gap(extent.error().message);
  if (extent->rules > kMaxRules) return gap("more than " + std::to_string(kMaxRules >> 20) + " MiB of rules");
  const bool terse = extent->elements > kMaxElements;
  const auto library = Libnftables::open();
  if (!library)
    return gap(library.error().message + "; save `nft -j list ruleset` as nft.json beside the other files of a state directory");
  using Library = Libnftables;
  const auto list = [&](unsigned flags) { return library->list(flags | (terse ? Library::kTerse : 0)); };
  const auto refuse = [&](const Library::Listing& listing) {
    gap(listing.late ? "it went on changing for " + std::to_string(kPatience.count()) + " s"
                     : std::string(kLibrary) + ": " + (listing.complaints.empty() ? "no listing" : listing.complaints));
  };
  Library::Listing json = list(Library::kJson);
  if (json.late) return refuse(json);
  const bool as_json = json.done && trim(json.text).starts_with("{");
  // What libnftables does not understand it leaves out, and a rule that lacks a match matches more: such a listing is none.
  if (as_json && !json.complaints.empty()) return refuse(json);
  if (as_json) {
    state.nft_json = terse ? without_elements(json.text, extent->filled) : std::move(json.text);
    state.known.nft_json = true;
    if (terse)
      state.gaps.push_back(
          {"elements of nft sets", "too many to read beside a director's work", "which addresses and ports the sets hold"});
    if (state.nft_json.find("\"xt\"") == std::string::npos) return;
  }
  Library::Listing text = list(Library::kText);
  if (text.done && text.complaints.empty() && !(terse && !as_json)) {
    state.nft_text = std::move(text.text);
    state.known.nft_text = true;
  } else if (!as_json) {
    refuse(text);
  }
}

}  // namespace lvsnat
