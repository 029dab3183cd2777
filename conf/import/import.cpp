#include "conf/import/import.h"

#include <cctype>

namespace reeve::conf::import {

namespace {

std::string_view file_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

// Bytes that no UTF-8 text has, at the first of them; npos: none.
std::size_t first_odd_byte(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        std::size_t more = 0;
        if (byte < 0x80) {
            more = 0;
        } else if (byte >= 0xC2 && byte < 0xE0) {
            more = 1;
        } else if (byte >= 0xE0 && byte < 0xF0) {
            more = 2;
        } else if (byte >= 0xF0 && byte < 0xF5) {
            more = 3;
        } else {
            return i;
        }
        for (std::size_t k = 1; k <= more; ++k) {
            if (i + k >= text.size() || (static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80)
                return i;
        }
        // Overlong, and surrogates.
        const auto second = more > 0 ? static_cast<unsigned char>(text[i + 1]) : 0;
        if ((byte == 0xE0 && second < 0xA0) || (byte == 0xED && second > 0x9F) ||
            (byte == 0xF0 && second < 0x90) || (byte == 0xF4 && second > 0x8F)) {
            return i;
        }
        i += more + 1;
    }
    return std::string_view::npos;
}

// The first line that says something decides.
bool looks_like_ini(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())))
            line.remove_prefix(1);
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        return line.front() == '[';
    }
    return false;
}

bool looks_like_procfile(std::string_view text) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.empty() || line.front() == '#' || line.front() == '\r') continue;
        const auto colon = line.find_first_not_of(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
        return colon != std::string_view::npos && colon > 0 && line[colon] == ':';
    }
    return false;
}

}  // namespace

Expected<Imported, Fault> import_file(const Request& request) {
    if (const auto odd = first_odd_byte(request.text); odd != std::string::npos) {
        const std::string_view before = std::string_view{request.text}.substr(0, odd);
        int line = 1;
        for (const char c : before) line += c == '\n';
        return Unexpected<Fault>{
            Fault{{request.path, line}, "not UTF-8 (iconv -t UTF-8 makes it so)"}};
    }
    const std::string_view name = file_name(request.path);
    if (name == "Procfile" || name.starts_with("Procfile.")) return import_procfile(request);
    if (looks_like_ini(request.text)) return import_supervisord(request);
    if (looks_like_procfile(request.text)) return import_procfile(request);
    return Unexpected<Fault>{
        Fault{{request.path, 1},
              "neither a supervisord.conf, which begins with a [section], nor a Procfile, which "
              "has lines like \"web: command\""}};
}

}  // namespace reeve::conf::import
