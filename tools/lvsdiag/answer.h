// How lvsdiag answers, whatever it read: the report in the format asked for, lines about connections, the exit status.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/output.h"
#include "lvsdiag/options.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/render.h"
#include "lvsnat/report.h"

namespace lvsnat::tool {

/// The report in the format of the options, as it goes to `descriptor` (colour, width).
std::string rendered(const DiagnosisOptions& options, const Report& report, int descriptor);

/// One line on standard error; returns 3.
int failed(const Error& error);
/// Tells an error as failed() does. True: there was none.
bool told(const Status& status);
/// Something without which no diagnosis can begin: told in words, and as a report where a program reads the answer. Returns 3.
int give_up(const DiagnosisOptions& options, const std::string& why);
/// The same once the answer is open: no other file can be made by then.
int give_up(const DiagnosisOptions& options, const std::string& why, Output& answer);
/// What stands on standard error with status 3.
void tell_why_unknown(const Report& report);
/// The last step: the answer reaches its reader. Returns the exit status.
int finish(Output& output, const Report& report);

/// A capture must not be replaced by what is said about it. Empty: no outputs collide with each other or with an input.
std::string collision(const DiagnosisOptions& options);

/// Where lines about connections go: --connections, and the answer itself with --format ndjson.
class ConnectionLines {
 public:
  ConnectionLines(Output* file, Output* stream) : file_(file), stream_(stream) {}
  [[nodiscard]] bool wanted() const { return file_ != nullptr || stream_ != nullptr; }
  void operator()(const Connection& connection, std::span<const int> codes);
  /// Live: whoever reads along gets what there is.
  void flush();

 private:
  void put(Output& output, const Connection& connection, std::span<const int> codes, bool typed);
  Output *file_, *stream_;
  std::array<char, kConnectionLineSize> line_{};
};

}  // namespace lvsnat::tool
