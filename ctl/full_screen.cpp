#include "ctl/full_screen.h"

#include <ncursesw/curses.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>

namespace reeve::ctl {

namespace {

short pair_of(Colour colour) {
    return static_cast<short>(colour);
}

short number_of(Colour colour) {
    switch (colour) {
        case Colour::red:
            return COLOR_RED;
        case Colour::green:
            return COLOR_GREEN;
        case Colour::yellow:
            return COLOR_YELLOW;
        case Colour::blue:
            return COLOR_BLUE;
        case Colour::magenta:
            return COLOR_MAGENTA;
        case Colour::cyan:
            return COLOR_CYAN;
        case Colour::none:
        case Colour::bold:
        case Colour::dim:
            break;
    }
    return -1;
}

std::optional<Top::Key> named(wint_t code) {
    using Name = Top::Key::Name;
    switch (code) {
        case KEY_UP:
            return Top::Key{Name::up};
        case KEY_DOWN:
            return Top::Key{Name::down};
        case KEY_PPAGE:
            return Top::Key{Name::page_up};
        case KEY_NPAGE:
            return Top::Key{Name::page_down};
        case KEY_HOME:
            return Top::Key{Name::home};
        case KEY_END:
            return Top::Key{Name::end};
        case KEY_ENTER:
            return Top::Key{Name::enter};
        case KEY_BACKSPACE:
        case KEY_DC:
            return Top::Key{Name::erase};
        default:
            return std::nullopt;
    }
}

}  // namespace

bool FullScreen::open(bool colour) {
    // newterm() says that it can't; initscr() would end the process.
    if (!newterm(nullptr, stdout, stdin)) return false;
    open_ = true;
    // Esc alone is a key, too, and is not waited after for long.
    set_escdelay(25);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    colour_ = colour && has_colors();
    if (!colour_) return true;
    start_color();
    // On the terminal's own background, dark or light.
    use_default_colors();
    for (const Colour each : {Colour::red, Colour::green, Colour::yellow, Colour::blue,
                              Colour::magenta, Colour::cyan}) {
        init_pair(pair_of(each), number_of(each), -1);
    }
    return true;
}

void FullScreen::close() {
    if (!open_) return;
    open_ = false;
    endwin();
}

int FullScreen::width() const {
    return getmaxx(stdscr);
}

int FullScreen::height() const {
    return getmaxy(stdscr);
}

void FullScreen::draw(const std::vector<ScreenLine>& lines) {
    erase();
    for (std::size_t i = 0; i < lines.size() && static_cast<int>(i) < height(); ++i) {
        const ScreenLine& line = lines[i];
        attr_t attributes = A_NORMAL;
        if (line.bright) attributes |= A_REVERSE;
        if (line.colour == Colour::bold) attributes |= A_BOLD;
        if (line.colour == Colour::dim) attributes |= A_DIM;
        const bool coloured = colour_ && number_of(line.colour) >= 0;
        attr_set(attributes, coloured ? pair_of(line.colour) : static_cast<short>(0), nullptr);
        mvaddstr(static_cast<int>(i), 0, line.text.c_str());
    }
    attr_set(A_NORMAL, 0, nullptr);
    refresh();
}

std::optional<Top::Key> FullScreen::key() {
    using Name = Top::Key::Name;
    for (;;) {
        wint_t code = 0;
        const int kind = get_wch(&code);
        if (kind == ERR) return std::nullopt;
        if (kind == KEY_CODE_YES) {
            if (code == KEY_RESIZE) return std::nullopt;
            if (const auto key = named(code)) return key;
            continue;
        }
        if (code == 27) return Top::Key{Name::escape};
        if (code == '\n' || code == '\r') return Top::Key{Name::enter};
        if (code == 127 || code == 8) return Top::Key{Name::erase};
        if (code < 32) continue;
        char bytes[16];
        std::mbstate_t state{};
        const std::size_t size = std::wcrtomb(bytes, static_cast<wchar_t>(code), &state);
        if (size == static_cast<std::size_t>(-1)) continue;
        return Top::Key{Name::character, std::string(bytes, size)};
    }
}

}  // namespace reeve::ctl
