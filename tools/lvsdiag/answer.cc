#include "lvsdiag/answer.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "common/known.h"
#include "common/output.h"
#include "lvsdiag/cited.h"

namespace lvsnat::tool {
namespace {

TextOptions text_options(const DiagnosisOptions& o, int descriptor) {
  TextOptions text;
  text.width = text_width(descriptor);
  text.color = wants_color(o.color, descriptor);
  text.quiet = o.quiet;
  text.verbose = o.verbose;
  return text;
}

}  // namespace

std::string collision(const DiagnosisOptions& o) {
  return collision({{"-o", o.output}, {"--connections", o.connections}, {"--evidence", o.evidence}, {"-w", o.write}}, o.read);
}

std::string rendered(const DiagnosisOptions& o, const Report& report, int descriptor) {
  const HostNames names = o.names ? look_up_names(report) : HostNames();
  switch (o.format) {
    case Format::json:
      return render_json(report, names);
    case Format::ndjson:
      return render_ndjson(report, names);
    case Format::nagios:
      return render_nagios(report);
    case Format::text:
      break;
  }
  TextOptions text = text_options(o, descriptor);
  text.names = names;
  std::map<Citation, std::string> words;
  if (o.verbose) {
    words = describe_cited(o, report);
    text.describe = [&words](std::string_view source, std::uint32_t frame) {
      const auto found = words.find({std::string(source), frame});
      return found == words.end() ? std::string() : found->second;
    };
  }
  return render_text(report, text);
}

int failed(const Error& error) {
  complain("lvsdiag", error.message);
  return kUnknown;
}

bool told(const Status& status) {
  if (!status) failed(status.error());
  return status.has_value();
}

void tell_why_unknown(const Report& report) {
  std::string line = "nothing could be diagnosed";
  if (!report.findings.empty()) {
    const Finding& finding = report.findings.front();
    line += ": " + finding.title;
    if (!finding.unchecked.empty()) line += "; " + finding.unchecked.front();
  } else {
    line +=
        ": no traffic of any service was seen; capture while a client tries to connect, and name the services with --config or "
        "--service";
  }
  complain("lvsdiag", line);
}

int give_up(const DiagnosisOptions& o, const std::string& why) {
  if (o.format == Format::text) {
    complain("lvsdiag", why);
    return kUnknown;
  }
  auto output = Output::open(o.output, {.force = o.force});
  if (!output) {
    complain("lvsdiag", why);
    return failed(output.error());
  }
  return give_up(o, why, **output);
}

int give_up(const DiagnosisOptions& o, const std::string& why, Output& answer) {
  complain("lvsdiag", why);
  if (o.format == Format::text) return kUnknown;
  Report report = Analyzer(AnalyzerOptions{}).report({});
  report.tool_version = LVSNAT_VERSION;
  report.verdict = Verdict::unknown;
  report.notes.push_back(why);
  Status status = answer.write(rendered(o, report, answer.descriptor()));
  if (status) status = answer.commit();
  return status || answer.reader_gone() ? kUnknown : failed(status.error());
}

void ConnectionLines::operator()(const Connection& connection, std::span<const int> codes) {
  if (file_ != nullptr) put(*file_, connection, codes, false);
  if (stream_ != nullptr) put(*stream_, connection, codes, true);
}

void ConnectionLines::flush() {
  // Errors stick to the output and are told by its commit().
  if (file_ != nullptr) static_cast<void>(file_->flush().has_value());
  if (stream_ != nullptr) static_cast<void>(stream_->flush().has_value());
}

void ConnectionLines::put(Output& output, const Connection& connection, std::span<const int> codes, bool typed) {
  const std::size_t n = render_connection_line(connection, codes, line_, typed);
  static_cast<void>(output.write({line_.data(), n}).has_value());
}

int finish(Output& output, const Report& report) {
  const Status status = output.commit();
  if (!status && !output.reader_gone()) return failed(status.error());
  return exit_status(report);
}

}  // namespace lvsnat::tool
