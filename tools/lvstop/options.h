// The command line of lvstop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "common/options.h"
#include "view.h"

namespace lvsnat::top {

struct Options : tool::CommonOptions {
  bool once = false;                    // --once
  bool play = false;                    // --play
  bool ascii = false;                   // --ascii
  bool unicode = true;                  // what the locale and --ascii leave
  ViewName view = ViewName::overview;   // --view
  Filter show;                          // --show: the filter of the view
  std::int64_t duration = 5 * kSecond;  // --for, with --once; nanoseconds
  double speed = 1;                     // --speed, with --play
  std::uint32_t history_mib = 64;       // --history
};

/// The options, or the status to end with: 0 after --help and --version, 3 after bad usage (told on standard error).
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace lvsnat::top
