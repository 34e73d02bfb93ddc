#include "lvsdiag/live_view.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "common/options.h"
#include "lvsnat/rule.h"

namespace lvsnat::tool {
namespace {

constexpr std::string_view kGreen = "\x1b[32m", kRed = "\x1b[1;31m", kDim = "\x1b[2m", kPlain = "\x1b[0m";
constexpr std::array<std::string_view, 4> kLegNames{"client>VIP", "client>RIP", "RIP>client", "VIP>client"};

struct Size {
  std::size_t columns = 80, rows = 24;
};

Size terminal_size() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

/// Adds columns until the line is full; colour takes none.
class Line {
 public:
  Line(std::size_t width, bool color) : left_(width), color_(color) {}
  Line& add(std::string_view text, std::string_view color = {}) {
    text = text.substr(0, left_);
    left_ -= text.size();
    if (color_ && !color.empty() && !text.empty()) {
      text_.append(color).append(text).append(kPlain);
    } else {
      text_.append(text);
    }
    return *this;
  }
  Line& pad(std::string_view text, std::size_t columns, std::string_view color = {}) {
    add(text, color);
    return add(std::string(columns > text.size() ? columns - text.size() : 1, ' '));
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::size_t left_;
  bool color_;
};

/// A leg's light: lit when it was seen, a dash when others were broken for want of it, a dot while nothing can be said.
void lights(Line& line, const std::array<std::uint64_t, 4>& legs, std::uint64_t broken) {
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const std::string digit(1, static_cast<char>('1' + i));
    line.add(" ");
    if (legs[i] != 0) {
      line.add(digit, kGreen);
    } else if (broken != 0) {
      line.add("-", kRed);
    } else {
      line.add(".", kDim);
    }
  }
}

std::string counted(std::uint64_t n, std::string_view what) { return with_commas(n) + " " + std::string(what); }

void add_service(std::vector<std::string>& lines, const ServiceTally& tally, std::size_t width, bool color) {
  Line head(width, color);
  head.pad(to_string(tally.service), 28);
  lights(head, tally.legs, tally.broken);
  head.add("   " + counted(tally.connections, tally.connections == 1 ? "connection" : "connections"));
  if (tally.healthy != 0) head.add(", ").add(counted(tally.healthy, "healthy"), kGreen);
  if (tally.broken != 0) head.add(", ").add(counted(tally.broken, "broken"), kRed);
  lines.push_back(head.take());
  for (const DestinationTally& to : tally.destinations) {
    Line line(width, color);
    line.pad("  " + to_string(Endpoint{to.destination.rip, destination_port(tally.service, to.destination)}), 28);
    lights(line, to.legs, to.broken);
    line.add("   " + with_commas(to.connections));
    if (to.broken != 0) line.add(", ").add(counted(to.broken, "broken"), kRed);
    lines.push_back(line.take());
  }
}

std::string_view color_of(Severity severity) { return severity == Severity::error ? kRed : std::string_view(); }

}  // namespace

std::vector<std::string> live_view(const Report& report, const LiveMoment& moment, std::size_t width, std::size_t rows,
                                   bool color) {
  std::vector<std::string> lines;
  std::uint64_t dropped = 0;
  for (const SourceStatistics& source : report.sources) dropped += source.dropped.value_or(0);
  std::string head = "watching " + printable(moment.where, 200) + ": " + std::to_string(moment.since.count()) + " s";
  if (moment.until) head += " of " + std::to_string(moment.until->count()) + " s";
  head += ", " + counted(report.packets.total, "packets");
  if (dropped != 0) head += ", " + counted(dropped, "DROPPED");
  lines.push_back(Line(width, color).add(head).take());

  Line legend(width, color);
  legend.pad("", 28);
  for (std::size_t i = 0; i < kLegNames.size(); ++i) {
    legend.add(" " + std::to_string(i + 1) + " " + std::string(kLegNames[i]), kDim);
  }
  lines.push_back(legend.take());

  for (const ServiceTally& service : report.services) add_service(lines, service, width, color);
  if (report.services.empty()) lines.push_back(Line(width, color).add("no service is known yet", kDim).take());
  for (const Finding& finding : report.findings) {
    if (finding.severity == Severity::info) continue;
    lines.push_back(Line(width, color).add(code_name(finding.code), color_of(finding.severity)).add(" " + finding.title).take());
  }
  const std::string last = report.connections.total == 0 ? "connect from a client now; Ctrl-C ends this and prints the report"
                                                         : "Ctrl-C ends this and prints the report";
  // The first lines matter most; the last one says how to get out.
  if (rows != 0 && lines.size() + 1 > rows) lines.resize(rows - 1);
  lines.push_back(Line(width, color).add(last, kDim).take());
  return lines;
}

LiveView::LiveView(const DiagnosisOptions& o) : next_(std::chrono::steady_clock::now()) {
  const char* term = std::getenv("TERM");
  shown_ = !o.quiet && isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
  color_ = shown_ && wants_color(o.color, STDERR_FILENO);
}

void LiveView::draw(const Report& report, const LiveMoment& moment, std::chrono::steady_clock::duration cost) {
  const Size size = terminal_size();
  // The last column stays free: some terminals wrap as soon as it is written.
  const std::vector<std::string> lines =
      live_view(report, moment, std::max<std::size_t>(size.columns, 2) - 1, std::max<std::size_t>(size.rows, 2) - 1, color_);
  std::string out;
  if (drawn_ > 1) out += "\x1b[" + std::to_string(drawn_ - 1) + "A";
  out += "\r";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i != 0) out += "\r\n";
    out += lines[i] + "\x1b[K";
  }
  out += "\x1b[J";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, out.data(), out.size());
  drawn_ = lines.size();
  next_ =
      std::chrono::steady_clock::now() + std::max<std::chrono::steady_clock::duration>(std::chrono::milliseconds(250), 9 * cost);
}

void LiveView::clear() {
  if (drawn_ == 0) return;
  std::string out;
  if (drawn_ > 1) out += "\x1b[" + std::to_string(drawn_ - 1) + "A";
  out += "\r\x1b[J";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, out.data(), out.size());
  drawn_ = 0;
}

}  // namespace lvsnat::tool
