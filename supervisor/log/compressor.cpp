#include "supervisor/log/compressor.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/log/log_directory.h"
#include "supervisor/log/worker.h"
#include "supervisor/model/rotation.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;
using conf::Compression;

constexpr auto kPatienceAtEnd = 200ms;

constexpr std::size_t kBlock = 128 * 1024;
constexpr int kZstdLevel = 3;
constexpr int kGzipLevel = 6;
constexpr int kGzipWindow = 15 + 16;  // zlib.h: 16 more asks for gzip's header and checksum

// Whoever has real work comes first, for the processor and for the disk.
void step_back() {
    const auto self = static_cast<id_t>(::gettid());
    ::setpriority(PRIO_PROCESS, self, 19);
    constexpr int kWhoProcess = 1;  // ioprio_set(2): IOPRIO_WHO_PROCESS
    constexpr int kIdle = 3 << 13;  // IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)
    ::syscall(SYS_ioprio_set, kWhoProcess, self, kIdle);
}

int write_all(int file, const char* bytes, std::size_t size) {
    while (size > 0) {
        const ssize_t count = ::write(file, bytes, size);
        if (count > 0) {
            bytes += count;
            size -= static_cast<std::size_t>(count);
        } else if (count == 0 || errno != EINTR) {
            return count == 0 ? EIO : errno;
        }
    }
    return 0;
}

// One compressed stream; each call gives what has come of it so far to the file.
class Encoder {
public:
    virtual ~Encoder() = default;
    virtual int put(const char* bytes, std::size_t size, bool last, int file) = 0;  // an errno
};

class ZstdEncoder final : public Encoder {
public:
    ZstdEncoder() {
        if (!context_) return;
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kZstdLevel);
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    }

    int put(const char* bytes, std::size_t size, bool last, int file) override {
        if (!context_) return ENOMEM;
        ZSTD_inBuffer in{bytes, size, 0};
        for (;;) {
            ZSTD_outBuffer out{out_.data(), out_.size(), 0};
            const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in,
                                                          last ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(left)) return ENOMEM;
            if (const int error = write_all(file, out_.data(), out.pos)) return error;
            if (last ? left == 0 : in.pos == in.size) return 0;
        }
    }

private:
    struct Free {
        void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    };
    std::unique_ptr<ZSTD_CCtx, Free> context_{ZSTD_createCCtx()};
    std::array<char, kBlock> out_;
};

class GzipEncoder final : public Encoder {
public:
    GzipEncoder() {
        constexpr int kMemory = 8;  // zlib's default
        made_ = ::deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, kMemory,
                               Z_DEFAULT_STRATEGY) == Z_OK;
    }
    ~GzipEncoder() override {
        if (made_) ::deflateEnd(&stream_);
    }
    GzipEncoder(const GzipEncoder&) = delete;
    GzipEncoder& operator=(const GzipEncoder&) = delete;

    int put(const char* bytes, std::size_t size, bool last, int file) override {
        if (!made_) return ENOMEM;
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes));
        stream_.avail_in = static_cast<uInt>(size);
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
            stream_.avail_out = static_cast<uInt>(out_.size());
            ::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
            if (const int error = write_all(file, out_.data(), out_.size() - stream_.avail_out))
                return error;
        } while (stream_.avail_out == 0);
        return 0;
    }

private:
    z_stream stream_{};
    bool made_ = false;
    std::array<char, kBlock> out_;
};

std::unique_ptr<Encoder> make_encoder(Compression compression) {
    if (compression == Compression::zstd) return std::make_unique<ZstdEncoder>();
    return std::make_unique<GzipEncoder>();
}

