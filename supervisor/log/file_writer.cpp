#include "supervisor/log/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "supervisor/log/worker.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// More stuck disks than this, and the files on further ones wait.
constexpr std::size_t kMostThreads = 64;
constexpr auto kPatienceAtEnd = 500ms;

constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirectoryMode = 0755;

void give_to(int fd, const std::optional<Owner>& owner) {
    // Without the privilege it stays ours, which is what the program would have got anyway.
    if (owner) [[maybe_unused]]
        const int result = ::fchown(fd, owner->uid, owner->gid);
}

bool is_foreign(int directory) {
    struct stat status {};
    return ::fstat(directory, &status) != 0 || (status.st_uid != 0 && status.st_uid != ::geteuid());
}

// The directory that the file lies in, made with its parents where they are missing.
base::Fd open_directory(const std::string& path, const std::optional<Owner>& owner) {
    base::Fd at{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    std::size_t begin = 0;
    int no_follow = 0;
    for (std::size_t slash = path.find('/'); at && slash != std::string::npos;
         begin = slash + 1, slash = path.find('/', begin)) {
        const std::string name = path.substr(begin, slash - begin);
        if (name.empty()) continue;
        // Below a directory of another user's no link is followed: it could lead anywhere, and we
        // go there with our rights.
        if (is_foreign(at.get())) no_follow = O_NOFOLLOW;
        base::Fd next{
            ::openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | no_follow)};
        if (!next && errno == ENOENT) {
            const bool made = ::mkdirat(at.get(), name.c_str(), kDirectoryMode) == 0;
            if (!made && errno != EEXIST) return {};
            // Read-only this time: fchown() wants more than O_PATH.  A link that somebody has put
            // there since is not followed.
            next = base::Fd{
                ::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
            if (next && made) give_to(next.get(), owner);
        }
        at = std::move(next);
    }
    return at;
}

}  // namespace

FileTarget::FileTarget(std::string path, std::optional<Owner> owner,
                       std::function<void()> on_outcome)
    : path_{std::move(path)}, owner_{owner}, on_outcome_{std::move(on_outcome)} {}

void FileTarget::queue(std::string_view bytes) {
    const std::lock_guard lock{mutex_};
    queue_ += bytes;
}

std::size_t FileTarget::queued() const {
    const std::lock_guard lock{mutex_};
    return queue_.size() + writing_;
}

FileTarget::Outcome FileTarget::outcome() const {
    const std::lock_guard lock{mutex_};
    return outcome_;
}

std::string FileTarget::take_queued() {
    const std::lock_guard lock{mutex_};
    return std::exchange(queue_, {});
}

void FileTarget::want_reopen() {
    const std::lock_guard lock{mutex_};
    reopen_ = true;
}

// 0 or an errno.
int FileTarget::open_file() {
    if (file_) return 0;
    const base::Fd directory = open_directory(path_, owner_);
    if (!directory) return errno;

    const std::string name = path_.substr(path_.rfind('/') + 1);
    int flags = O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC;
    // In a directory of another user's the name may be a link to anything, put there for us to
    // write to with our rights.
    if (is_foreign(directory.get())) flags |= O_NOFOLLOW;

    file_ = base::Fd{::openat(directory.get(), name.c_str(), flags | O_CREAT | O_EXCL, kFileMode)};
    if (file_) {
        give_to(file_.get(), owner_);
        return 0;
    }
    if (errno == EEXIST)
        file_ = base::Fd{::openat(directory.get(), name.c_str(), flags | O_CREAT, kFileMode)};
    return file_ ? 0 : errno;
}

// 0 or an errno.
int FileTarget::write_batch() {
    std::string batch;
    {
        const std::lock_guard lock{mutex_};
        batch.swap(queue_);
        writing_ = batch.size();
    }
    int error = 0;
    std::size_t written = 0;
    while (written < batch.size()) {
        const ssize_t count = ::write(file_.get(), batch.data() + written, batch.size() - written);
        if (count >= 0) {
            written += static_cast<std::size_t>(count);
        } else if (errno != EINTR) {
            error = errno;
            break;
        }
    }
    const std::lock_guard lock{mutex_};
    // A write that stopped in the middle goes on there: no line is cut or written twice.
    if (written < batch.size()) queue_.insert(0, batch, written);
    writing_ = 0;
    return error;
}

