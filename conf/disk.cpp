#include "conf/disk.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <optional>
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

Found found_as(const struct stat& status) {
    if (S_ISDIR(status.st_mode)) return {Kind::directory};
    if (S_ISSOCK(status.st_mode)) return {Kind::socket};
    if (S_ISREG(status.st_mode)) return {Kind::other, identity_of(status)};
    return {Kind::other};
}

// Puts the parts of `path` before those that are still to be walked; the next is the last.
void push_parts(std::vector<string>& parts, std::string_view path) {
    while (!path.empty()) {
        const std::size_t slash = path.rfind('/');
        const std::size_t start = slash == std::string_view::npos ? 0 : slash + 1;
        const std::string_view part = path.substr(start);
        if (!part.empty() && part != ".") parts.emplace_back(part);
        path = path.substr(0, start == 0 ? 0 : start - 1);
    }
}

// Where a file that is not there would be made: the last that is there of the way to it, its
// links followed, and "/" and a name for each that would be made below.
struct NewFile {
    string directory;
    string below;
};

// nullopt: nobody can tell, or links lead round and round.
std::optional<NewFile> place_of_new_file(const string& path) {
    NewFile place{path.starts_with('/') ? "/" : ".", ""};
    std::vector<string> parts;
    push_parts(parts, path);
    int links = 0;
    while (!parts.empty()) {
        const string part = std::move(parts.back());
        parts.pop_back();
        if (!place.below.empty()) {
            // What reeve makes by itself is no link.
            if (part == "..") {
                place.below.erase(place.below.rfind('/'));
            } else {
                place.below += "/" + part;
            }
            continue;
        }
        const string next = place.directory + "/" + part;
        char target[PATH_MAX];
        const ssize_t size = ::readlink(next.c_str(), target, sizeof target);
        if (size >= 0) {
            if (++links > kMostLinks) return std::nullopt;
            const std::string_view text{target, static_cast<std::size_t>(size)};
            if (text.starts_with('/')) place.directory = "/";
            push_parts(parts, text);
        } else if (errno == EINVAL) {  // there, and no link
            place.directory = next;
        } else if (errno == ENOENT) {
            place.below = "/" + part;
        } else {
            return std::nullopt;
        }
    }
    return place;
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

bool is_public(const string& path) {
    struct stat file {};
    struct stat directory {};
    return ::stat(path.c_str(), &file) == 0 && (file.st_mode & S_IROTH) != 0 &&
           ::stat(directory_of(path).c_str(), &directory) == 0 &&
           (directory.st_mode & S_IXOTH) != 0;
}

Found look_at(const string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return found_as(status);
    if (errno != ENOENT) return {};
    const auto place = place_of_new_file(path);
    if (!place || ::stat(place->directory.c_str(), &status) != 0) return {};
    // "new/../web.log" is there as soon as "new" is made.
    if (place->below.empty()) return found_as(status);
    return {Kind::nothing, identity_of(status) + place->below};
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
        // What "." and ".." hide conf::validate has said.
        if (without_parents(first.path) == without_parents(use.path)) return;
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
