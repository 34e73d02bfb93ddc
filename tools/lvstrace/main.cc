// lvstrace: a real server's routes (and packets) in, the way of its replies out.
#include <exception>
#include <variant>

#include "common/memory.h"
#include "common/output.h"
#include "lvstrace/options.h"
#include "lvstrace/trace.h"

int main(int argc, char** argv) {
  using namespace lvsnat::tool;
  end_tidily_without_memory("lvstrace");
  try {
    prepare_standard_streams();
    auto parsed = parse_trace_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    return trace(std::get<TraceOptions>(parsed));
  } catch (const std::exception& error) {
    return lvsnat::tool::run_out("lvstrace", error);
  }
}
