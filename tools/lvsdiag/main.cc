// lvsdiag: captures of a director (or its kernel state) in, a proved diagnosis out.
#include <exception>
#include <variant>

#include "common/memory.h"
#include "common/output.h"
#include "lvsdiag/options.h"
#include "lvsdiag/verbs.h"

namespace {

int run(int argc, char** argv) {
  using namespace lvsnat::tool;
  prepare_standard_streams();
  auto parsed = parse_diagnosis_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const DiagnosisOptions& options = std::get<DiagnosisOptions>(parsed);
  switch (options.verb) {
    case Verb::diagnose:
      return diagnose(options);
    case Verb::check:
      return check(options);
    case Verb::snapshot:
      return snapshot(options);
    case Verb::rules:
      return list_rules(options);
    case Verb::explain:
      return explain(options);
    case Verb::probe:
      return probe(options);
  }
  return kUnknown;
}

}  // namespace

int main(int argc, char** argv) {
  lvsnat::tool::end_tidily_without_memory("lvsdiag");
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    return lvsnat::tool::run_out("lvsdiag", error);
  }
}