bool FileTarget::work() {
    bool anew = false;
    {
        const std::lock_guard lock{mutex_};
        anew = std::exchange(reopen_, false);
    }
    // Nobody would ever read what goes to a file without a name.
    struct stat status {};
    if (anew || (file_ && ::fstat(file_.get(), &status) == 0 && status.st_nlink == 0))
        file_.reset();

    Outcome outcome;
    outcome.open_error = open_file();
    if (outcome.open_error == 0) outcome.write_error = write_batch();

    bool more = false;
    {
        const std::lock_guard lock{mutex_};
        outcome_ = outcome;
        more = outcome.open_error == 0 && outcome.write_error == 0 && !queue_.empty();
    }
    on_outcome_();
    return more;
}

struct WriterPool::State {
    mutable std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<FileTarget>> waiting;
    std::size_t threads = 0;
    std::size_t idle = 0;
    // When a thread last took something up: while that is recent, waiting is only a queue.
    Clock::time_point last_taken{};
    bool stopping = false;

    void run();
    bool add_thread(const std::shared_ptr<State>& self);
};

WriterPool::WriterPool() : state_{std::make_shared<State>()} {}

WriterPool::~WriterPool() {
    std::unique_lock lock{state_->mutex};
    state_->stopping = true;
    state_->waiting.clear();
    state_->changed.notify_all();
    state_->changed.wait_for(lock, kPatienceAtEnd, [this] { return state_->threads == 0; });
}

void WriterPool::submit(const std::shared_ptr<FileTarget>& target) {
    const std::lock_guard lock{state_->mutex};
    if (target->in_pool_) {
        target->again_ = true;
        return;
    }
    target->in_pool_ = true;
    state_->waiting.push_back(target);
    if (state_->idle > 0) {
        state_->changed.notify_one();
    } else if (state_->threads == 0) {
        state_->add_thread(state_);
    }
}

bool WriterPool::waiting() const {
    const std::lock_guard lock{state_->mutex};
    return !state_->waiting.empty();
}

std::size_t WriterPool::threads() const {
    const std::lock_guard lock{state_->mutex};
    return state_->threads;
}

void WriterPool::relieve() {
    const std::lock_guard lock{state_->mutex};
    if (state_->waiting.empty() || state_->idle > 0 || state_->threads >= kMostThreads) return;
    if (state_->threads > 0 && Clock::now() - state_->last_taken < kPatience) return;
    state_->add_thread(state_);
}

// With the mutex held.  Without a thread now the caller's next relieve() tries again.
bool WriterPool::State::add_thread(const std::shared_ptr<State>& self) {
    auto thread = start_worker("reeve-file", [self] { self->run(); });
    if (!thread) return false;
    thread->detach();
    ++threads;
    last_taken = Clock::now();
    return true;
}

void WriterPool::State::run() {
    std::unique_lock lock{mutex};
    while (!stopping) {
        if (waiting.empty()) {
            // One is kept; what more there were have done their service.
            if (idle > 0) break;
            ++idle;
            changed.wait(lock, [this] { return stopping || !waiting.empty(); });
            --idle;
            continue;
        }
        const auto target = std::move(waiting.front());
        waiting.pop_front();
        last_taken = Clock::now();
        lock.unlock();
        // One batch at a time, so that a file with much to write leaves room for the others.
        const bool more = target->work();
        lock.lock();
        if ((std::exchange(target->again_, false) || more) && !stopping) {
            waiting.push_back(target);
        } else {
            target->in_pool_ = false;
        }
    }
    --threads;
    changed.notify_all();
}

}  // namespace reeve::log
