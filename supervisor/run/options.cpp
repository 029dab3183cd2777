#include "supervisor/run/options.h"

#include <getopt.h>

#include <cstdlib>
#include <string_view>

namespace reeve::run {

namespace {

constexpr int kUsage = 64;  // EX_USAGE of sysexits.h, as of reeve itself

constexpr std::string_view kHelp =
    "Usage: reeve run [OPTIONS] [--] COMMAND [ARGUMENT...]\n"
    "\n"
    "Runs one command as the init of a container would: signals are sent on to it, what it leaves\n"
    "behind is reaped, and its exit code is ours (128+N when signal N ended it, 126 when it can't\n"
    "be executed, 127 when there is none of that name).\n"
    "\n"
    "Examples:\n"
    "  ENTRYPOINT [\"reeve\", \"run\", \"--\"]\n"
    "  reeve run -- python3 app.py\n"
    "  reeve run --grace 5s -- sh -c 'worker & server'   none is left at the end\n"
    "  reeve run --rewrite TERM:QUIT -- nginx -g 'daemon off;'\n"
    "\n"
    "  -g, --group            signals go to the command's whole process group\n"
    "  -r, --rewrite S:T      signal S is sent on as T, or dropped with 0: 15:3, TERM:QUIT, HUP:0\n"
    "  -p SIGNAL              sent on when our own parent dies\n"
    "  -e CODE                this exit code of the command counts as 0; may be repeated\n"
    "  -w                     say whenever an orphan is reaped\n"
    "      --grace DUR        at the end all that is left gets TERM, and KILL after DUR\n"
    "  -P, --pause            no command: reap until TERM or INT, then exit 0\n"
    "  -v, --verbose          say what is done, on standard error\n"
    "  -s, -c                 taken for tini's and dumb-init's sake: it is so anyway\n"
    "  -l                     print the licence\n"
    "  -h, --help\n"
    "  -V, --version\n";

// Of the file LICENSE.
constexpr std::string_view kLicence =
    "MIT License\n"
    "\n"
    "Copyright (c) 2026 The reeve authors\n"
    "\n"
    "Permission is hereby granted, free of charge, to any person obtaining a copy\n"
    "of this software and associated documentation files (the \"Software\"), to deal\n"
    "in the Software without restriction, including without limitation the rights\n"
    "to use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n"
    "copies of the Software, and to permit persons to whom the Software is\n"
    "furnished to do so, subject to the following conditions:\n"
    "\n"
    "The above copyright notice and this permission notice shall be included in all\n"
    "copies or substantial portions of the Software.\n"
    "\n"
    "THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR\n"
    "IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,\n"
    "FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE\n"
    "AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER\n"
    "LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,\n"
    "OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE\n"
    "SOFTWARE.\n";

constexpr int kGrace = 256;

constexpr option kLong[] = {
    {"group", no_argument, nullptr, 'g'},
    {"rewrite", required_argument, nullptr, 'r'},
    {"grace", required_argument, nullptr, kGrace},
    {"pause", no_argument, nullptr, 'P'},
    {"verbose", no_argument, nullptr, 'v'},
    {"single-child", no_argument, nullptr, 'c'},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {nullptr, 0, nullptr, 0},
};

Parsed wrong(const std::string& what) {
    return {std::nullopt, "reeve run: " + what + " (see reeve run --help)\n", kUsage};
}

bool is_number(std::string_view text) {
    return !text.empty() && text.size() <= 3 &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The error, or nothing.
std::string add_rewrite(Options& options, const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos)
        return "--rewrite takes FROM:TO, such as 15:3, not '" + text + "'";
    const auto from = conf::parse_signal(text.substr(0, colon));
    if (!from) return "--rewrite: " + from.error();
    const std::string to = text.substr(colon + 1);
    if (to == "0") {
        options.rewritten[static_cast<std::size_t>(*from)] = 0;
        return {};
    }
    const auto signal = conf::parse_signal(to);
    if (!signal) return "--rewrite: " + signal.error();
    options.rewritten[static_cast<std::size_t>(*from)] = *signal;
    return {};
}

void read_environment(Options& options) {
    if (std::getenv("TINI_KILL_PROCESS_GROUP")) options.signal_group = true;
    const char* verbosity = std::getenv("TINI_VERBOSITY");
    if (verbosity && std::atoi(verbosity) > 1) options.verbose = true;
    const char* debug = std::getenv("DUMB_INIT_DEBUG");
    if (debug && std::string_view{debug} == "1") options.verbose = true;
}

// The error, or nothing.
std::string take(Options& options, int letter, const std::string& value) {
    switch (letter) {
        case 'g':
            options.signal_group = true;
            return {};
        case 'r':
            return add_rewrite(options, value);
        case 'p': {
            const auto signal = conf::parse_signal(value);
            if (!signal) return "-p: " + signal.error();
            options.signal_at_parents_death = *signal;
            return {};
        }
        case 'e':
            if (!is_number(value) || std::stoi(value) > 255)
                return "-e takes an exit code, 0 to 255, not '" + value + "'";
            options.good_codes.set(static_cast<std::size_t>(std::stoi(value)));
            return {};
        case 'w':
            options.tell_reaped = true;
            return {};
        case kGrace: {
            const auto grace = conf::parse_duration(value);
            if (!grace) return "--grace: " + grace.error();
            options.grace = *grace;
            return {};
        }
        case 'P':
            options.pause = true;
            return {};
        case 'v':
            options.verbose = true;
            return {};
        case 's':
        case 'c':
            return {};
        default:
            return "?";
    }
}

}  // namespace

Parsed parse(const std::vector<std::string>& arguments, bool is_docker_init) {
    Options options;
    for (int signal = 0; signal <= kLastSignal; ++signal)
        options.rewritten[static_cast<std::size_t>(signal)] = signal;
    read_environment(options);

    std::vector<std::string> words{"reeve run"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int argc = static_cast<int>(words.size());

    optind = 0;  // anew, getopt(3)
    opterr = 0;
    for (;;) {
        const int at = optind;
        // '+': options end with the command.
        const int letter = ::getopt_long(argc, argv.data(), "+:gr:p:e:wPvsclhV", kLong, nullptr);
        if (letter == -1) break;
        if (letter == 'h') return {std::nullopt, std::string{kHelp}, 0};
        if (letter == 'l') return {std::nullopt, std::string{kLicence}, 0};
        if (letter == 'V') {
            return {std::nullopt,
                    is_docker_init ? "tini version " REEVE_VERSION "_reeve\n"
                                   : "reeve " REEVE_VERSION "\n",
                    0};
        }
        const std::string word = words[static_cast<std::size_t>(at < 1 ? 1 : at)];
        if (letter == ':') return wrong("'" + word + "' needs a value");
        if (letter == '?') return wrong("no option '" + word + "'");
        if (const std::string error = take(options, letter, optarg ? optarg : ""); !error.empty())
            return wrong(error);
    }
    options.command.assign(words.begin() + optind, words.end());
    if (options.pause && !options.command.empty()) return wrong("--pause runs no command");
    if (!options.pause && (options.command.empty() || options.command[0].empty()))
        return wrong("there is no command: reeve run [OPTIONS] -- COMMAND");
    return {std::move(options), {}, 0};
}

}  // namespace reeve::run
