// The options that mean the same in lvsdiag, lvstrace and lvstop (docs/man), and how a program of ours reads its command line.
//
// Threads: main only. Errors: bad usage prints one line on standard error and ends with status 3; CLI11's own exit codes are over
// 100, which no monitoring system knows.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/result.h"

namespace CLI {
class App;
}

namespace lvsnat::tool {

/// Exit status, as a monitoring plugin's.
inline constexpr int kUnknown = 3;

enum class Format { text, json, ndjson, nagios };
enum class ColorMode { automatic, always, never };

struct CommonOptions {
  std::vector<std::string> interfaces;      // -i
  std::vector<std::string> read;            // -r
  bool names = false;                       // --names
  bool numbers = false;                     // -n: the default, accepted because fingers type it
  std::optional<std::uint32_t> snaplen;     // -s, bytes
  std::optional<std::uint32_t> buffer_mib;  // -B
  std::string filter;                       // -F
  std::vector<std::string> config;          // --config
  std::vector<std::string> services;        // --service
  std::vector<std::string> host_names;      // --name NAME=ADDRESS
  std::string state;                        // --state; "live" is this host's kernel; empty: not given
  bool no_state = false;                    // --no-state
  Format format = Format::text;             // --format
  std::string output = "-";                 // -o
  bool force = false;                       // --force
  ColorMode color = ColorMode::automatic;   // --color
  bool quiet = false;                       // -q
  bool verbose = false;                     // -v
  std::string write;                        // -w
  bool promiscuous = false;                 // -p
  std::optional<std::uint32_t> max_connections;
};

/// Declares the options on the parser; `options` must outlive it.
void add_common_options(CLI::App& app, CommonOptions& options);
/// What no single option can see. Empty: fine.
std::string contradiction(const CommonOptions& options);

/// "15s", "5m", "1h" or a bare number of seconds, in nanoseconds. Errors: usage.
Result<std::int64_t> parse_duration(std::string_view text);

/// Makes help readable: wraps at 80 columns, "-r, --read FILE" first, `examples` before everything else.
void set_help(CLI::App& app, std::string examples);

/// Parses; nullopt to go on, else the exit status (--help and --version: 0; bad usage: 3, told on standard error).
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

/// "lvsdiag: message", one line without control characters, on standard error.
void complain(std::string_view tool, std::string_view message);
/// Only memory, threads and the like run out of a program as an exception; everything else is a value. Returns 3.
int run_out(std::string_view tool, const std::exception& error);
/// Bad usage: the message, and where to read on. Returns 3.
int bad_usage(std::string_view tool, std::string_view message);

/// Whether text on `fd` is to be coloured: --color, NO_COLOR, TERM and whether it is a terminal.
bool wants_color(ColorMode mode, int fd);
/// Columns of the terminal at `fd`, at most 80; 80 when it is none.
int text_width(int fd);

}  // namespace lvsnat::tool
