// The loop of the screen: keys, snapshots, signals; until q, a signal, or the terminal's end.
//
// SIGTERM, SIGHUP and SIGINT end it with the terminal restored, also when the terminal no longer takes output (a timer
// ends the process then, within 2 s). SIGTSTP and SIGCONT, SIGWINCH do what one expects.
#pragma once

#include "app.h"
#include "curses_canvas.h"
#include "live.h"
#include "lvsnat/result.h"
#include "names.h"

namespace lvsnat::top {

/// How it ended: 0 for q, else the number of the signal; SIGHUP when the terminal went away. Errors: io, what the screen needs of
/// the system and did not get.
Result<int> run_terminal(Live&, Names&, App&, const CursesCanvas::Options&);

}  // namespace lvsnat::top
