#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/log/line_index.h"
#include "supervisor/log/record.h"
#include "supervisor/log/slice.h"
#include "supervisor/log/trouble.h"
#include "supervisor/loop/loop.h"

namespace reeve::log {

class FileSink;
class OwnLog;

// Whose output waits for room.
class RoomListener {
public:
    virtual void on_room() = 0;
    // Somebody else begins to write to its file.
    virtual void on_company() {}

protected:
    ~RoomListener() = default;
};

// Where one stream's output goes.  Of the log thread; nothing in it waits.
class Sink {
public:
    virtual ~Sink() = default;

    // Whether more is welcome.  Once it says no, services.room() follows when it is worth asking
    // again.
    virtual bool has_room() = 0;
    // Since when it has had none, for any who asked.
    virtual std::optional<std::chrono::steady_clock::time_point> full_since() const { return {}; }

    // Whether it takes bytes as they come rather than lines.  To be asked anew each time.
    virtual bool takes_bytes() const { return false; }
    virtual void put_bytes(const Slice&) {}

    // A line, or a piece of one too long to be held.  Taken in any case: who asked has_room()
    // before never makes a queue grow without bound.
    virtual void put(const Record& record) = 0;

    // When what comes next was written, and by which run; and where a run begins or ends.
    virtual void note(WallTime, std::uint32_t) {}
    virtual void mark(WallTime, std::uint32_t, LineIndex::Kind) {}
    virtual void set_run_number(std::uint32_t, std::uint64_t) {}
    // So many lines were not given to it, behind all that was.
    virtual void dropped(WallTime, std::uint32_t, std::uint64_t) {}

    // After the records of one read.
    virtual void flush() {}

    // Nothing is left here that has not been handed on.
    virtual bool idle() const { return true; }

    virtual void reopen() {}

    // What people know the place by.
    virtual std::string place() const { return {}; }
    // What it knows to be the matter with its place; `waits` also where things are dropped.  To be
    // asked about each second while there is something.
    virtual std::optional<Trouble> trouble() { return std::nullopt; }

    virtual FileSink* as_file() { return nullptr; }

    // A second after services.retry_later().
    virtual void retry() {}
};

// What a sink needs of the engine.  All of it on the log thread.
struct SinkServices {
    loop::Loop& loop;
    OwnLog& own_log;
    const std::string& name;  // of the instance
    std::function<void()> room;
    std::function<void()> retry_later;
};

class NullSink final : public Sink {
public:
    bool has_room() override { return true; }
    bool takes_bytes() const override { return true; }
    void put(const Record&) override {}
};

}  // namespace reeve::log
