#include "ctl/remote.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "conf/command_line.h"
#include "ctl/client.h"
#include "ctl/screens/text.h"

namespace reeve::ctl {

namespace {

// What ssh(1) exits with when it did not come to the command, or lost it.
constexpr int kSshFailed = 255;
// What a shell there says of a command that it has not.
constexpr int kNotFound = 127;

constexpr std::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool is_made_of(std::string_view text, std::string_view more) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return kLetters.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos;
    });
}

// What comes while ssh runs, taken one by one and not by a handler: what the terminal sends is
// ssh's to act on, as with system(3); what somebody sends to us alone is passed on to it.
class SignalsForSsh {
public:
    // From before the fork on, that none is missed.
    SignalsForSsh() {
        // Inherited as ignored it would leave no status to wait for.
        std::signal(SIGCHLD, SIG_DFL);
        sigemptyset(&taken_);
        for (const int signal : {SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&taken_, signal);
        sigprocmask(SIG_BLOCK, &taken_, &before_);
    }

    // In the child.
    void give_back() const { sigprocmask(SIG_SETMASK, &before_, nullptr); }

    // The status of wait(2) with which it ended.
    [[nodiscard]] int passed_on_until_end_of(pid_t ssh) const {
        std::signal(SIGINT, SIG_IGN);
        std::signal(SIGQUIT, SIG_IGN);
        int status = 0;
        while (waitpid(ssh, &status, WNOHANG) == 0) {
            const int signal = sigwaitinfo(&taken_, nullptr);
            if (signal == SIGTERM || signal == SIGHUP) kill(ssh, signal);
        }
        return status;
    }

private:
    sigset_t taken_{};
    sigset_t before_{};
};

[[noreturn]] void become_ssh(const std::vector<std::string>& words, int report) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    // What main() has it ignore, an exec would keep.
    std::signal(SIGPIPE, SIG_DFL);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    const int number = errno;
    // A pipe takes as little as that at once.
    if (write(report, &number, sizeof number) != sizeof number) _exit(1);
    _exit(kNotFound);
}

}  // namespace

Expected<Remote, std::string> parse_remote(std::string_view url) {
    constexpr std::string_view kScheme = "ssh://";
    const auto wrong = [url](const std::string& why) {
        return Unexpected<std::string>{"-H takes ssh://[user@]host[:port], not '" +
                                       harmless(std::string{url}) + "'" +
                                       (why.empty() ? "" : ": " + why)};
    };
    if (!url.starts_with(kScheme)) {
        const std::string meant = std::string{kScheme} + std::string{url};
        const bool is_near = url.find("://") == std::string_view::npos && parse_remote(meant);
        return wrong(is_near ? "did you mean '" + meant + "'?" : "");
    }
    std::string_view rest = url.substr(kScheme.size());
    if (rest.find('/') != std::string_view::npos) return wrong("there is no path in it");

    Remote remote;
    if (const auto at = rest.find('@'); at != std::string_view::npos) {
        remote.user = rest.substr(0, at);
        rest.remove_prefix(at + 1);
        // ssh would take it for an option.
        if (remote.user.empty() || remote.user[0] == '-' || !is_made_of(remote.user, "._-+$\\"))
            return wrong("that is no user's name");
    }
    if (rest.starts_with('[')) {
        const auto end = rest.find(']');
        if (end == std::string_view::npos) return wrong("a ']' is missing");
        remote.host = rest.substr(1, end - 1);
        rest.remove_prefix(end + 1);
        if (!is_made_of(remote.host, ":.%_-")) return wrong("that is no address");
    } else {
        remote.host = rest.substr(0, rest.find(':'));
        rest.remove_prefix(remote.host.size());
        if (!is_made_of(remote.host, "._-")) return wrong("that is no host's name");
    }
    if (remote.host.empty()) return wrong("the host is missing");
    if (remote.host[0] == '-') return wrong("a host's name does not begin with '-'");
    if (rest.empty()) return remote;
    if (rest[0] != ':') return wrong("what stands behind the host is no port");
    remote.port = rest.substr(1);
    const bool digits = !remote.port.empty() && remote.port.size() <= 5 &&
                        remote.port.find_first_not_of("0123456789") == std::string::npos;
    const int number = digits ? std::stoi(remote.port) : 0;
    if (number < 1 || number > 65535) return wrong("a port is a number from 1 to 65535");
    return remote;
}

