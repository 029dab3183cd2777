#include "supervisor/app/config_watch.h"

#include <sys/stat.h>

#include <utility>

namespace reeve::app {

ConfigWatch::ConfigWatch(loop::Loop& loop) : loop_{loop}, patience_{loop, [this] { answer(); }} {}

void ConfigWatch::set_sources(std::shared_ptr<const conf::Sources> sources) {
    sources_ = std::move(sources);
    stamps_.clear();
    changed_ = false;
    // A look that is under way is one at the files before.
    work_.reset();
    answer();
}

void ConfigWatch::ask(std::function<void(bool)> done) {
    asking_.push_back(std::move(done));
    if (!patience_.active()) patience_.start(kPatience);
    if (work_ && work_->busy()) return;
    work_ = std::make_unique<loop::Work>(loop_, loop::Work::Lane::may_hang,
                                         "look at the configuration");
    auto found = std::make_shared<Look>(Look{sources_, stamps_, false});
    const bool looking = work_->start([found] { look(*found); },
                                      [this, found] {
                                          stamps_ = std::move(found->stamps);
                                          changed_ = found->changed;
                                          answer();
                                      });
    if (!looking) answer();
}

void ConfigWatch::answer() {
    patience_.stop();
    for (const auto& done : std::exchange(asking_, {})) done(changed_);
}

ConfigWatch::Stamp ConfigWatch::stamp_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    const auto in_nanoseconds = [](const timespec& time) {
        return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    };
    return {status.st_dev, status.st_ino, status.st_size, in_nanoseconds(status.st_mtim),
            in_nanoseconds(status.st_ctim)};
}

void ConfigWatch::look(Look& look) {
    for (const auto& [path, text] : look.sources->files) {
        if (path == "-") continue;
        // Before it is read: what is written meanwhile is seen the next time.
        const Stamp stamp = stamp_of(path);
        const auto known = look.stamps.find(path);
        if (known != look.stamps.end() && known->second == stamp) continue;
        if (conf::read_config_file(path) != text) {
            look.changed = true;
            return;
        }
        look.stamps[path] = stamp;
    }
    for (const auto& [pattern, paths] : look.sources->globs) {
        if (conf::matching_files(pattern) == paths) continue;
        look.changed = true;
        return;
    }
}

}  // namespace reeve::app
