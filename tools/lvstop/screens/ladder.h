// One connection as a ladder: client, director, real server; each packet on its leg, what is missing drawn as missing.
//
// 76 columns and more: the director has two lanes, outside and inside. 48 and more: one lane. Below: a list of words.
#pragma once

#include <string>

#include "screens/screen.h"

namespace lvsnat::top {

/// `page.connection` names the connection; it need not exist any more (the page then says so).
/// Returns how far the page can scroll.
int draw_ladder(const Scene&, const Page&, Canvas&, Area);
/// The same as text, unbounded in height: for saving.
std::string ladder_text(const Scene&, const Page&, int width, bool unicode);

}  // namespace lvsnat::top
