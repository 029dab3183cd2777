#include "ctl/output.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "ctl/screens/text.h"

namespace reeve::ctl {

namespace {

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

std::string value_of(const conf::EnvironmentMap& environment, std::string_view name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string{} : found->second;
}

int terminal_width(const conf::EnvironmentMap& environment, int fd) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    int columns = 0;
    const std::string text = value_of(environment, "COLUMNS");
    std::from_chars(text.data(), text.data() + text.size(), columns);
    return columns > 0 && columns < 10000 ? columns : 80;
}

Style style_of(const Surroundings& surroundings, bool terminal, int width, ColourChoice choice) {
    Style style;
    style.terminal = terminal;
    style.glyphs = terminal && surroundings.utf8;
    style.width = width;
    const bool wanted = value_of(surroundings.environment, "NO_COLOR").empty() &&
                        value_of(surroundings.environment, "TERM") != "dumb";
    style.colour =
        choice == ColourChoice::always || (choice == ColourChoice::automatic && terminal && wanted);
    return style;
}

}  // namespace

Surroundings own_surroundings(bool& failed) {
    Surroundings own;
    own.environment = conf::own_environment();
    if (char* const directory = getcwd(nullptr, 0)) {
        own.directory = directory;
        std::free(directory);
    }
    own.out = [&failed](std::string_view text) {
        if (write_all(STDOUT_FILENO, text)) return true;
        if (errno != EPIPE && !failed) {
            failed = true;
            write_all(STDERR_FILENO, std::string{"reevectl: can't write to standard output: "} +
                                         std::strerror(errno) + "\n");
        }
        return false;
    };
    own.err = [](std::string_view text) { return write_all(STDERR_FILENO, text); };
    own.now = [] {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    };
    own.out_is_terminal = isatty(STDOUT_FILENO) == 1;
    own.in_is_terminal = isatty(STDIN_FILENO) == 1;
    own.utf8 = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    own.width = own.out_is_terminal ? terminal_width(own.environment, STDOUT_FILENO) : 80;
    if (isatty(STDERR_FILENO) == 1) own.err_width = terminal_width(own.environment, STDERR_FILENO);
    return own;
}

Style choose_style(const Surroundings& surroundings, ColourChoice choice) {
    return style_of(surroundings, surroundings.out_is_terminal, surroundings.width, choice);
}

Style choose_error_style(const Surroundings& surroundings, ColourChoice choice) {
    const bool terminal = surroundings.err_width > 0;
    return style_of(surroundings, terminal, terminal ? surroundings.err_width : 80, choice);
}

void complain(const Surroundings& surroundings, std::string_view text) {
    const Style style = choose_error_style(surroundings, ColourChoice::never);
    std::string out;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        out += hanging(std::string{line}, 0, 2, style) + "\n";
    }
    surroundings.err(out);
}

}  // namespace reeve::ctl
