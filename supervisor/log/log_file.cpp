#include "supervisor/log/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include "supervisor/log/compressor.h"
#include "supervisor/model/rotation.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr mode_t kFileMode = 0644;
constexpr std::size_t kMostParts = 64;

constexpr milliseconds kLookAtPathEvery = 1s;
constexpr milliseconds kRotateAgainAfter = 1s;

// Names that are taken though no look at the directory has shown them.
constexpr int kMostTries = 1000;

struct Opened {
    base::Fd file;
    bool created = false;
    int error = 0;
};

// With errno as openat() left it.
base::Fd open_aside(int directory, const std::string& name, int flags) {
    base::Fd file{::openat(directory, name.c_str(), flags, kFileMode)};
    return file ? base::set_aside(std::move(file)) : base::Fd{};
}

Opened open_at(int directory, const std::string& name, const std::optional<Owner>& owner) {
    // Not blocking at first: opening a FIFO for writing would wait for its reader.
    int flags = O_APPEND | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
    // In a foreign directory the name may be a link to anything.
    if (is_foreign(directory)) flags |= O_NOFOLLOW;

    Opened opened;
    opened.file = open_aside(directory, name, flags | O_WRONLY | O_CREAT | O_EXCL);
    opened.created = static_cast<bool>(opened.file);
    if (opened.created) {
        give_to(opened.file.get(), owner);
    } else if (errno == EEXIST) {
        opened.file = open_aside(directory, name, flags | O_WRONLY | O_CREAT);
    }
    // As its own reader a FIFO neither waits for one nor breaks when one goes.
    struct stat status {};
    const bool unread = !opened.file && errno == ENXIO;
    if (unread || (opened.file && !opened.created && ::fstat(opened.file.get(), &status) == 0 &&
                   S_ISFIFO(status.st_mode)))
        opened.file = open_aside(directory, name, flags | O_RDWR);
    if (!opened.file) {
        opened.error = errno;
        return opened;
    }
    ::fcntl(opened.file.get(), F_SETFL, O_APPEND);
    return opened;
}

