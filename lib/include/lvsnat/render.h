// A report as text, JSON, NDJSON or a monitoring plugin's line, and JSON read back. Pure functions over plain values, but for
// read_testimony(), which reads a file: nothing else is read, nothing is resolved, no clock is asked.
//
// Every string that came from outside (file names, interface names, addresses in words) passes printable() on its way out, so
// no output carries control characters. Errors: none; a report that contradicts itself is rendered as it is. Threads: all
// functions may be called at once from anywhere. Lines end in "\n".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lvsnat/connection.h"
#include "lvsnat/export.h"
#include "lvsnat/finding.h"
#include "lvsnat/report.h"
#include "lvsnat/result.h"
#include "lvsnat/rule.h"

namespace lvsnat {

/// Address as printed by to_string() -> host name. What nobody asked to resolve is empty.
using HostNames = std::map<std::string, std::string>;

struct TextOptions {
  int width = 80;        // columns; below 40 is taken as 40. Commands to be pasted are never broken, tables take 80.
  bool color = false;    // SGR colours on severity words and headings; never the only carrier of a meaning
  bool verbose = false;  // every count of packets, the director's addresses, cited frames in words
  bool quiet = false;    // the verdict and one line a finding
  HostNames names;       // for --names: listed once, after the tables
  /// A cited frame in words ("IP 10.1.1.2:80 > 192.168.1.254:40000 TCP SYN,ACK"); called only when verbose. May be empty.
  std::function<std::string(std::string_view source, std::uint32_t frame)> describe;
};

/// Verdict first, then each finding with proof, cause and cure, then services and real servers, latencies, what was
/// captured, and how to go on.
LVSNAT_EXPORT std::string render_text(const Report& report, const TextOptions& options = {});

/// One JSON object that validates against docs/findings.schema.json, keys always in the same order. `indent` < 0: one line.
/// A final newline follows in either case.
LVSNAT_EXPORT std::string render_json(const Report& report, const HostNames& names = {}, int indent = 2);

/// A report that render_json() wrote, read back, for `lvsdiag --with`: tool, host, verdict, times, the director, findings, the
/// way back and notes; services, connections and packets are left out. The text is a stranger's: sizes and counts are bounded,
/// strings become printable. Errors say the place (`findings[3].severity`): limit, malformed, unsupported (of a newer schema).
LVSNAT_EXPORT Result<Report> read_json_report(std::string_view text);
/// The same from a file, and of lvstrace: a report of another program is an error (unsupported). Regular files of at most 16 MiB;
/// the message begins with the path. Also not_found, no_permission.
LVSNAT_EXPORT Result<Testimony> read_testimony(const std::filesystem::path& path);

/// One line for Nagios, Icinga, Naemon: "LVSDIAG CRITICAL - ... | performance data" (Monitoring Plugins Development
/// Guidelines, "Plugin Output for Nagios"): one line, no '|' in the words, labels and units as the guidelines want them.
LVSNAT_EXPORT std::string render_nagios(const Report& report);

/// `--format ndjson`: {"type":"finding",...}, with the members that a finding has in the JSON report.
LVSNAT_EXPORT std::string render_finding_line(const Finding& finding);
/// {"type":"lost",...}: packets were lost at a source since the last such line.
LVSNAT_EXPORT std::string render_lost_line(const SourceStatistics& source, std::uint64_t lost);
/// {"type":"report",...}: the last line of a stream; the JSON report with a type.
LVSNAT_EXPORT std::string render_report_line(const Report& report, const HostNames& names = {});
/// Lines of type finding, lost (sources that dropped packets) and, last, report. What --format ndjson writes after the
/// connections.
LVSNAT_EXPORT std::string render_ndjson(const Report& report, const HostNames& names = {});

/// Bytes that render_connection_line() may need, its newline counted.
inline constexpr std::size_t kConnectionLineSize = 2048;
/// One connection as one line of JSON: protocol, client, client_port, vip, vip_port, rip, rip_port, legs, packets, bytes,
/// first, last, state, findings, latency_us. With `typed`, "type":"connection" stands first (--format ndjson).
/// Latencies are microseconds with three digits after the point, null where not measurable.
/// Writes at most kConnectionLineSize bytes to `out` and returns how many; does not allocate for IPv4. At most 64 findings
/// are named. `out` must hold kConnectionLineSize bytes.
LVSNAT_EXPORT std::size_t render_connection_line(const Connection& connection, std::span<const int> findings, std::span<char> out,
                                                 bool typed = false);

/// What can be found, for `lvsdiag rules`: two lines a rule, 80 columns.
LVSNAT_EXPORT std::string render_rules_text(std::span<const Rule* const> rules);
/// One JSON array, or one object a line with `lines`: code, id, severity, where, title.
LVSNAT_EXPORT std::string render_rules_json(std::span<const Rule* const> rules, bool lines = false);

/// What a leg string says, in words: "request and its forwarding seen, no reply came back".
LVSNAT_EXPORT std::string legs_in_words(const LegString& legs);

}  // namespace lvsnat
