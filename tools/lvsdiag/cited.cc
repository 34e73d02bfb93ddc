#include "lvsdiag/cited.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "lvsnat/capture.h"
#include "lvsnat/rule.h"

namespace lvsnat::tool {

namespace {

Status all_read(std::size_t left, std::size_t cited) {
  if (left == 0) return ok();
  return Error{ErrorCode::io, "--evidence: " + with_commas(left) + " of the " + with_commas(cited) +
                                  " packets that findings cite could not be read a second time"};
}

}  // namespace

std::map<Citation, std::string> citations(const Report& report) {
  std::map<Citation, std::string> cited;
  for (const Finding& finding : report.findings) {
    const Rule* rule = find_rule(finding.code);
    std::string head = code_name(finding.code);
    if (rule != nullptr) head += " " + std::string(rule->id);
    if (finding.legs) head += " [" + finding.legs->str() + "]";
    for (const Evidence& evidence : finding.evidence) {
      if (!evidence.source || evidence.frame.value_or(0) == 0) continue;
      std::string& words = cited[{*evidence.source, *evidence.frame}];
      if (!words.empty()) words += "; ";
      words += printable(head + ": " + evidence.text, 1000);
    }
  }
  return cited;
}

Status visit_cited(const CommonOptions& options, const std::map<Citation, std::string>& cited,
                   const std::function<Status(const Frame&, const std::vector<Vantage>&, const std::string& words)>& visit) {
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (std::size_t i = 0; i < options.read.size(); ++i) {
    const std::string& path = options.read[i];
    const auto from_here = [&path](const auto& entry) { return entry.first.first == path; };
    if (path == "-" || std::none_of(cited.begin(), cited.end(), from_here)) continue;
    auto source = open_capture_file(path, {.filter = options.filter, .source_index = static_cast<std::uint16_t>(i)});
    // The first pass has told already what could not be read then.
    if (source) sources.push_back(std::move(*source));
  }
  std::size_t left = static_cast<std::size_t>(
      std::count_if(cited.begin(), cited.end(), [](const auto& entry) { return entry.first.first != "-"; }));
  if (sources.empty()) return all_read(left, cited.size());
  const std::unique_ptr<PacketSource> source = merge_sources(std::move(sources));
  std::array<Frame, 256> frames;
  while (left != 0) {
    const std::size_t n = source->read(frames);
    if (n == 0) break;
    const std::vector<Vantage>& vantages = source->vantages();
    for (std::size_t i = 0; i < n; ++i) {
      const auto found = cited.find({vantages[frames[i].vantage].source, frames[i].number});
      if (found == cited.end()) continue;
      --left;
      if (Status status = visit(frames[i], vantages, found->second); !status) return status;
    }
  }
  return all_read(left, cited.size());
}

Status write_evidence(const CommonOptions& options, const Report& report, KeptCapture& file) {
  const Status status = visit_cited(options, citations(report),
                                    [&file](const Frame& frame, const std::vector<Vantage>& vantages, const std::string& words) {
                                      return file.write(frame, vantages, words);
                                    });
  const Status named = file.commit();
  return status ? named : status;
}

Status write_evidence(const KeptCapture& kept, const Report& report, KeptCapture& file) {
  const std::map<Citation, std::string> cited = citations(report);
  auto opened = open_capture_file(kept.unfinished());
  if (!opened) return opened.error();
  PacketSource& source = **opened;
  // Interfaces were numbered one by one, the file is numbered throughout; each interface's order is the same in both.
  std::map<std::string, std::uint32_t> numbers;
  std::size_t left = cited.size();
  std::array<Frame, 256> frames;
  while (const std::size_t n = source.read(frames)) {
    const std::vector<Vantage>& vantages = source.vantages();
    for (std::size_t i = 0; i < n; ++i) {
      const std::string& interface = vantages[frames[i].vantage].interface;
      const auto found = cited.find({interface, ++numbers[interface]});
      if (found == cited.end()) continue;
      --left;
      if (!file.write(frames[i], vantages, found->second)) return file.commit();
    }
  }
  const Status named = file.commit();
  // Of packets that -w could not keep was told there.
  return named && !kept.broken() ? all_read(left, cited.size()) : named;
}

std::map<Citation, std::string> describe_cited(const CommonOptions& options, const Report& report) {
  std::map<Citation, std::string> words;
  const Status status = visit_cited(options, citations(report),
                                    [&words](const Frame& frame, const std::vector<Vantage>& vantages, const std::string&) {
                                      words[{vantages[frame.vantage].source, frame.number}] = describe_frame(frame);
                                      return ok();
                                    });
  // Words are an extra: without them the proof still stands.
  static_cast<void>(status.has_value());
  return words;
}

}  // namespace lvsnat::tool
