// The version of the toolkit; CMakeLists.txt has the same, and a test compares them.
#pragma once

#include <string_view>

namespace lvsnat {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace lvsnat
