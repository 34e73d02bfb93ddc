// What happens when there is no memory left: the program says so and ends with status 3, wherever that shows.
//
// Most of the programs throw std::bad_alloc to main(). But the JSON library's destructors ask for memory, directory iterators of
// the standard library do where they may not throw, and threads have no main().
#pragma once

#include <string_view>

namespace lvsnat::tool {

/// Call it first. Where memory runs out and nothing can be thrown, unfinished files are removed, a line says why, and the status
/// is 3. Every other end by std::terminate() stays what it is: a bug, and a signal.
void end_tidily_without_memory(const char* tool);
/// Called before that line is written: a screen gives its terminal back. nullptr: nothing is.
void before_the_end(void (*restore)()) noexcept;

/// The line, written without asking for memory. Returns the status, 3.
int out_of_memory(std::string_view tool) noexcept;

}  // namespace lvsnat::tool
