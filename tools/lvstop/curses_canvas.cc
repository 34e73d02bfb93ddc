#include "curses_canvas.h"

#include <cstdlib>
#include <cwchar>

#include <sys/ioctl.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <termcap.h>

namespace lvsnat::top {
namespace {

short pair_of(Tone tone) { return static_cast<short>(static_cast<int>(tone) + 1); }

}  // namespace

std::optional<std::string> CursesCanvas::unusable() {
  const char* term = std::getenv("TERM");
  if (term == nullptr || *term == '\0') return "TERM is not set";
  // termcap's view of terminfo: its header, unlike term.h, leaves the names of this program alone.
  if (tgetent(nullptr, term) != 1) return "TERM names no terminal that is known here";
  if (tgetstr("cm", nullptr) == nullptr) return "the terminal named by TERM cannot move its cursor";
  return std::nullopt;
}

CursesCanvas::CursesCanvas(const Options& options) : options_(options) {
  initscr();
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  set_escdelay(50);
  curs_set(0);
  if (options_.mouse) {
    mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
    mouseinterval(200);
  }
  if (options_.color && has_colors()) {
    start_color();
    use_default_colors();
    colors_ = true;
    // Blue and orange would do for most colour-blind eyes, but eight-colour terminals have no orange: words and signs carry
    // the meaning, these only help to find them.
    init_pair(pair_of(Tone::plain), -1, -1);
    init_pair(pair_of(Tone::good), COLOR_GREEN, -1);
    init_pair(pair_of(Tone::warning), COLOR_YELLOW, -1);
    init_pair(pair_of(Tone::bad), COLOR_RED, -1);
    init_pair(pair_of(Tone::accent), COLOR_CYAN, -1);
    init_pair(pair_of(Tone::faint), -1, -1);
  }
}

CursesCanvas::~CursesCanvas() { endwin(); }

void CursesCanvas::give_back() noexcept {
  if (stdscr != nullptr && !isendwin()) endwin();
}

int CursesCanvas::width() const { return getmaxx(stdscr); }
int CursesCanvas::height() const { return getmaxy(stdscr); }

void CursesCanvas::begin() { erase(); }
void CursesCanvas::end() {
  move(0, 0);
  refresh();
}

void CursesCanvas::resize() {
  struct winsize size {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
    constexpr int kMost = 1000;  // cells are stored: a window said to be 65,535 columns wide is no window
    resizeterm(size.ws_row < kMost ? size.ws_row : kMost, size.ws_col < kMost ? size.ws_col : kMost);
  }
  clearok(stdscr, TRUE);
}

void CursesCanvas::repaint() { clearok(stdscr, TRUE); }

void CursesCanvas::suspend() {
  def_prog_mode();
  endwin();
}

void CursesCanvas::resume() {
  reset_prog_mode();
  resize();
  refresh();
}

void CursesCanvas::set(int row, int column, const Cell& cell, int columns) {
  wchar_t text[2]{static_cast<wchar_t>(cell.code), L'\0'};
  // Where the C library thinks otherwise about the width, the terminal may too: better a sign than a torn line.
  if (cell.code > 0x7e && wcwidth(text[0]) != columns) text[0] = L'?';
  attr_t attributes = A_NORMAL;
  if (cell.style.bold) attributes |= A_BOLD;
  if (cell.style.reverse) attributes |= A_REVERSE;
  if (cell.style.tone == Tone::faint && !cell.style.reverse) attributes |= A_DIM;
  if (!colors_ && cell.style.tone == Tone::bad) attributes |= A_BOLD;
  const short pair = colors_ ? pair_of(cell.style.tone) : short{0};
  cchar_t wide;
  if (setcchar(&wide, text, attributes, pair, nullptr) == OK) mvadd_wch(row, column, &wide);
}

Input CursesCanvas::read() {
  wint_t code = 0;
  const int kind = get_wch(&code);
  if (kind == ERR) return {};
  if (kind != KEY_CODE_YES) {
    switch (code) {
      case L'\r':
      case L'\n':
        return {Key::enter};
      case 8:
      case 127:
        return {Key::backspace};
      case 12:
        return {Key::redraw};
      case 21:
        return {Key::kill_line};
      default:
        return {static_cast<Key>(code)};
    }
  }
  switch (code) {
    case KEY_UP:
      return {Key::up};
    case KEY_DOWN:
      return {Key::down};
    case KEY_LEFT:
      return {Key::left};
    case KEY_RIGHT:
      return {Key::right};
    case KEY_PPAGE:
      return {Key::page_up};
    case KEY_NPAGE:
      return {Key::page_down};
    case KEY_HOME:
      return {Key::home};
    case KEY_END:
      return {Key::end};
    case KEY_BTAB:
      return {Key::back_tab};
    case KEY_ENTER:
      return {Key::enter};
    case KEY_BACKSPACE:
      return {Key::backspace};
    case KEY_DC:
      return {Key::erase};
    case KEY_F(1):
      return {Key::f1};
    case KEY_F(2):
      return {Key::f2};
    case KEY_F(4):
      return {Key::f4};
    case KEY_F(6):
      return {Key::f6};
    case KEY_F(10):
      return {Key::f10};
    case KEY_MOUSE: {
      MEVENT event;
      if (getmouse(&event) != OK) return {Key::redraw};
      if ((event.bstate & BUTTON4_PRESSED) != 0) return {Key::wheel_up, event.y, event.x};
      if ((event.bstate & BUTTON5_PRESSED) != 0) return {Key::wheel_down, event.y, event.x};
      if ((event.bstate & BUTTON1_DOUBLE_CLICKED) != 0) return {Key::double_click, event.y, event.x};
      return {Key::click, event.y, event.x};
    }
    default:
      return {Key::redraw};  // a key without meaning: harmless, and not "nothing waits"
  }
}

}  // namespace lvsnat::top
