#include "supervisor/app/file_watch.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include "conf/units.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/file_globs.h"

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kNoThreadRetry{1000};

// What a scan finds; made on the thread.
struct Scan {
    std::atomic<bool> wanted{true};
    os::FileScan files;
    std::map<int, std::string> directories;  // by their watch
    std::optional<base::OsError> lack;       // a watch that could not be had
};

// "src/app.py changed and 3 more": the first in order that did.
std::string difference(const os::FileScan& before, const os::FileScan& now,
                       const std::string& root) {
    std::string first;
    std::size_t others = 0;
    const auto note = [&](const std::string& path, const char* what) {
        if (!first.empty()) {
            ++others;
            return;
        }
        const bool below = !root.empty() && path.starts_with(root + "/");
        first = (below ? path.substr(root.size() + 1) : path) + what;
    };
    for (const auto& [path, mark] : now.files) {
        const auto known = before.files.find(path);
        if (known == before.files.end()) {
            note(path, " is new");
        } else if (known->second != mark) {
            note(path, " changed");
        }
    }
    for (const auto& [path, mark] : before.files)
        if (!now.files.contains(path)) note(path, " is gone");
    if (others > 0) first += ", and " + std::to_string(others) + " more";
    return first;
}

std::string trouble_of(const Scan& scan, const std::string& why_no_inotify) {
    const std::string late =
        "; it is looked every " + conf::format_duration(FileWatch::kPollEvery) + " instead";
    if (scan.files.failed != 0) {
        return "not all could be looked at: " + base::errno_text(scan.files.failed) +
               "; it is tried again every " + conf::format_duration(FileWatch::kPollEvery);
    }
    if (!why_no_inotify.empty()) return why_no_inotify + late;
    if (scan.lack) {
        const bool full = scan.lack->number == ENOSPC;
        return scan.lack->text() + (full ? " (raise fs.inotify.max_user_watches)" : "") + late;
    }
    if (scan.files.too_many_directories)
        return "more than " + std::to_string(os::kMostWatchedDirectories) +
               " directories: changes in the others are not seen (narrow the globs)";
    if (scan.files.too_many_files)
        return "more than " + std::to_string(os::kMostWatchedFiles) +
               " files: changes of the others are not seen (narrow the globs)";
    return {};
}

}  // namespace

struct FileWatch::Watched {
    Watched(loop::Loop& loop, std::uint32_t the_slot, std::string the_name,
            std::vector<std::string> the_globs, std::function<void()> on_time)
        : slot{the_slot},
          name{std::move(the_name)},
          globs{std::move(the_globs)},
          timer{loop, std::move(on_time)},
          work{loop, loop::Work::Lane::watched_files, name} {}
    ~Watched() {
        if (scan) scan->wanted = false;
    }

    std::uint32_t slot;
    std::string name;
    std::string root;  // what paths are told from
    std::vector<std::string> globs;
    loop::Timer timer;
    loop::Work work;
    std::shared_ptr<Scan> scan;  // under way
    std::optional<os::FileScan> known;
    std::map<int, std::string> directories;
    // When the first of what has not been looked at was heard.
    std::optional<milliseconds> heard_at;
    bool heard_meanwhile = false;  // while a scan was under way
    std::set<int> unknown;         // watches that were heard meanwhile: may be one of its new ones
    bool polls = false;
    std::string trouble;
};

FileWatch::FileWatch(loop::Loop& loop, core::Roster& roster, Log log)
    : loop_{loop}, roster_{roster}, log_{std::move(log)}, fd_watch_{loop} {
    follow_roster();
}

FileWatch::~FileWatch() = default;

void FileWatch::follow_roster() {
    std::set<std::uint32_t> wanted;
    for (const auto& instance : roster_.instances()) {
        const conf::Program& program = instance->program();
        const auto index = static_cast<std::size_t>(instance->number() - 1);
        if (index >= program.watches.size()) continue;
        const std::uint32_t slot = instance->slot();
        wanted.insert(slot);
        auto& watched = watched_[slot];
        if (watched && watched->globs == program.watches[index] &&
            watched->name == instance->name()) {
            continue;
        }
        watched = std::make_unique<Watched>(
            loop_, slot, instance->name(), program.watches[index], [this, slot] {
                if (const auto found = watched_.find(slot); found != watched_.end())
                    scan(*found->second);
            });
        if (index < program.directories.size()) watched->root = program.directories[index];
        scan(*watched);
    }
    for (auto at = watched_.begin(); at != watched_.end();) {
        if (wanted.contains(at->first)) {
            ++at;
            continue;
        }
        roster_.on_watch_trouble(at->first, {});
        at = watched_.erase(at);
    }
    drop_unused_watches();
}