std::vector<std::string> ssh_words(const Remote& remote, const Options& options,
                                   const std::vector<std::string>& arguments,
                                   const Surroundings& world) {
    std::vector<std::string> words{"ssh"};
    const bool types = options.verb == Verb::attach;
    // Who looks at a terminal gets what a reevectl at a terminal prints: cut to its width,
    // coloured, and with nothing in it that would command the terminal; and ^C ends the one over
    // there.  What is piped to attach has to stay a pipe.
    const bool terminal = world.out_is_terminal && (world.in_is_terminal || !types);
    if (terminal) {
        // Even where standard input is none.
        words.emplace_back(world.in_is_terminal ? "-t" : "-tt");
        // Not "Connection to HOST closed."
        words.insert(words.end(), {"-o", "LogLevel=ERROR"});
    }
    // Or it would eat what a loop of a script reads its hosts from.
    if (!types && !world.in_is_terminal) words.emplace_back("-n");
    if (!remote.port.empty()) words.insert(words.end(), {"-p", remote.port});
    words.push_back((remote.user.empty() ? "" : remote.user + "@") + remote.host);
    words.emplace_back("--");
    // ssh puts spaces between them and has a shell read that.
    words.emplace_back("reevectl");
    for (const std::string& argument : arguments) words.push_back(conf::quote_word(argument));
    return words;
}

std::vector<std::string> without_host(const std::vector<std::string>& arguments,
                                      const Options& options) {
    // What is behind it is the command's of `run`.
    const std::size_t end = arguments.size() - options.run.command.size();
    std::vector<std::string> words;
    std::size_t i = 0;
    for (; i < end && arguments[i] != "--"; ++i) {
        const std::string& word = arguments[i];
        if (word == "-H" || word == "--host") {
            ++i;  // its value
        } else if (!word.starts_with("-H") && !word.starts_with("--host=")) {
            words.push_back(word);
        }
    }
    for (; i < arguments.size(); ++i) words.push_back(arguments[i]);
    return words;
}

int run_there(const Remote& remote, const Options& options,
              const std::vector<std::string>& arguments, const Surroundings& world) {
    const auto words = ssh_words(remote, options, arguments, world);
    const auto failed = [&](const std::string& message, Exit exit) {
        complain(world, "reevectl: " + message + "\n");
        return static_cast<int>(exit);
    };
    std::array<int, 2> report{};
    if (pipe2(report.data(), O_CLOEXEC) != 0)
        return failed(std::string{"can't start ssh: "} + std::strerror(errno), Exit::failed);
    const SignalsForSsh signals;
    // Not an exec in our place: 255 is ssh's own failure, for which there is a 7.
    const pid_t child = fork();
    if (child < 0)
        return failed(std::string{"can't start ssh: "} + std::strerror(errno), Exit::failed);
    if (child == 0) {
        signals.give_back();
        become_ssh(words, report[1]);
    }
    close(report[1]);
    const int status = signals.passed_on_until_end_of(child);
    int number = 0;
    const bool not_started = read(report[0], &number, sizeof number) == sizeof number;
    close(report[0]);
    if (not_started) {
        return failed(std::string{"-H needs ssh, which can't be started: "} +
                          std::strerror(number) +
                          (number == ENOENT ? "\nreevectl: install an OpenSSH client" : ""),
                      Exit::unreachable);
    }
    if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
    const int code = WEXITSTATUS(status);
    if (code == kSshFailed) return static_cast<int>(Exit::unreachable);
    if (code == kNotFound) {
        return failed(remote.host +
                          " has no reevectl where ssh looks for it (its PATH is that of a shell "
                          "which is not a login)",
                      Exit::unreachable);
    }
    return code;
}

}  // namespace reeve::ctl
