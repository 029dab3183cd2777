#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/log/console.h"
#include "supervisor/log/file_writer.h"
#include "supervisor/log/line.h"
#include "supervisor/log/own_log.h"

namespace reeve::log {

// Where one stream's lines go.  Of the log thread; nothing in it waits.
class Sink {
public:
    virtual ~Sink() = default;

    // Whether put() is welcome.  Once it says no, the engine hears when to ask again.
    virtual bool has_room() = 0;

    // Whole lines with their newlines, perhaps ended by a piece of one too long to be held.  Taken
    // in any case: who asked has_room() before never makes a queue grow without bound.
    virtual void put(std::string_view lines) = 0;

    // Nothing is left here that has not been handed on.
    virtual bool idle() const { return true; }

    virtual void reopen() {}

    // For sinks that fail and are tried again, on the log thread: after a piece of their work is
    // done elsewhere, and when they have asked for it.
    virtual void look_at_outcome() {}
    virtual void retry() {}
};

class NullSink final : public Sink {
public:
    bool has_room() override { return true; }
    void put(std::string_view) override {}
};

// How a line on reeve's own descriptors begins; kept by the engine.
struct Prefixing {
    bool on = false;
    std::size_t width = 0;

    // "web     | ", or nothing.
    std::string operator()(std::string_view name) const;
};

class InheritSink final : public Sink {
public:
    // `writer` tells it from all others of the console.
    InheritSink(Console& console, Console::Target target, std::uint32_t writer,
                const std::string& name, const Prefixing& prefixing)
        : console_{console}, target_{target}, writer_{writer}, name_{name}, prefixing_{prefixing} {}

    bool has_room() override { return console_.has_room(target_); }
    void put(std::string_view lines) override;

private:
    Console& console_;
    Console::Target target_;
    std::uint32_t writer_;
    const std::string& name_;
    const Prefixing& prefixing_;
};

class FileSink final : public Sink {
public:
    // What it needs of the engine.
    struct Services {
        WriterPool& pool;
        OwnLog& own_log;
        const std::string& name;            // of the instance
        std::function<void()> on_outcome;   // from a thread of the pool
        std::function<void()> retry_later;  // call retry() in a second
        std::function<void()> pool_waits;   // call the pool's relieve() by and by
    };

    // `fallback`: reeve's stderr, while the file can't be opened.
    FileSink(std::string path, std::optional<Owner> owner, Services services,
             std::unique_ptr<InheritSink> fallback);

    bool has_room() override;
    void put(std::string_view lines) override;
    bool idle() const override;
    void reopen() override;
    void look_at_outcome() override;
    void retry() override;

private:
    void submit();

    Services services_;
    std::shared_ptr<FileTarget> target_;
    std::unique_ptr<InheritSink> fallback_;
    bool falling_back_ = false;
    bool retry_armed_ = false;
    int said_ = 0;  // the errno that was last said, so that it is said once
};

}  // namespace reeve::log
