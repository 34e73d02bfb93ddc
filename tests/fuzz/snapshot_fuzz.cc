// A snapshot file into a kernel state, and everything that judges a state: a hostile file must not bring down the rules, nor
// lvstrace's checks, nor the reports.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "fuzz/fuzz.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/render.h"
#include "lvsnat/state.h"
#include "lvsnat/wayback.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  auto read = read_snapshot({reinterpret_cast<const char*>(data), size});
  if (!read) {
    demand(fuzz::clean(read.error().message), "a clean sentence says why");
    return 0;
  }
  const auto state = std::make_shared<const KernelState>(std::move(*read));
  AnalyzerOptions options;
  options.max_connections = 16;
  options.hash_seed = 1;
  options.state = state;
  const Analyzer analyzer(options);
  for (const Report& report : {analyzer.report({}), trace_way_back(state.get(), {})}) {
    const std::string json = render_json(report);
    demand(nlohmann::json::accept(json), "the report is JSON");
    demand(json.find("\\u001b") == std::string::npos, "no escape character in the report");
    const std::string text = render_text(report);
    demand(text.find('\x1b') == std::string::npos, "no escape character on the screen");
    (void)render_nagios(report);
  }
  return 0;
}
