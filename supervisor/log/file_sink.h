#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "supervisor/log/format.h"
#include "supervisor/log/inherit_sink.h"
#include "supervisor/log/own_log.h"
#include "supervisor/log/scratch.h"
#include "supervisor/log/sink.h"
#include "supervisor/log/writer_pool.h"

namespace reeve::log {

class FileSink;

// One log file, for all the streams that go there.  Of the log thread, but for what the writing
// threads are told to call.
class SharedFile final : public std::enable_shared_from_this<SharedFile>,
                         public FileTarget::Listener {
public:
    // Runs it on the log thread, if there still is one; from any thread.
    using Post = std::function<void(std::function<void()>)>;

    struct Services {
        WriterPool& pool;
        OwnLog& own_log;
        std::function<void()> retry_later;  // call retry() in a second
        std::function<void()> pool_waits;   // call the pool's relieve() by and by
        std::function<void()> busy;         // look at trouble() by and by
        std::function<void()> changed;      // look at it now
        // Its users have gone.  Hold it until it has left(): it may not have written all.
        std::function<void(SharedFile&)> unused;
        // reeve's stderr, for the output of that instance while a file can't be opened.
        std::function<std::unique_ptr<InheritSink>(const std::string& name, conf::LogFormat)>
            to_stderr;
        std::shared_ptr<const Post> post;
    };

    // `name`: of the first instance that writes there.  The services outlive the file's users.
    static std::shared_ptr<SharedFile> make(std::string name, std::string path,
                                            std::optional<Owner> owner,
                                            const conf::Rotation& rotation,
                                            const Services& services);

    void add(FileSink& user);
    void remove(FileSink& user);
    bool is_shared() const;
    bool is_used() const { return first_user_ != nullptr; }

    bool has_room();
    std::optional<std::chrono::steady_clock::time_point> full_since() const { return full_since_; }
    bool idle() const { return target_->queued() == 0; }
    // It can't be opened: output goes to reeve's stderr.
    bool is_away() const { return away_; }
    std::optional<Trouble> trouble();
    // Nobody has to hold it any more.
    bool has_left() const { return is_used() || idle(); }

    template <typename Bytes>
    void queue(Bytes&& bytes) {
        target_->queue(std::forward<Bytes>(bytes));
        // After a failed write the next try is timed.
        if (!retry_armed_) submit();
    }

    // The file's thread reads on itself.  `over` is called on the log thread, if there still is
    // one.
    // Not after a pull that was held up, until all that waits is written.
    bool may_pull() {
        if (held_up_ && idle()) held_up_ = false;
        return !is_shared() && !away_ && !retry_armed_ && !held_up_;
    }
    void was_held_up() { held_up_ = true; }
    // No thread is at it, and one will be when the files before it have had their turn.
    bool is_queued() const { return services_.pool.is_queued(*target_); }
    void pull(std::shared_ptr<Pull> pull, std::function<void()> over);

    void reopen();
    void retry();
    void wait_for_retry();
    // At the end of reeve: takes back what the file has not taken, and says how much that is.
    void give_up();

    const std::shared_ptr<FileTarget>& target() { return target_; }
    const Services& services() const { return services_; }
    // Of what that stream has written there.
    LineIndex& index(StreamKey stream);
    std::int64_t position() const { return static_cast<std::int64_t>(target_->ever_queued()); }

private:
    SharedFile(std::string name, const Services& services)
        : services_{services}, post_{services.post}, name_{std::move(name)} {}

    void submit();
    void worked() override;
    void look_at_outcome();
    void set_trouble(Trouble::Effect effect, int error);
    void take_back();
    std::string names() const;
    void warn(const std::string& what);

    const Services& services_;
    const std::shared_ptr<const Post> post_;  // may outlive the engine
    const std::string name_;
    std::shared_ptr<FileTarget> target_;
    FileSink* first_user_ = nullptr;
    template <typename Action>
    void each_user(Action action) const;
    std::vector<std::pair<StreamKey, LineIndex>> indexes_;  // of its users' streams, sorted
    bool away_ = false;
    bool retry_armed_ = false;
    bool held_up_ = false;
    int said_ = 0;  // the errno that was last said, so that it is said once
    int rotation_said_ = 0;
    int compression_said_ = 0;

    std::unique_ptr<Trouble> trouble_;
    std::optional<std::chrono::steady_clock::time_point> full_since_;
    // When bytes were last seen to go, or that there are none.
    std::chrono::steady_clock::time_point moved_{};
    std::chrono::steady_clock::time_point looked_{};
    std::uint64_t written_seen_ = 0;

    // What makes an end of work worth a word to the log thread.
    std::atomic<bool> room_wanted_{false};
    std::atomic<bool> failed_{true};  // the last time, or not yet tried
};

class FileSink final : public Sink {
public:
    // `name`: of the instance; outlives it.
    FileSink(std::shared_ptr<SharedFile> file, StreamKey stream, const std::string& name,
             const conf::Sink& wanted, RoomListener& listener, Scratch& scratch);
    ~FileSink() override;

    bool has_room() override;
    std::optional<std::chrono::steady_clock::time_point> full_since() const override;
    std::string place() const override { return file_->target()->path(); }
    std::optional<Trouble> trouble() override;
    bool takes_bytes() const override;
    void put_bytes(const Slice& slice) override;
    void put(const Record& record) override;
    void note(WallTime time, std::uint32_t run) override;
    void mark(WallTime time, std::uint32_t run, LineIndex::Kind kind) override;
    void set_run_number(std::uint32_t run, std::uint64_t number) override;
    void dropped(WallTime time, std::uint32_t run, std::uint64_t lines) override;
    void flush() override;
    bool idle() const override { return file_->idle(); }
    void reopen() override { file_->reopen(); }
    void retry() override { file_->retry(); }
    FileSink* as_file() override { return this; }

    // Not before what was kept of a line.
    bool may_pull() const { return begun_.empty() && takes_bytes() && file_->may_pull(); }
    void pull(std::shared_ptr<Pull> pull, std::function<void()> over);

    // Of the file.
    void take_back(std::string_view lines);
    void room() { listener_.on_room(); }
    void company() { listener_.on_company(); }
    const std::string& name() const { return name_; }
    // What is the matter was said in reeve's log, under this one's name too; or nothing is.
    void set_said(bool said) { said_ = said; }
    StreamKey stream() const { return stream_; }

    // For who reads it.
    SharedFile& file() const { return *file_; }
    conf::LogFormat format() const { return kind_; }

private:
    friend class SharedFile;

    InheritSink& fallback();

    std::shared_ptr<SharedFile> file_;
    StreamKey stream_;
    const std::string& name_;
    struct Lines {
        LineFormat format;
        std::string batch{};  // since the last flush
    };
    std::unique_ptr<Lines> lines_;  // once it has been given one
    const conf::LogFormat kind_;
    // Into a file that others write to as well only whole lines go, from its first byte on.
    const bool alone_;
    Scratch& scratch_;
    RoomListener& listener_;
    std::unique_ptr<InheritSink> fallback_;  // while the file can't be opened
    // The beginning of a line, taken back from a file that can't be opened.
    std::string begun_;
    bool said_ = false;
    FileSink* next_user_ = nullptr;  // of the file
    // Of what comes next.
    WallTime time_{0};
    std::uint32_t run_ = 0;
};

}  // namespace reeve::log
