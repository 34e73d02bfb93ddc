// Where a real server's replies go, client by client, in words. Pure; internal to lib/render.
#pragma once

#include <cstddef>
#include <string>

#include "lvsnat/report.h"

namespace lvsnat {

/// Every way that was looked at is known to be right: round a director, or to a network in which there are no clients. What
/// nobody could judge is not.
[[nodiscard]] bool every_way_is_right(const Report& report);

/// Two or more lines for each entry of Report::reply_ways; nothing where there is none. Long lists of networks are cut unless
/// `verbose`.
void append_way_table(std::string& out, const Report& report, std::size_t width, bool verbose);

}  // namespace lvsnat
