#include "supervisor/log/syslog_message.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "supervisor/log/format.h"

namespace reeve::log {

namespace {

// rsyslog cuts at 8096 bytes as it comes, by trial with 8.2302.
constexpr std::size_t kLongestMessage = 8000;

// Of those a control character costs the four that it makes of it.
constexpr std::size_t kEscaped = 4;

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// How much of `text` fits into `room`; not half of a UTF-8 character, if it can be helped.
std::size_t fitting(std::string_view text, std::size_t room) {
    std::size_t used = 0;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        used += is_control(text[at]) ? kEscaped : 1;
        if (used > room) break;
    }
    if (at == text.size()) return at;
    std::size_t back = at;
    while (back > 0 && at - back < 3 && continues_character(text[back])) --back;
    if (back > 0 && !continues_character(text[back])) at = back;
    return std::max<std::size_t>(at, 1);
}

void append_without_nul(std::string& out, std::string_view text) {
    for (;;) {
        const std::size_t nul = text.find('\0');
        out += text.substr(0, nul);
        if (nul == std::string_view::npos) return;
        out += "#000";
        text.remove_prefix(nul + 1);
    }
}

// "Nov 22 10:17:00", local time, as syslog(3) has it.
void append_local_time(std::string& out, WallTime time) {
    static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto seconds = static_cast<std::time_t>(time.count() / 1000);
    std::tm fields{};
    ::localtime_r(&seconds, &fields);
    std::array<char, 32> text{};
    const int size = std::snprintf(text.data(), text.size(), "%s %2d %02d:%02d:%02d",
                                   kMonths[static_cast<std::size_t>(fields.tm_mon) % 12],
                                   fields.tm_mday, fields.tm_hour, fields.tm_min, fields.tm_sec);
    out.append(text.data(), static_cast<std::size_t>(size));
}

void append_header(std::string& out, SyslogDialect dialect, const SyslogHeader& header,
                   const Record& line, bool partial) {
    out += '<';
    out += std::to_string(kDaemonFacility * 8 + static_cast<int>(header.severity));
    out += '>';
    if (dialect == SyslogDialect::local) {
        append_local_time(out, line.time);
        out += ' ';
        out += header.name;
        if (line.pid != 0) out += '[' + std::to_string(line.pid) + ']';
        out += ": ";
        return;
    }
    out += "1 ";
    append_time(out, line.time);
    out += ' ';
    out += header.host;
    out += ' ';
    out += header.name;
    out += ' ';
    out += line.pid != 0 ? std::to_string(line.pid) : "-";
    out += ' ';
    out += header.message_id.empty() ? "-" : header.message_id;
    if (header.parameters.empty() && !partial) {
        out += " - ";
        return;
    }
    out += " [reeve@32473";
    if (!header.parameters.empty()) out += ' ';
    out += header.parameters;
    if (partial) out += R"( partial="true")";
    out += "] ";
}

}  // namespace

void queue_syslog(LogSocket& socket, SyslogDialect dialect, const SyslogHeader& header,
                  const Record& line) {
    const std::size_t longest = std::min(kLongestMessage, socket.largest());
    std::string_view rest = line.text;
    bool begins = line.begins;
    for (;;) {
        std::string& out = socket.buffer();
        const std::size_t begin = socket.building_at();
        append_header(out, dialect, header, line, line.end != Record::End::newline);
        std::size_t used = out.size() - begin;
        std::size_t size = fitting(rest, longest > used ? longest - used : 0);
        bool last = size == rest.size();
        if (!last && line.end == Record::End::newline) {
            // Its header says that it is not all, and is longer for it.
            out.resize(begin);
            append_header(out, dialect, header, line, true);
            used = out.size() - begin;
            size = fitting(rest, longest > used ? longest - used : 0);
            last = size == rest.size();
        }
        append_without_nul(out, rest.substr(0, size));
        socket.queue({.time = line.time,
                      .run = line.run,
                      .pid = line.pid,
                      .end = last ? line.end : Record::End::more,
                      .begins = begins,
                      .text_at = used,
                      .text_size = out.size() - begin - used});
        if (last) return;
        rest.remove_prefix(size);
        begins = false;
    }
}

SyslogDialect dialect_of(const LogSocket& socket) {
    return socket.link_target().ends_with("systemd/journal/dev-log") ? SyslogDialect::local
                                                                     : SyslogDialect::rfc5424;
}

std::string syslog_name(std::string_view name, std::size_t longest) {
    std::string text{name};
    if (text.size() > longest) {
        const std::size_t at = text.rfind('@');
        const std::string number = at == std::string::npos ? "" : text.substr(at);
        text.resize(longest - std::min(longest, number.size()));
        text = (text + number).substr(0, longest);
    }
    for (char& c : text)
        if (c <= ' ' || c > '~') c = '_';
    return text.empty() ? "-" : text;
}

std::string syslog_host() {
    std::array<char, kLongestHost + 1> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "-";
    return syslog_name(name.data(), kLongestHost);
}

void append_parameter(std::string& out, std::string_view name, std::string_view value) {
    if (!out.empty()) out += ' ';
    out += name;
    out += "=\"";
    for (const char c : value) {
        if (c == '"' || c == '\\' || c == ']') out += '\\';
        out += c;
    }
    out += '"';
}

}  // namespace reeve::log