void FileWatch::open_inotify() {
    if (inotify_) return;
    why_no_inotify_.clear();
    auto opened = os::Inotify::open();
    if (opened) {
        inotify_ = std::move(*opened);
        const auto watching = fd_watch_.start(inotify_->fd(), {.readable = true},
                                              [this](loop::FdWatch::Ready) { on_events(); });
        if (watching) return;
        inotify_.reset();
        why_no_inotify_ = watching.error().text();
        return;
    }
    why_no_inotify_ = opened.error().text();
    if (opened.error().number == EMFILE)
        why_no_inotify_ += " (raise fs.inotify.max_user_instances)";
}

void FileWatch::on_events() {
    for (const os::Inotify::Event& event : inotify_->read()) {
        for (const auto& [slot, watched] : watched_) hear(*watched, event);
    }
}

// Whether it is worth a look; and when.
void FileWatch::hear(Watched& watched, const os::Inotify::Event& event) {
    const auto directory = watched.directories.find(event.watch);
    if (directory == watched.directories.end()) {
        // Of all, or of one that the scan under way has just begun to watch, or of another's.
        if (event.watch != -1) {
            if (watched.work.busy()) watched.unknown.insert(event.watch);
            return;
        }
    } else {
        const std::string& parent = directory->second;
        const std::string path =
            event.name.empty() ? parent : (parent == "/" ? "" : parent) + "/" + event.name;
        // "..data" is what the files of a Kubernetes volume are links through.
        const bool concerns = event.name.empty() || event.name.starts_with("..") ||
                              (watched.known && watched.known->files.contains(path)) ||
                              std::ranges::any_of(watched.globs, [&](const std::string& glob) {
                                  return os::may_concern(glob, path);
                              });
        if (!concerns) return;
    }
    if (watched.work.busy()) {
        watched.heard_meanwhile = true;
        return;
    }
    const milliseconds now = loop_.now();
    if (!watched.heard_at) watched.heard_at = now;
    watched.timer.start(std::min(kQuiet, *watched.heard_at + kMostPatience - now));
}

void FileWatch::scan(Watched& watched) {
    if (watched.work.busy()) return;
    open_inotify();
    watched.heard_at.reset();
    watched.scan = std::make_shared<Scan>();
    const bool started = watched.work.start(
        [scan = watched.scan, globs = watched.globs, inotify = inotify_] {
            scan->files = os::scan_globs(globs, [&](const std::string& directory) {
                if (!inotify || !scan->wanted) return;
                const auto watch = inotify->watch(directory);
                if (watch) {
                    scan->directories.emplace(*watch, directory);
                } else if (watch.error().number == ENOSPC || watch.error().number == ENOMEM) {
                    scan->lack = watch.error();
                }
            });
        },
        [this, slot = watched.slot] {
            if (const auto found = watched_.find(slot); found != watched_.end())
                scanned(*found->second);
        });
    if (!started) watched.timer.start(kNoThreadRetry);
}

void FileWatch::scanned(Watched& watched) {
    const auto scan = std::exchange(watched.scan, nullptr);
    const bool complete = scan->files.failed == 0;
    // Those that were not come to are watched as before.
    if (!complete) scan->directories.merge(watched.directories);
    watched.directories = std::move(scan->directories);
    watched.polls = !complete || scan->lack.has_value() || !inotify_;
    tell_trouble(watched, trouble_of(*scan, why_no_inotify_));

    std::string changes;
    if (complete) {
        if (watched.known) changes = difference(*watched.known, scan->files, watched.root);
        if (!watched.known) {
            log_.debug(watched.name + ": watches " + std::to_string(scan->files.files.size()) +
                       " files in " + std::to_string(watched.directories.size()) + " directories");
        }
        watched.known = std::move(scan->files);
    }
    for (const int watch : std::exchange(watched.unknown, {}))
        if (watched.directories.contains(watch)) watched.heard_meanwhile = true;
    if (std::exchange(watched.heard_meanwhile, false)) {
        watched.heard_at = loop_.now();
        watched.timer.start(kQuiet);
    } else if (watched.polls) {
        watched.timer.start(kPollEvery);
    }
    drop_unused_watches();
    if (!changes.empty()) roster_.on_files_changed(watched.slot, changes);
}

void FileWatch::tell_trouble(Watched& watched, std::string trouble) {
    if (trouble == watched.trouble) return;
    if (!trouble.empty()) log_.warn(watched.name + ": watch: " + trouble);
    watched.trouble = trouble;
    roster_.on_watch_trouble(watched.slot, std::move(trouble));
}

// Not while anybody scans: it may have been given one of these once more.
void FileWatch::drop_unused_watches() {
    if (!inotify_) return;
    std::set<int> unused = inotify_->watches();
    for (const auto& [slot, watched] : watched_) {
        if (watched->work.busy()) return;
        for (const auto& [watch, directory] : watched->directories) unused.erase(watch);
    }
    for (const int watch : unused) inotify_->unwatch(watch);
}

}  // namespace reeve::app
