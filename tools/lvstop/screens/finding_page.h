// A finding in full, its cure alone, and the page of its rule: prose for the pages that Enter, y and e open.
#pragma once

#include <string_view>
#include <vector>

#include "lvsnat/finding.h"
#include "screens/screen.h"

namespace lvsnat::top {

/// Title, what it is about, cause, proof, cure, what is unchecked, what follows from it.
std::vector<Line> finding_lines(const Finding&, int width);
/// Only the commands, one a line, so that a terminal's selection copies them.
std::vector<Line> cure_lines(const Finding&, int width);

}  // namespace lvsnat::top
