#include "conf/disk.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <set>

#include "conf/paths.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

using std::string;
using Kind = Found::Kind;

constexpr int kMostLinks = 40;  // as many as Linux follows

string identity_of(const struct stat& status) {
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

// One place that names a path.
struct Use {
    const string& path;
    Place place;
    bool of_own_log;
};

void for_each_use(const Config& config, Place log, const std::function<void(const Use&)>& action) {
    const auto use = [&](const string& path, Place place, bool of_own_log) {
        // Empty: what is wrong with it was said.
        if (!path.empty()) action({path, place, of_own_log});
    };
    const OwnLogTarget& own = config.supervisor.log;
    if (own.kind == OwnLogTarget::Kind::file) use(own.path, log, true);
    for (const Program& program : config.programs) {
        for (const Output* output : {&program.output, &program.error}) {
            for (std::size_t i = 0; i < output->places.size(); ++i) {
                const Sink& sink = output->sinks[i];
                if (sink.kind != Sink::Kind::file) continue;
                if (sink.instance_paths.empty()) use(sink.path, output->places[i], false);
                for (const string& path : sink.instance_paths) use(path, output->places[i], false);
            }
        }
    }
}

}  // namespace

Found look_at(const string& path) {
    string name = path;
    for (int links = 0; links <= kMostLinks; ++links) {
        struct stat status {};
        if (::stat(name.c_str(), &status) == 0) {
            if (S_ISDIR(status.st_mode)) return {Kind::directory};
            if (S_ISSOCK(status.st_mode)) return {Kind::socket};
            if (S_ISREG(status.st_mode)) return {Kind::other, identity_of(status)};
            return {Kind::other};
        }
        if (errno != ENOENT) return {};
        char target[PATH_MAX];
        const ssize_t size = ::readlink(name.c_str(), target, sizeof target);
        if (size < 0) {
            // Nothing there, and a file would be made in that directory, if there is one.
            if (::stat(directory_of(name).c_str(), &status) != 0) return {Kind::nothing};
            return {Kind::nothing, identity_of(status) + name.substr(name.rfind('/') + 1)};
        }
        name =
            join_path(directory_of(name), std::string_view{target, static_cast<std::size_t>(size)});
    }
    return {};
}

std::vector<string> paths_of_output(const Config& config) {
    std::vector<string> paths;
    std::set<string> seen;
    for_each_use(config, {}, [&](const Use& use) {
        if (seen.insert(use.path).second) paths.push_back(use.path);
    });
    return paths;
}

void check_found(const Config& config, const AsWritten& written, const std::vector<Found>& found,
                 Problems& problems) {
    std::map<string, Found> at;
    const std::vector<string> paths = paths_of_output(config);
    for (std::size_t i = 0; i < paths.size() && i < found.size(); ++i) at[paths[i]] = found[i];

    std::map<string, Use> firsts;  // by identity
    for_each_use(config, written.log, [&](const Use& use) {
        const Found& here = at[use.path];
        const string shown = quoted_short(use.path);
        if (here.kind == Kind::directory) {
            const std::string_view file = use.of_own_log ? "reeve.log" : "${program}.log";
            problems.add(use.place,
                         shown + " is a directory (write the name of a file in it, such as " +
                             quoted_short(join_path(use.path, file)) + ")");
        } else if (here.kind == Kind::socket) {
            problems.add(use.place, shown +
                                        " is a socket, which can't be opened as a file (write "
                                        "\"syslog\" or \"journal\", or another path)");
        }
        if (here.identity.empty()) return;
        const Use& first = firsts.emplace(here.identity, use).first->second;
        if (first.path == use.path) return;
        const string there = config.files[first.place.file] + ":" +
                             std::to_string(first.place.line) + ":" +
                             std::to_string(first.place.column);
        problems.add(use.place, shown + " is the same file as " + quoted_short(first.path) +
                                    " at " + there +
                                    (first.of_own_log ? ", reeve's own log (give each its own)"
                                                      : " (write the same path in both, or give "
                                                        "each its own)"));
    });
}

}  // namespace reeve::conf
