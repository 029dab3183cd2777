#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "conf/config.h"
#include "supervisor/log/batch.h"
#include "supervisor/log/log_file.h"
#include "supervisor/log/pull.h"
#include "supervisor/log/slice.h"

namespace reeve::log {

class WriterPool;

// One log file and what is to be written to it.  The log thread queues and never waits; a thread of
// the pool opens, writes, rotates and reopens, each of which may hang for ever on a dead disk.
class FileTarget final : public std::enable_shared_from_this<FileTarget>,
                         public CompressionListener {
public:
    // Called by a thread of the pool after each piece of work, or by the compressor's.
    class Listener {
    public:
        virtual ~Listener() = default;
        virtual void worked() = 0;
    };

    // The errno of the last try, 0 when it went well.
    struct Outcome {
        int open_error = 0;      // nothing is written meanwhile; submit it again by and by
        int write_error = 0;     // what was not written is still queued; likewise
        int rotate_error = 0;    // the file goes on growing, and it is tried again by itself
        int compress_error = 0;  // the file stays as it is until the next rotation
    };

    // Directories that are missing are made with `owner`, and so is the file.
    FileTarget(std::string path, std::optional<Owner> owner, conf::Rotation rotation,
               std::weak_ptr<Listener> listener,
               std::shared_ptr<const FileClock> clock = FileClock::real());

    const std::string& path() const { return plan_.path; }

    // A large slice is held on to until it is written; what is small is copied.  Then submit it to
    // the pool.
    void queue(Slice slice);
    void queue(std::string_view bytes);

    // What is queued is followed by what the thread that writes it reads itself, until the pull is
    // over or is ended; before that nothing may be queued.  Submit it to the pool.
    void pull(std::shared_ptr<Pull> pull);

    std::size_t queued() const;  // with what is being written
    Outcome outcome() const;

    // Bytes queued since the beginning, and how many of them are not here any more: in the file, or
    // taken back.
    std::uint64_t ever_queued() const;
    std::uint64_t written() const;

    // Which of them are in which file.
    FileSpans::State spans() const { return spans_.state(); }

    // Takes back what is queued and not being written.
    std::string take_queued();

    // Then submit it to the pool.
    void want_reopen();

    // From what is written next on.
    void set_rotation(const conf::Rotation& rotation);

private:
    friend class WriterPool;

    // On a thread of the pool.  True when it went well and there is more to do.
    bool work(Compressor& compressor, BlockPool& blocks);
    // Writes, and keeps what could not be.  False when that is something.
    bool write(Batch batch, bool reopen, Compressor& compressor, std::int64_t position);
    void compressed(int error) override;
    void tell() const;

    FilePlan plan_;  // its rotation is of the thread that works
    const std::weak_ptr<Listener> listener_;
    FileSpans spans_;

    mutable std::mutex mutex_;
    Batch queue_;
    std::size_t writing_ = 0;
    std::uint64_t ever_queued_ = 0;
    bool reopen_ = false;
    conf::Rotation rotation_;  // as it was last wanted
    std::unique_ptr<conf::Rotation> next_rotation_;
    Outcome outcome_;
    std::shared_ptr<Pull> pull_;

    LogFile file_{plan_};   // of the thread that works
    bool reports_ = false;  // likewise: the file knows whom to tell
    // Under the pool's mutex.
    bool in_pool_ = false;
    bool worked_on_ = false;
    bool again_ = false;  // submitted while it was worked on
};

}  // namespace reeve::log
