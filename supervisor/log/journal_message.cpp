#include "supervisor/log/journal_message.h"

#include <algorithm>

#include "supervisor/log/format.h"

namespace reeve::log {

namespace {

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20;
}

// Where the value begins.
std::size_t append_value(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    if (std::none_of(value.begin(), value.end(), is_control)) {
        out += '=';
    } else {
        out += '\n';
        std::uint64_t size = value.size();
        for (int byte = 0; byte < 8; ++byte, size >>= 8) out += static_cast<char>(size & 0xff);
    }
    const std::size_t at = out.size();
    out += value;
    out += '\n';
    return at;
}

}  // namespace

void append_field(std::string& out, std::string_view name, std::string_view value) {
    append_value(out, name, value);
}

void queue_journal(LogSocket& socket, std::string_view fields, const Record& line) {
    std::string& out = socket.buffer();
    out += fields;
    out += "SYSLOG_TIMESTAMP=";
    append_time(out, line.time);
    out += '\n';
    if (line.pid != 0) {
        const std::string pid = std::to_string(line.pid);
        append_field(out, "SYSLOG_PID", pid);
        append_field(out, "REEVE_PID", pid);
    }
    if (line.run != 0) append_field(out, "REEVE_RUN", std::to_string(line.run));
    if (line.end != Record::End::newline) append_field(out, "REEVE_PARTIAL", "1");
    const std::size_t text_at = append_value(out, "MESSAGE", line.text) - socket.building_at();
    socket.queue({.time = line.time,
                  .run = line.run,
                  .pid = line.pid,
                  .end = line.end,
                  .begins = line.begins,
                  .text_at = text_at,
                  .text_size = line.text.size()});
}

}  // namespace reeve::log
