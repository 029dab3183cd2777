#include "supervisor/os/file_globs.h"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <set>

namespace reeve::os {

namespace {

using Components = std::vector<std::string>;

constexpr std::string_view kAnyDirectories = "**";

bool is_glob(std::string_view component) {
    return component.find_first_of("*?[") != std::string_view::npos;
}

Components split(std::string_view path) {
    Components components;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view one = path.substr(0, slash);
        if (!one.empty() && one != ".") components.emplace_back(one);
        if (slash == std::string_view::npos) break;
        path.remove_prefix(slash + 1);
    }
    return components;
}

bool matches(const std::string& glob, const std::string& name) {
    return fnmatch(glob.c_str(), name.c_str(), FNM_PERIOD) == 0;
}

bool is_hidden(std::string_view name) {
    return name.starts_with('.');
}

std::string join(const std::string& directory, std::string_view name) {
    return (directory == "/" ? "/" : directory + "/") + std::string{name};
}

std::string path_of(const Components& components, std::size_t count) {
    std::string path;
    for (std::size_t i = 0; i < count; ++i) path += "/" + components[i];
    return path.empty() ? "/" : path;
}

class Scanner {
public:
    Scanner(const std::function<void(const std::string&)>& visit, std::size_t most_directories)
        : visit_{visit}, most_directories_{most_directories} {}

    void look_for(const std::string& pattern) {
        pattern_ = split(pattern);
        if (pattern_.empty()) return;
        std::size_t literal = 0;
        while (literal + 1 < pattern_.size() && !is_glob(pattern_[literal])) ++literal;
        std::size_t there = literal;
        while (there > 0 && !is_directory(path_of(pattern_, there))) --there;
        const std::string base = path_of(pattern_, there);
        if (there == literal) {
            walk(base, literal);
        } else {
            (void)enter(base);
        }
    }

    FileScan take() { return std::move(scan_); }

private:
    std::optional<struct stat> stat_of(const std::string& path, bool follow) {
        struct stat status {};
        const int failed = follow ? ::stat(path.c_str(), &status) : ::lstat(path.c_str(), &status);
        if (failed == 0) return status;
        failed_by(errno);
        return std::nullopt;
    }

    // Unless that is the answer: it is not there, or not for us.
    void failed_by(int number) {
        switch (number) {
            case ENOENT:
            case ENOTDIR:
            case EACCES:
            case EPERM:
            case ELOOP:
            case ENAMETOOLONG:
                return;
            default:
                scan_.failed = number;
        }
    }

    bool is_directory(const std::string& path) {
        const auto status = stat_of(path, true);
        return status && S_ISDIR(status->st_mode);
    }

    // False: it is one too many.
    bool enter(const std::string& directory) {
        if (entered_.contains(directory)) return true;
        if (entered_.size() >= most_directories_) {
            scan_.too_many_directories = true;
            return false;
        }
        entered_.insert(directory);
        visit_(directory);
        return true;
    }

    template <typename Each>
    void for_each_name(const std::string& directory, const Each& each) {
        const std::unique_ptr<DIR, int (*)(DIR*)> stream{::opendir(directory.c_str()), ::closedir};
        if (!stream) return failed_by(errno);
        for (;;) {
            errno = 0;
            const dirent* const entry = ::readdir(stream.get());
            if (!entry) break;
            const std::string_view name{entry->d_name};
            if (name == "." || name == "..") continue;
            each(std::string{name}, entry->d_type);
        }
        if (errno != 0) failed_by(errno);
    }

    // Not by a symbolic link, which may lead back.
    bool is_own_directory(const std::string& path, unsigned char type) {
        if (type != DT_UNKNOWN) return type == DT_DIR;
        const auto status = stat_of(path, false);
        return status && S_ISDIR(status->st_mode);
    }

    void add_file(const std::string& path) {
        const auto status = stat_of(path, true);
        if (!status || S_ISDIR(status->st_mode)) return;
        if (scan_.files.size() >= kMostWatchedFiles) {
            scan_.too_many_files = true;
            return;
        }
        scan_.files[path] = {
            status->st_dev, status->st_ino, static_cast<std::uint64_t>(status->st_size),
            std::int64_t{status->st_mtim.tv_sec} * 1'000'000'000 + status->st_mtim.tv_nsec};
    }

    // What the pattern from `index` on matches in that directory.  As deep as the pattern is long,
    // or the tree is deep, which the kernel bounds by the length of a path.
    void walk(const std::string& directory, std::size_t index) {
        if (!enter(directory)) return;
        const std::string& component = pattern_[index];
        const bool last = index + 1 == pattern_.size();
        if (component == kAnyDirectories) {
            if (!last) walk(directory, index + 1);
            for_each_name(directory, [&](const std::string& name, unsigned char type) {
                if (is_hidden(name)) return;
                const std::string path = join(directory, name);
                if (is_own_directory(path, type)) {
                    walk(path, index);
                } else if (last) {
                    add_file(path);
                }
            });
        } else if (!is_glob(component)) {
            const std::string path = join(directory, component);
            if (!is_directory(path)) {
                if (last) add_file(path);
            } else if (last) {
                walk_all(path);
            } else {
                walk(path, index + 1);
            }
        } else {
            for_each_name(directory, [&](const std::string& name, unsigned char) {
                if (!matches(component, name)) return;
                const std::string path = join(directory, name);
                if (last) {
                    add_file(path);
                } else if (is_directory(path)) {
                    walk(path, index + 1);
                }
            });
        }
    }

    void walk_all(const std::string& directory) {
        if (!enter(directory)) return;
        for_each_name(directory, [&](const std::string& name, unsigned char type) {
            if (is_hidden(name)) return;
            const std::string path = join(directory, name);
            if (is_own_directory(path, type)) {
                walk_all(path);
            } else {
                add_file(path);
            }
        });
    }

    const std::function<void(const std::string&)>& visit_;
    std::size_t most_directories_;
    Components pattern_;
    std::set<std::string> entered_;
    FileScan scan_;
};

bool concerns(const Components& pattern, std::size_t at, const Components& path,
              std::size_t index) {
    if (index == path.size()) return true;  // the file, or a directory on the way
    if (at == pattern.size()) {
        // Below what was named: all of it, were that a directory.
        return !is_glob(pattern.back()) && !is_hidden(path[index]);
    }
    if (pattern[at] == kAnyDirectories) {
        return concerns(pattern, at + 1, path, index) ||
               (!is_hidden(path[index]) && concerns(pattern, at, path, index + 1));
    }
    return matches(pattern[at], path[index]) && concerns(pattern, at + 1, path, index + 1);
}

}  // namespace

FileScan scan_globs(const std::vector<std::string>& patterns,
                    const std::function<void(const std::string& directory)>& visit,
                    std::size_t most_directories) {
    Scanner scanner{visit, most_directories};
    for (const std::string& pattern : patterns) scanner.look_for(pattern);
    return scanner.take();
}

bool may_concern(const std::string& pattern, std::string_view path) {
    return concerns(split(pattern), 0, split(path), 0);
}

}  // namespace reeve::os