// All of `from`; ECANCELED when it is not wanted any more: we are to stop, or it was deleted.
int copy_compressed(int from, int to, Compression compression, const std::atomic<bool>& stopping) {
    const auto encoder = make_encoder(compression);
    const auto block = std::make_unique<std::array<char, kBlock>>();
    for (;;) {
        const ssize_t size = ::read(from, block->data(), block->size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno;
        struct stat status {};
        if (stopping || (::fstat(from, &status) == 0 && status.st_nlink == 0)) return ECANCELED;
        const int error =
            encoder->put(block->data(), static_cast<std::size_t>(size), size == 0, to);
        if (error != 0 || size == 0) return error;
    }
}

// 0 also when there is nothing there to compress; ECANCELED as above.
int compress_file(int directory, const std::string& name, WallTime time, Compression compression,
                  const std::atomic<bool>& stopping) {
    model::RotatedName rotated{.time = time};
    const std::string original = model::rotated_name(name, rotated);
    rotated.compression = compression;
    const std::string compressed = model::rotated_name(name, rotated);
    rotated.unfinished = true;
    const std::string unfinished = model::rotated_name(name, rotated);

    // Whatever else may have that name: no link is followed, no FIFO waited for.
    base::Fd from{::openat(directory, original.c_str(),
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    struct stat status {};
    if (!from) return errno == ENOENT ? 0 : errno;
    from = base::set_aside(std::move(from));
    if (::fstat(from.get(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;

    // Nobody reads it before it has its owner.
    constexpr int kCreate = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    base::Fd to{::openat(directory, unfinished.c_str(), kCreate, 0600)};
    if (!to && errno == EEXIST && ::unlinkat(directory, unfinished.c_str(), 0) == 0)
        to = base::Fd{::openat(directory, unfinished.c_str(), kCreate, 0600)};
    if (!to) return errno;
    to = base::set_aside(std::move(to));
    give_to(to.get(), Owner{status.st_uid, status.st_gid});

    int error = copy_compressed(from.get(), to.get(), compression, stopping);
    const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
    if (error == 0 &&
        (::fchmod(to.get(), status.st_mode & 0777) != 0 ||
         ::futimens(to.get(), times.data()) != 0 || ::fsync(to.get()) != 0 ||
         ::renameat(directory, unfinished.c_str(), directory, compressed.c_str()) != 0))
        error = errno;
    if (error != 0) {
        ::unlinkat(directory, unfinished.c_str(), 0);
        return error;
    }
    // No fsync of the directory, which would make all who write to this disk wait: a journal keeps
    // the two changes in order.
    if (::unlinkat(directory, original.c_str(), 0) != 0) {
        error = errno;
        // Its time had come meanwhile, or somebody has deleted it.
        if (error == ENOENT) ::unlinkat(directory, compressed.c_str(), 0);
        if (error == ENOENT) error = 0;
    }
    return error;
}

}  // namespace

struct Compressor::State {
    struct Job {
        std::shared_ptr<RotatedFiles> files;
        bool leftovers = false;
    };

    mutable std::mutex mutex;
    std::condition_variable changed;
    std::deque<Job> jobs;
    bool running = false;
    std::atomic<bool> stopping{false};

    static void submit(const std::shared_ptr<State>& self, Job job);
    void run();
    void look_for_leftovers(const std::vector<Job>& jobs);
    bool compress_one(RotatedFiles& files);
};

Compressor::Compressor() : state_{std::make_shared<State>()} {}

Compressor::~Compressor() {
    stop();
}

void Compressor::stop() {
    const std::lock_guard lock{state_->mutex};
    state_->stopping = true;
    state_->jobs.clear();
}

void Compressor::wait_for_end() {
    std::unique_lock lock{state_->mutex};
    state_->changed.wait_for(lock, kPatienceAtEnd, [this] { return !state_->running; });
}

void Compressor::submit(const std::shared_ptr<RotatedFiles>& files) {
    State::submit(state_, {.files = files});
}

void Compressor::submit_with_leftovers(const std::shared_ptr<RotatedFiles>& files) {
    State::submit(state_, {.files = files, .leftovers = true});
}

bool Compressor::idle() const {
    const std::lock_guard lock{state_->mutex};
    return !state_->running;
}

void Compressor::State::submit(const std::shared_ptr<State>& self, Job job) {
    const std::lock_guard lock{self->mutex};
    if (self->stopping) return;
    const auto same = std::find_if(self->jobs.begin(), self->jobs.end(),
                                   [&](const Job& waiting) { return waiting.files == job.files; });
    if (same == self->jobs.end()) {
        self->jobs.push_back(std::move(job));
    } else {
        same->leftovers |= job.leftovers;
    }
    if (self->running) return;
    auto thread = start_worker("reeve-compress", [self] { self->run(); });
    if (!thread) return;  // the job waits for the next one
    thread->detach();
    self->running = true;
}

void Compressor::State::run() {
    step_back();
    std::unique_lock lock{mutex};
    while (!jobs.empty()) {
        // At the start every file comes with leftovers: one look at a directory serves all in it.
        std::vector<Job> looks;
        for (Job& job : jobs) {
            if (std::exchange(job.leftovers, false)) looks.push_back(job);
        }
        const auto files = jobs.front().files;
        jobs.pop_front();
        lock.unlock();
        look_for_leftovers(looks);
        looks.clear();
        // One at a time, so that a file that has many leaves room for the others.
        const bool more = !stopping && compress_one(*files);
        lock.lock();
        if (more && !stopping) jobs.push_back({.files = files});
        if (!jobs.empty()) continue;
        // The compressors' megabytes would stay with us for good.
        lock.unlock();
        ::malloc_trim(0);
        lock.lock();
    }
    running = false;
    changed.notify_all();
}

void Compressor::State::look_for_leftovers(const std::vector<Job>& looks) {
    std::map<std::string, std::map<std::string, RotatedFiles*, std::less<>>> directories;
    for (const Job& job : looks) {
        const std::string& path = job.files->path();
        directories[path.substr(0, path.rfind('/') + 1)][file_name(path)] = job.files.get();
    }
    for (const auto& [path, files] : directories) {
        const base::Fd directory = open_directory(path);
        if (!directory) continue;  // the writer says so, if it lasts
        scan_rotated(directory.get(), [&](std::string_view file, const model::RotatedFrom& found) {
            const auto owner = files.find(found.name);
            if (owner == files.end()) return;
            if (found.rotated.unfinished) {
                ::unlinkat(directory.get(), std::string{file}.c_str(), 0);
            } else {
                owner->second->found(found.rotated.time, found.rotated.compression);
            }
        });
    }
}

// Whether there is more to do.
bool Compressor::State::compress_one(RotatedFiles& files) {
    const auto time = files.to_compress();
    if (!time) return false;
    const base::Fd directory = open_directory(files.path());
    const int error = !directory ? errno
                                 : compress_file(directory.get(), file_name(files.path()), *time,
                                                 files.compression(), stopping);
    if (error == ECANCELED && stopping) return false;
    const bool failed = error != 0 && error != ECANCELED;
    files.done(*time, failed);
    files.compressed(failed ? error : 0);
    // What the whole disk suffers from would befall the next one too.
    return error != ENOSPC && error != EDQUOT && error != EROFS;
}

}  // namespace reeve::log
