// One line for monitoring plugins. Guidelines: https://www.monitoring-plugins.org/doc/guidelines.html ("Plugin Output for
// Nagios", "Performance data": 'label'=value[UOM];[warn];[crit];[min];[max]).
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "lvsnat/render.h"
#include "render/way_table.h"

namespace lvsnat {
namespace {

constexpr std::size_t kNamedFindings = 3;
constexpr std::size_t kMaxTitle = 160;

std::string_view status_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "OK";
    case Verdict::warning:
      return "WARNING";
    case Verdict::error:
      return "CRITICAL";
    case Verdict::unknown:
      break;
  }
  return "UNKNOWN";
}

/// The first '|' ends the words and begins the numbers, so none may stand in the words.
std::string plugin_words(std::string_view text) {
  std::string out = printable(text, kMaxTitle);
  std::replace(out.begin(), out.end(), '|', '/');
  return out;
}

std::string counter(std::string_view label, std::uint64_t value) {
  return " " + std::string(label) + "=" + std::to_string(value) + ";;;0";
}

std::string seconds(std::string_view label, const std::optional<Latency>& latency) {
  if (!latency) return {};
  std::array<char, 48> text{};
  const int n = std::snprintf(text.data(), text.size(), "%.9f", static_cast<double>(latency->p50) / 1e9);
  return " " + std::string(label) + "=" + std::string(text.data(), static_cast<std::size_t>(n)) + "s;;;0";
}

}  // namespace

std::string render_nagios(const Report& report) {
  std::string tool = report.tool;
  std::transform(tool.begin(), tool.end(), tool.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string out = tool + " " + std::string(status_word(report.verdict)) + " - ";

  std::uint64_t errors = 0, warnings = 0;
  std::size_t named = 0;
  for (const Finding& finding : report.findings) {
    errors += finding.severity == Severity::error ? 1 : 0;
    warnings += finding.severity == Severity::warning ? 1 : 0;
    // A healthy or broken cluster's line has no room for what is merely worth knowing.
    if (finding.severity == Severity::info && report.verdict != Verdict::unknown) continue;
    if (named == kNamedFindings) continue;
    if (named++ != 0) out += "; ";
    out += code_name(finding.code) + " " + plugin_words(finding.title);
  }
  const std::uint64_t unnamed = errors + warnings > named ? errors + warnings - named : 0;
  if (unnamed != 0) out += "; and " + std::to_string(unnamed) + " more";
  if (named == 0 && report.verdict == Verdict::unknown) {
    out += "nothing could be diagnosed";
  } else if (named == 0) {
    const ConnectionTally& c = report.connections;
    // Settings alone were looked at, or nobody connected: zero of zero says nothing.
    if (c.total != 0) out += std::to_string(c.healthy) + " of " + std::to_string(c.total) + " connections healthy, ";
    if (c.total == 0 && !report.reply_ways.empty() && every_way_is_right(report)) out += "replies go back through the director, ";
    out += "nothing wrong seen";
    if (c.total == 0 && !report.reply_ways.empty() && !every_way_is_right(report)) out += ", but not every way could be judged";
    if (c.total == 0 && report.reply_ways.empty() && report.way_back.empty() && !report.sources.empty())
      out += " in the settings; no connection of any service was seen";
  }

  std::uint64_t packets = 0, dropped = 0;
  bool drops_known = false;
  for (const SourceStatistics& source : report.sources) {
    packets += source.packets;
    dropped += source.dropped.value_or(0);
    drops_known = drops_known || source.dropped.has_value();
  }
  const ConnectionTally& c = report.connections;
  out += " |" + counter("connections", c.total) + counter("healthy", c.healthy) + counter("broken", c.broken) +
         counter("undecided", c.undecided) + counter("errors", errors) + counter("warnings", warnings) +
         counter("packets", packets);
  if (drops_known) out += counter("dropped", dropped);
  out += seconds("director_request", c.director_request) + seconds("director_reply", c.director_reply) +
         seconds("real_server", c.real_server) + seconds("client", c.client);
  return out + "\n";
}

}  // namespace lvsnat
