#include "supervisor/log/rotated_files.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "supervisor/log/log_directory.h"
#include "supervisor/model/rotation.h"

namespace reeve::log {

using conf::Compression;

RotatedFiles::RotatedFiles(std::string path, conf::Rotation rotation,
                           std::weak_ptr<CompressionListener> listener)
    : path_{std::move(path)}, rotation_{rotation}, listener_{std::move(listener)} {}

// With the mutex held.
void RotatedFiles::insert(File file) {
    const auto at = std::lower_bound(files_.begin(), files_.end(), file.time,
                                     [](const File& a, WallTime time) { return a.time < time; });
    if (at == files_.end() || at->time != file.time) files_.insert(at, file);
}

void RotatedFiles::found(WallTime time, Compression compression) {
    const std::lock_guard lock{mutex_};
    insert({.time = time, .compressed = compression != Compression::none});
}

int RotatedFiles::look(int directory, bool& leftovers) {
    {
        const std::lock_guard lock{mutex_};
        if (looked_) return 0;
    }
    const std::string name = file_name(path_);
    const auto note = [&](std::string_view, const model::RotatedFrom& file) {
        if (file.name != name) return;
        if (file.rotated.unfinished) {
            leftovers = true;
        } else {
            found(file.rotated.time, file.rotated.compression);
        }
    };
    int error = scan_rotated(directory, note);
    // One that is compressed just now may be missed under both of its names, but only once.
    if (error == 0 && rotation_.compress != Compression::none)
        error = scan_rotated(directory, note);
    const std::lock_guard lock{mutex_};
    looked_ = error == 0;
    return error;
}

WallTime RotatedFiles::next_time(WallTime now) const {
    const std::lock_guard lock{mutex_};
    return model::rotation_time(now,
                                files_.empty() ? std::nullopt : std::optional{files_.back().time});
}

void RotatedFiles::add(WallTime time) {
    const std::lock_guard lock{mutex_};
    // Room may have come since.
    for (File& file : files_) file.failed = false;
    insert({.time = time});
}

void RotatedFiles::prune(int directory) {
    const std::string name = file_name(path_);
    for (;;) {
        WallTime oldest{0};
        {
            const std::lock_guard lock{mutex_};
            if (files_.size() <= static_cast<std::size_t>(rotation_.keep)) return;
            oldest = files_.front().time;
            files_.erase(files_.begin());
        }
        // In this order: the compressor takes its file back when the original is gone.
        for (const auto compression : {Compression::none, Compression::zstd, Compression::gzip})
            ::unlinkat(
                directory,
                model::rotated_name(name, {.time = oldest, .compression = compression}).c_str(), 0);
    }
}

std::optional<WallTime> RotatedFiles::to_compress() const {
    if (rotation_.compress == Compression::none) return std::nullopt;
    const std::lock_guard lock{mutex_};
    const auto file = std::find_if(files_.begin(), files_.end(), [](const File& candidate) {
        return !candidate.compressed && !candidate.failed;
    });
    return file == files_.end() ? std::nullopt : std::optional{file->time};
}

void RotatedFiles::done(WallTime time, bool failed) {
    const std::lock_guard lock{mutex_};
    for (File& file : files_) {
        if (file.time == time) (failed ? file.failed : file.compressed) = true;
    }
}

}  // namespace reeve::log
