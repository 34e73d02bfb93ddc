// The help of the view it was asked from, and the page of a finding's rule.
#pragma once

#include <string_view>
#include <vector>

#include "screens/screen.h"

namespace lvsnat::top {

/// Keys that mean something in this view (a Scope bit), then the legs, then the filter language.
std::vector<Line> help_lines(std::uint8_t scope, bool replay, int width);
/// Markdown as lines: headings bold, code indented, markup of emphasis and links left as it is.
std::vector<Line> markdown_lines(std::string_view text, int width);

}  // namespace lvsnat::top
