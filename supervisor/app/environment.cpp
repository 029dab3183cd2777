#include "supervisor/app/environment.h"

#include <fnmatch.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <map>

namespace reeve::app {

namespace {

// Meant for the process that they were given to: sd_notify(3), sd_listen_fds(3), and the run of
// another reeve that ours is nested in.
constexpr std::array<const char*, 11> kOurs{"NOTIFY_SOCKET",  "WATCHDOG_USEC",  "WATCHDOG_PID",
                                            "LISTEN_FDS",     "LISTEN_PID",     "LISTEN_FDNAMES",
                                            "INVOCATION_ID",  "JOURNAL_STREAM", "REEVE_PROGRAM",
                                            "REEVE_INSTANCE", "REEVE_RUN"};

bool inherits(const conf::Program& program, const std::string& name) {
    if (std::ranges::find(kOurs, name) != kOurs.end()) return false;
    if (!program.inherit_environment) return true;
    return std::ranges::any_of(*program.inherit_environment, [&](const std::string& glob) {
        return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
    });
}

}  // namespace

std::string make_invocation_id() {
    std::array<unsigned char, 16> bytes{};
    // Never short and never blocking for so few, once the kernel's pool was ready at boot; before
    // that the zeros would only make the id less random.
    [[maybe_unused]] const auto got = getrandom(bytes.data(), bytes.size(), GRND_NONBLOCK);
    constexpr char kDigits[] = "0123456789abcdef";
    std::string id;
    id.reserve(2 * bytes.size());
    for (const unsigned char byte : bytes) {
        id += kDigits[byte >> 4];
        id += kDigits[byte & 15];
    }
    return id;
}

std::vector<std::string> make_environment(const conf::EnvironmentMap& inherited,
                                          const conf::Program& program, const os::Account& account,
                                          const RunIdentity& identity) {
    const auto& own = program.environments[static_cast<std::size_t>(identity.instance - 1)];

    std::map<std::string, std::string> all;
    for (const auto& [name, value] : inherited) {
        if (inherits(program, name)) all.emplace(name, value);
    }
    if (!program.user.empty()) {
        if (!account.name.empty()) all["USER"] = all["LOGNAME"] = account.name;
        if (!account.home.empty()) all["HOME"] = account.home;
        if (!account.shell.empty()) all["SHELL"] = account.shell;
    }
    for (const auto& [name, value] : own) all[name] = value;
    all["REEVE_PROGRAM"] = identity.program;
    all["REEVE_INSTANCE"] = std::to_string(identity.instance);
    all["REEVE_RUN"] = std::to_string(identity.run);
    all["INVOCATION_ID"] = identity.invocation_id;

    std::vector<std::string> environment;
    environment.reserve(all.size());
    for (const auto& [name, value] : all) environment.push_back(name + "=" + value);
    return environment;
}

std::string value_of(const std::vector<std::string>& environment, const std::string& name) {
    const std::string start = name + "=";
    for (const std::string& entry : environment) {
        if (entry.starts_with(start)) return entry.substr(start.size());
    }
    return {};
}

}  // namespace reeve::app
