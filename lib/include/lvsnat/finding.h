// A finding: what is wrong, for whom, how sure we are, the proof, the cause, and the cure.
// Plain values; mirrors `findings` of docs/findings.schema.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/export.h"
#include "lvsnat/frame.h"

namespace lvsnat {

enum class Severity : std::uint8_t { info, warning, error };
enum class Confidence : std::uint8_t { possible, likely, certain };
enum class Where : std::uint8_t { director, real_server, client, router };
LVSNAT_EXPORT std::string_view name(Severity) noexcept;
LVSNAT_EXPORT std::string_view name(Confidence) noexcept;
LVSNAT_EXPORT std::string_view name(Where) noexcept;  // "real-server" for real_server

/// One piece of proof: words, and where they can be checked.
struct Evidence {
  std::string text;
  std::optional<std::string> source;   // capture file, or state file
  std::optional<std::uint32_t> frame;  // 1-based in that source
  std::optional<Timestamp> time;
  std::optional<Leg> leg;
};

/// A command to type, with the real addresses filled in; never executed by us.
struct Cure {
  Where where = Where::director;
  std::string command;                    // immediate
  std::optional<std::string> persistent;  // what to write where, to survive a reboot
};

struct Subject {
  std::optional<std::string> service;  // "tcp:192.168.1.110:80"
  std::optional<std::string> director;
  std::optional<std::string> real_server;  // RIP
  std::optional<std::string> client;       // CIP or CIDR
  std::optional<std::string> interface;
  std::optional<std::string> gateway;  // IP or MAC that packets went to instead
  friend bool operator==(const Subject&, const Subject&) = default;
};

struct Consequence {
  int code = 0;
  Subject subject;
  std::uint64_t count = 0;
};

struct Finding {
  int code = 0;  // 101 for LVS101
  Severity severity = Severity::error;
  Confidence confidence = Confidence::certain;
  std::string title;  // one line, with the names filled in
  Subject subject;
  std::uint64_t count = 0;  // connections (packets) or settings (state) that show it
  std::optional<LegString> legs;
  std::vector<Evidence> evidence;  // a handful, the clearest first
  std::string cause;               // sentences, with the names filled in
  std::vector<Cure> cure;
  std::vector<std::string> unchecked;  // what would settle it and was not available
  std::vector<Consequence> consequences;
  std::vector<Consequence> because;  // findings of the real server's own report (--with) that name the cause
  /// Records whose packets the finding cites (for --evidence and the `findings` of a connection).
  std::vector<std::uint32_t> connections;
};

/// "LVS101".
LVSNAT_EXPORT std::string code_name(int code);

}  // namespace lvsnat
