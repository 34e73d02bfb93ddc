// The screen of a terminal: a canvas over ncursesw, its keys, its size, and the promise that it is put back in order.
//
// One object at a time. Threads: the one that made it. Everything ncurses is inside; nobody else includes it.
#pragma once

#include <optional>
#include <string>

#include "canvas.h"
#include "keys.h"

namespace lvsnat::top {

class CursesCanvas final : public Canvas {
 public:
  struct Options {
    bool color = true;    // false: monochrome (NO_COLOR, --color never)
    bool unicode = true;  // false: ASCII (--ascii, or the locale is not UTF-8)
    bool mouse = true;
  };
  /// Whether TERM names a terminal that can be drawn on (known, cursor can be moved); the reason when not.
  static std::optional<std::string> unusable();

  /// Takes the terminal; the destructor gives it back.
  explicit CursesCanvas(const Options&);
  ~CursesCanvas() override;
  /// Gives the terminal back where no destructor will run.
  static void give_back() noexcept;

  [[nodiscard]] int width() const override;
  [[nodiscard]] int height() const override;
  [[nodiscard]] bool unicode() const override { return options_.unicode; }

  void begin();    // a fresh, empty picture
  void end();      // what has changed goes to the terminal
  void resize();   // after SIGWINCH
  void repaint();  // everything anew, whatever the terminal may hold
  void suspend();  // gives the terminal back for SIGTSTP
  void resume();   // and takes it again
  /// The next key, or Key::none: nothing waits. Never blocks.
  Input read();

 protected:
  void set(int row, int column, const Cell& cell, int columns) override;

 private:
  Options options_;
  bool colors_ = false;
};

}  // namespace lvsnat::top
