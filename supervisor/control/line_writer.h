#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/core/roster.h"
#include "supervisor/log/line.h"

namespace reeve::control {

// Turns lines of output into what is sent: text, or JSON lines as api::LogLine.
class LineWriter {
public:
    enum class Format { text, ndjson };
    struct Settings {
        Format format = Format::text;
        bool prefix = false;  // text: the instance's name before each line
        bool marks = false;   // where runs begin and end
    };

    LineWriter(const core::Roster& roster, const std::vector<log::InstanceId>& instances,
               const Settings& settings);

    // What is known of runs at this moment; the rest may then be called on another thread.
    void refresh();
    // Of those of one instance.
    void refresh(log::InstanceId id);
    void append(std::string& out, const log::Line& line);

private:
    // What is to be known of an instance.
    struct Facts {
        std::string name;
        std::string program;
        int number = 1;
        std::uint32_t run = 0;  // the present one
        std::int64_t pid = 0;
        struct End {
            std::string reason;
            std::int64_t pid = 0;
        };
        std::map<std::uint32_t, End> ends;  // of the last runs that have
    };
    struct Unfinished {
        log::InstanceId instance;
        log::Source source;
        bool operator==(const Unfinished&) const = default;
    };

    void refresh(log::InstanceId id, Facts& facts) const;
    void append_text(std::string& out, const log::Line& line, const Facts& facts);
    void append_json(std::string& out, const log::Line& line, const Facts& facts);
    std::int64_t pid_of(const log::Line& line, const Facts& facts) const;
    // What reeve has to say at this place.
    std::string words_of(const log::Line& line, const Facts& facts) const;

    const core::Roster& roster_;
    const Settings settings_;
    std::map<log::InstanceId, Facts> facts_;
    // Of the last run that began in this stream.
    std::map<log::InstanceId, std::pair<std::uint32_t, std::int64_t>> pids_;
    std::optional<Unfinished> unfinished_;
};

}  // namespace reeve::control
