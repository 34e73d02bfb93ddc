#include "terminal.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <set>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace lvsnat::top {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kFrame = 100 * kMillisecond;  // at most ten redraws a second
constexpr unsigned kLastSeconds = 1;                 // for a terminal that takes no output when we must go

volatile std::sig_atomic_t ending = 0, resized = 0, stopped = 0;
int pipe_ends[2] = {-1, -1};
termios saved_terminal;
bool terminal_saved = false;

void poke() {
  const int kept = errno;
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(pipe_ends[1], &byte, 1);
  errno = kept;
}
void on_end(int signal) {
  ending = signal;
  alarm(kLastSeconds);
  poke();
}
void on_resize(int) {
  resized = 1;
  poke();
}
void on_stop(int) {
  stopped = 1;
  poke();
}
// Only async-signal-safe calls: the terminal hangs, or we do.
void on_alarm(int) {
  if (terminal_saved) tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
  _exit(128 + ending);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

std::int64_t steady_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Error failed(int error) { return {ErrorCode::io, "the screen ended: " + std::generic_category().message(error)}; }

/// What waits on the terminal: nothing, keys, or its end.
bool terminal_gone(short events) {
  if ((events & (POLLHUP | POLLERR | POLLNVAL)) != 0) return true;
  if ((events & POLLIN) == 0) return false;
  // Readable without bytes is the end of the file.
  int bytes = 0;
  return ioctl(STDIN_FILENO, FIONREAD, &bytes) == 0 && bytes == 0;
}

}  // namespace

Result<int> run_terminal(Live& live, Names& names, App& app, const CursesCanvas::Options& options) {
  if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) return failed(errno);
  terminal_saved = tcgetattr(STDIN_FILENO, &saved_terminal) == 0;
  // Before curses starts: it leaves alone the handlers that are there.
  handle(SIGWINCH, on_resize);
  handle(SIGTSTP, on_stop);
  handle(SIGTERM, on_end);
  handle(SIGHUP, on_end);
  handle(SIGINT, on_end);
  handle(SIGALRM, on_alarm);
  handle(SIGPIPE, SIG_IGN);

  CursesCanvas canvas(options);
  app.set_names(names.known());
  std::uint64_t sequence = ~std::uint64_t{0};
  std::int64_t snapshot_at = steady_now(), next_frame = 0, drawn_at = 0;
  bool dirty = true;
  while (ending == 0) {
    const std::int64_t now = steady_now();
    if (auto latest = live.latest(); latest->sequence != sequence) {
      sequence = latest->sequence;
      snapshot_at = now;
      app.show(std::move(latest));
      dirty = true;
    }
    // Live ages tick between snapshots, once a second.
    const bool ticks = app.snapshot().capture.mode == Mode::live && !app.snapshot().capture.ended && !app.view().frozen;
    if (ticks && now - drawn_at >= 1000 * kMillisecond) dirty = true;
    if (dirty && now >= next_frame) {
      canvas.begin();
      app.draw(canvas, ticks ? now - snapshot_at : 0);
      canvas.end();
      if (const std::set<Address> nameless = app.take_nameless(); !nameless.empty()) names.want(nameless);
      dirty = false;
      drawn_at = now;
      next_frame = now + kFrame;
    }

    std::int64_t wait = dirty ? next_frame - now : ticks ? std::max<std::int64_t>(drawn_at + 1000 * kMillisecond - now, 0) : -1;
    pollfd waiting[4]{{STDIN_FILENO, POLLIN, 0},
                      {live.wake_descriptor(), POLLIN, 0},
                      {pipe_ends[0], POLLIN, 0},
                      {names.wake_descriptor(), POLLIN, 0}};
    const int timeout = wait < 0 ? -1 : static_cast<int>(wait / kMillisecond) + 1;
    const int ready = poll(waiting, 4, timeout);
    if (ready < 0 && errno != EINTR) return failed(errno);
    if (ready <= 0) continue;
    if ((waiting[2].revents & POLLIN) != 0) {
      char bytes[64];
      while (read(pipe_ends[0], bytes, sizeof bytes) > 0) {
      }
    }
    if ((waiting[1].revents & POLLIN) != 0) {
      for (const std::string& message : live.take_messages()) app.say(message), dirty = true;
    }
    if ((waiting[3].revents & POLLIN) != 0) app.set_names(names.known()), dirty = true;
    if (stopped != 0) {
      stopped = 0;
      canvas.suspend();
      raise(SIGSTOP);  // the shell sees a stopped job; SIGCONT goes on here
      canvas.resume();
      dirty = true;
    }
    if (resized != 0) {
      resized = 0;
      canvas.resize();
      dirty = true;
    }
    if (waiting[0].revents != 0) {
      if (terminal_gone(waiting[0].revents)) {
        ending = SIGHUP;
        alarm(kLastSeconds);
        break;
      }
      bool go_on = true;
      for (Input input = canvas.read(); go_on && input.key != Key::none; input = canvas.read()) {
        if (input.key == Key::redraw) canvas.repaint();
        go_on = app.handle(input);
        dirty = true;
        // What a key changes is seen at once; only snapshots are held to ten a second.
        next_frame = std::min(next_frame, now + kFrame / 4);
      }
      if (!go_on) return 0;
    }
  }
  return static_cast<int>(ending);
}

}  // namespace lvsnat::top
