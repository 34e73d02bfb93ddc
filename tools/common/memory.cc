#include "common/memory.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>

#include <sys/uio.h>
#include <unistd.h>

#include "common/interruption.h"
#include "common/options.h"

namespace lvsnat::tool {
namespace {

const char* name = "";
std::atomic<bool> missed{false};
std::atomic<void (*)()> restore_first{nullptr};
std::terminate_handler otherwise = nullptr;

void note_and_throw() {
  missed = true;
  throw std::bad_alloc();
}

[[noreturn]] void end() noexcept {
  if (!missed) {
    if (otherwise != nullptr) otherwise();
    std::abort();
  }
  if (void (*restore)() = restore_first.exchange(nullptr)) restore();
  remove_unfinished();
  _exit(out_of_memory(name));
}

iovec part(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

}  // namespace

void end_tidily_without_memory(const char* tool) {
  name = tool;
  std::set_new_handler(note_and_throw);
  otherwise = std::set_terminate(end);
}

void before_the_end(void (*restore)()) noexcept { restore_first = restore; }

int out_of_memory(std::string_view tool) noexcept {
  const std::array<iovec, 2> line{
      part(tool),
      part(": out of memory: nothing was diagnosed; a smaller table (--max-connections) or capture (-F) takes less\n")};
  // Nothing can be said about a standard error that does not take it.
  [[maybe_unused]] const ssize_t written = writev(STDERR_FILENO, line.data(), static_cast<int>(line.size()));
  return kUnknown;
}

}  // namespace lvsnat::tool
