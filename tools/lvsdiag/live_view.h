// What a terminal shows while lvsdiag watches: services, real servers, and a light for each leg.
//
// Plain ANSI on standard error, redrawn in place at most four times a second, gone before the report is printed. Nothing on
// what is no terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "lvsdiag/options.h"
#include "lvsnat/analyzer.h"

namespace lvsnat::tool {

struct LiveMoment {
  std::string where;                          // "eth0, eth1"
  std::chrono::seconds since{0};              // watching
  std::optional<std::chrono::seconds> until;  // empty: until interrupted
};

/// The view as lines without line ends or escape sequences other than colours; at most `rows`, each at most `width` columns.
std::vector<std::string> live_view(const Report& report, const LiveMoment& moment, std::size_t width, std::size_t rows,
                                   bool color);

class LiveView {
 public:
  explicit LiveView(const DiagnosisOptions& options);
  ~LiveView() { clear(); }
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;
  [[nodiscard]] bool shown() const { return shown_; }
  /// True when it is time to draw again.
  [[nodiscard]] bool due() const { return shown_ && std::chrono::steady_clock::now() >= next_; }
  /// `cost`: how long it took to make the report; the view never takes more than a tenth of the time.
  void draw(const Report& report, const LiveMoment& moment, std::chrono::steady_clock::duration cost);
  void clear();

 private:
  bool shown_, color_;
  std::size_t drawn_ = 0;  // lines that stand on the terminal
  std::chrono::steady_clock::time_point next_;
};

}  // namespace lvsnat::tool
