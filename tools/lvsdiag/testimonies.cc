#include "lvsdiag/testimonies.h"

#include <string>
#include <utility>

#include "lvsnat/render.h"

namespace lvsnat::tool {

Result<std::vector<Testimony>> read_testimonies(const DiagnosisOptions& options) {
  constexpr std::size_t kMaxReports = 1024;
  std::vector<Testimony> out;
  if (options.reports.size() > kMaxReports)
    return Error{ErrorCode::limit, "--with: more than " + std::to_string(kMaxReports) + " reports"};
  for (const std::string& path : options.reports) {
    auto one = read_testimony(path);
    if (!one) return Error{one.error().code, "--with " + one.error().message};
    out.push_back(std::move(*one));
  }
  return out;
}

}  // namespace lvsnat::tool
