#include "supervisor/app/passed_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <utility>

#include "conf/quote.h"

namespace reeve::app {

namespace {

constexpr int kFirst = 3;   // SD_LISTEN_FDS_START
constexpr int kMost = 256;  // descriptors; a number that is larger is no number of ours
constexpr int kBacklog = 128;
constexpr std::string_view kName = "control";

std::string value_of(const conf::EnvironmentMap& environment, std::string_view name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string{} : found->second;
}

int number_in(const std::string& text) {
    int number = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? number : -1;
}

std::vector<std::string> names_in(const std::string& text) {
    std::vector<std::string> names{""};
    for (const char c : text) {
        if (c == ':') {
            names.emplace_back();
        } else {
            names.back() += c;
        }
    }
    return names;
}

int option_of(int fd, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// Why it can't be the control socket; empty: it can, and `path` is where it is.
std::string fault_of(int fd, std::string& path) {
    if (option_of(fd, SO_DOMAIN) == -1) return "it is no socket";
    if (option_of(fd, SO_DOMAIN) != AF_UNIX || option_of(fd, SO_TYPE) != SOCK_STREAM)
        return "it is no Unix stream socket (ListenStream=/run/reeve/reeve.sock)";
    if (option_of(fd, SO_ACCEPTCONN) != 1) return "it does not listen (Accept=no)";
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        size <= offsetof(sockaddr_un, sun_path) || address.sun_path[0] != '/') {
        return "it has no path";
    }
    path.assign(address.sun_path,
                ::strnlen(address.sun_path, size - offsetof(sockaddr_un, sun_path)));
    return {};
}

}  // namespace

PassedSocket take_passed_socket(const conf::EnvironmentMap& environment, pid_t own_pid) {
    PassedSocket passed;
    const std::string pid = value_of(environment, "LISTEN_PID");
    if (pid.empty() || number_in(pid) != own_pid) return passed;
    const std::string text = value_of(environment, "LISTEN_FDS");
    const int count = number_in(text);
    if (count < 0 || count > kMost) {
        passed.remarks.push_back("LISTEN_FDS is " + conf::quoted(text) +
                                 ", and no number of descriptors: reeve makes its own socket");
        return passed;
    }
    const std::vector<std::string> names = names_in(value_of(environment, "LISTEN_FDNAMES"));
    for (int i = 0; i < count; ++i) {
        base::Fd fd{kFirst + i};
        const int flags = ::fcntl(fd.get(), F_GETFL);
        if (flags < 0) {
            fd.release();
            passed.remarks.push_back("LISTEN_FDS is " + text + ", but descriptor " +
                                     std::to_string(kFirst + i) + " is not open");
            continue;
        }
        const auto at = static_cast<std::size_t>(i);
        const std::string name = at < names.size() ? names[at] : "";
        const std::string which = "descriptor " + std::to_string(kFirst + i) +
                                  (name.empty() ? "" : " (" + conf::quoted(name) + ")") +
                                  " of LISTEN_FDS is not used: ";
        if (count > 1 && name != kName) {
            passed.remarks.push_back(which + "the control socket is the one that is named " +
                                     std::string{kName} +
                                     " (FileDescriptorName=), programs have theirs from "
                                     "[socket.NAME]");
            continue;
        }
        if (passed.fd) {
            passed.remarks.push_back(which + "one control socket is enough");
            continue;
        }
        std::string path;
        if (const std::string fault = fault_of(fd.get(), path); !fault.empty()) {
            passed.remarks.push_back(which + fault);
            continue;
        }
        // Once more, for the kernel tells clients the pid of who listened last (SO_PEERCRED), by
        // which `reevectl shutdown` knows that we have ended.
        (void)::listen(fd.get(), kBacklog);
        (void)::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
        (void)::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
        passed.fd = std::move(fd);
        passed.path = std::move(path);
    }
    return passed;
}

}  // namespace reeve::app
