#pragma once

#include <string>

#include "conf/config.h"
#include "supervisor/log/console.h"
#include "supervisor/log/format.h"
#include "supervisor/log/scratch.h"
#include "supervisor/log/sink.h"

namespace reeve::log {

// How a line on reeve's own descriptors begins; kept by the engine.
struct Prefixing {
    bool on = false;
    std::size_t width = 0;

    // "web     | ", or nothing.
    std::string operator()(std::string_view name) const;
};

class InheritSink final : public Sink {
public:
    // `writer` tells it from all others of the console.  Only the raw format is prefixed: the
    // others name the program anyway.
    InheritSink(Console& console, Console::Target target, std::uint32_t writer,
                const std::string& name, const Prefixing& prefixing, conf::LogFormat format,
                Scratch& scratch)
        : console_{console},
          target_{target},
          writer_{writer},
          name_{name},
          prefixing_{prefixing},
          format_{format},
          is_raw_{format == conf::LogFormat::raw},
          scratch_{scratch} {}

    bool has_room() override { return console_.has_room(target_); }
    std::optional<std::chrono::steady_clock::time_point> full_since() const override {
        return console_.full_since(target_);
    }
    std::string place() const override {
        return target_ == Console::Target::out ? "reeve's stdout" : "reeve's stderr";
    }
    std::optional<Trouble> trouble() override;
    const std::string& name() const { return name_; }
    void put(const Record& record) override;
    void flush() override;

    // Whole lines with their newlines.
    void put_lines(std::string_view lines);

private:
    Console& console_;
    Console::Target target_;
    std::uint32_t writer_;
    const std::string& name_;
    const Prefixing& prefixing_;
    LineFormat format_;
    const bool is_raw_;
    Scratch& scratch_;
    std::string batch_;
    std::string prefix_;  // of the batch
};

}  // namespace reeve::log