int rename_to_free_name(int directory, const std::string& from, const std::string& to) {
    if (::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    // A file system without it.  Nobody else gives such names.
    struct stat status {};
    if (::fstatat(directory, to.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
    if (errno != ENOENT) return errno;
    return ::renameat(directory, from.c_str(), directory, to.c_str()) == 0 ? 0 : errno;
}

// When the file was made, where the file system knows.
std::optional<WallTime> birth(int file) {
    struct statx status {};
    if (::statx(file, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0 ||
        (status.stx_mask & STATX_BTIME) == 0)
        return std::nullopt;
    return std::chrono::seconds{status.stx_btime.tv_sec} +
           std::chrono::duration_cast<milliseconds>(
               std::chrono::nanoseconds{status.stx_btime.tv_nsec});
}

// The open went wrong for want of something that comes back, not for where the path leads.
bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EINTR;
}

}  // namespace

std::shared_ptr<const FileClock> FileClock::real() {
    static const auto clock = std::make_shared<const FileClock>(FileClock{
        .wall =
            [] {
                return std::chrono::duration_cast<WallTime>(
                    std::chrono::system_clock::now().time_since_epoch());
            },
        .monotonic =
            [] {
                return std::chrono::duration_cast<milliseconds>(
                    std::chrono::steady_clock::now().time_since_epoch());
            },
    });
    return clock;
}

LogFile::Errors LogFile::write(Batch& batch, bool reopen, Compressor& compressor,
                               std::int64_t position) {
    Errors errors;
    position_ = position;
    errors.open = make_sure_it_is_open(reopen, compressor);
    while (errors.open == 0 && errors.write == 0 && !batch.empty()) {
        if (former_) {
            finish_line_in_former(batch);
            continue;
        }
        Cut cut{batch.size(), false};
        if (may_rotate()) cut = next_cut(batch, state());
        if (cut.bytes > 0) {
            if (size_ == 0) began_ = plan_.clock->wall();
            const std::size_t before = batch.size();
            errors.write = write_out(file_, batch, cut.bytes);
            size_ += before - batch.size();
        }
        if (errors.write == 0 && cut.then_rotate) {
            rotate_error_ = rotate(compressor);
            if (rotate_error_ != 0) rotation_failed_ = plan_.clock->monotonic();
        }
    }
    errors.rotate = rotate_error_;
    return errors;
}

bool LogFile::may_rotate() const {
    return regular_ &&
           (!rotation_failed_ || plan_.clock->monotonic() - *rotation_failed_ >= kRotateAgainAfter);
}

FileState LogFile::state() const {
    return {.size = size_,
            .max_size = plan_.rotation.max_size_bytes,
            .too_old = plan_.rotation.max_age && size_ > 0 &&
                       plan_.clock->wall() - began_ >= *plan_.rotation.max_age,
            .at_line_start = at_line_start_};
}

// 0 or an errno.
int LogFile::write_out(const base::Fd& file, Batch& batch, std::size_t count) {
    std::array<iovec, kMostParts> room;
    while (count > 0) {
        const auto parts = batch.parts(room, count);
        const ssize_t written = ::writev(file.get(), parts.data(), static_cast<int>(parts.size()));
        if (written > 0) {
            count -= static_cast<std::size_t>(written);
            at_line_start_ = batch.advance(static_cast<std::size_t>(written)) == '\n';
            position_ += written;
        } else if (written == 0) {
            return EIO;  // nothing that takes bytes does that
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

void LogFile::finish_line_in_former(Batch& batch) {
    struct stat status {};
    const std::size_t line = batch.through_first_newline();
    // Nobody reads what goes to a file without a name; the end of the line alone is better.
    const bool gone = ::fstat(former_.get(), &status) == 0 && status.st_nlink == 0;
    if (gone || write_out(former_, batch, line != 0 ? line : batch.size()) != 0 || line != 0)
        former_.reset();
    if (spans_) spans_->finished_former(position_);
}

int LogFile::make_sure_it_is_open(bool reopen, Compressor& compressor) {
    if (reopen) reopen_again_ = true;
    if (file_) {
        struct stat status {};
        if (::fstat(file_.get(), &status) == 0) {
            // Nobody would ever read what goes to a file without a name.
            if (status.st_nlink == 0) file_.reset();
            const auto size = static_cast<std::uint64_t>(status.st_size);
            if (size < size_) began_ = plan_.clock->wall();  // truncated: it begins anew
            const bool as_we_left_it = size == std::exchange(size_, size);
            if (file_ && !as_we_left_it) tell_begin();
        }
    }
    if (!file_ || reopen_again_ || was_moved()) {
        base::Fd before = std::move(file_);
        const Identity identity = identity_;
        const int error = open(compressor);
        if (error != 0 && !(before && is_shortage(error))) {
            // What is queued goes elsewhere now, the end of a line that was begun too.
            former_.reset();
            at_line_start_ = true;
            return error;
        }
        reopen_again_ = error != 0;
        if (error != 0) {
            file_ = std::move(before);
        } else if (before && identity_ != identity && !at_line_start_ && !former_) {
            former_ = std::move(before);
        }
    }
    return 0;
}

// Whether the path leads elsewhere now, or nowhere.
bool LogFile::was_moved() {
    const milliseconds now = plan_.clock->monotonic();
    if (now - looked_at_path_ < kLookAtPathEvery) return false;
    looked_at_path_ = now;
    struct stat status {};
    if (::stat(plan_.path.c_str(), &status) != 0) return errno == ENOENT;
    return Identity{status.st_dev, status.st_ino} != identity_;
}

// 0 or an errno, and then nothing has changed.
int LogFile::open(Compressor& compressor) {
    const base::Fd directory = make_directory(plan_.path, plan_.owner);
    if (!directory) return errno;
    Opened opened = open_at(directory.get(), file_name(plan_.path), plan_.owner);
    if (opened.error != 0) return opened.error;
    take_up(std::move(opened.file));

    if (regular_ && plan_.rotation.compress != conf::Compression::none && !rotated_)
        compressor.submit_with_leftovers(rotated_at(find_place().path));
    return 0;
}

void LogFile::take_up(base::Fd file) {
    file_ = std::move(file);
    struct stat status {};
    ::fstat(file_.get(), &status);
    identity_ = {status.st_dev, status.st_ino};
    regular_ = S_ISREG(status.st_mode);
    size_ = static_cast<std::uint64_t>(status.st_size);
    began_ = plan_.clock->wall();
    if (size_ > 0) began_ = birth(file_.get()).value_or(began_);
    looked_at_path_ = plan_.clock->monotonic();
    rotation_failed_.reset();
    rotate_error_ = 0;
    tell_begin();
}

void LogFile::tell_begin() const {
    if (spans_)
        spans_->opened(position_, size_, identity_.device, identity_.inode, plan_.clock->wall());
}

// Where the file lies, when a link at the path leads there.
LogFile::Place LogFile::find_place() const {
    Place place{.path = plan_.path, .directory = open_directory(plan_.path)};
    struct stat status {};
    if (!place.directory || ::fstatat(place.directory.get(), file_name(place.path).c_str(), &status,
                                      AT_SYMLINK_NOFOLLOW) != 0)
        return place;
    if (S_ISLNK(status.st_mode)) {
        std::array<char, PATH_MAX> path;
        const std::string link = "/proc/self/fd/" + std::to_string(file_.get());
        const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
        if (size <= 0) return place;
        place.path.assign(path.data(), static_cast<std::size_t>(size));
        place.directory = open_directory(place.path);
        if (!place.directory || ::fstatat(place.directory.get(), file_name(place.path).c_str(),
                                          &status, AT_SYMLINK_NOFOLLOW) != 0)
            return place;
    }
    place.is_here = Identity{status.st_dev, status.st_ino} == identity_;
    return place;
}

const std::shared_ptr<RotatedFiles>& LogFile::rotated_at(const std::string& path) {
    if (!rotated_ || rotated_->path() != path)
        rotated_ = std::make_shared<RotatedFiles>(path, plan_.rotation, listener_);
    return rotated_;
}

// Puts the file aside and begins the next one; the stream is at a line's beginning.  0 or an errno,
// and then the file is what it was.
int LogFile::rotate(Compressor& compressor) {
    const Place place = find_place();
    const base::Fd& directory = place.directory;
    if (!place.is_here) {
        // Somebody else has put it aside.
        const Identity before = identity_;
        const int error = open(compressor);
        return error == 0 && identity_ == before ? ESTALE : error;
    }
    const std::string name = file_name(place.path);
    const auto& rotated = rotated_at(place.path);
    bool leftovers = false;
    if (const int error = rotated->look(directory.get(), leftovers)) return error;

    WallTime time = rotated->next_time(plan_.clock->wall());
    std::string aside;
    int error = EEXIST;
    for (int tries = 0; error == EEXIST && tries < kMostTries; ++tries, time += 1ms) {
        aside = model::rotated_name(name, {.time = time});
        error = rename_to_free_name(directory.get(), name, aside);
    }
    if (error != 0) return error;
    time -= 1ms;

    Opened next = open_at(directory.get(), name, plan_.owner);
    if (next.error != 0) {
        rename_to_free_name(directory.get(), aside, name);
        return next.error;
    }
    struct stat status {};
    if (next.created && ::fstat(file_.get(), &status) == 0) {
        // What somebody has done with chown and chmod lasts.
        give_to(next.file.get(), Owner{status.st_uid, status.st_gid});
        ::fchmod(next.file.get(), status.st_mode & 0777);
    }
    if (spans_) spans_->rotated(time, position_);
    take_up(std::move(next.file));

    rotated->add(time);
    rotated->prune(directory.get());
    if (leftovers) {
        compressor.submit_with_leftovers(rotated);
    } else if (plan_.rotation.compress != conf::Compression::none) {
        compressor.submit(rotated);
    }
    return 0;
}

}  // namespace reeve::log
