#include "supervisor/log/file_lines.h"

#include <charconv>
#include <chrono>

namespace reeve::log {

namespace {

constexpr std::size_t kTimeSize = 24;

// Takes things off the front of a text.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_{text} {}

    bool literal(std::string_view expected) {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    // null is 0.
    template <typename Number>
    bool number(Number& number) {
        number = 0;
        if (literal("null")) return true;
        const auto [end, error] =
            std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
        if (error != std::errc{}) return false;
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return true;
    }

    // Up to the quote that ends a string, which is taken too; escapes stay.
    bool string(std::string_view& content) {
        if (!literal("\"")) return false;
        for (std::size_t at = 0;;) {
            at = rest_.find_first_of("\"\\", at);
            if (at == std::string_view::npos) return false;
            if (rest_[at] == '"') {
                content = rest_.substr(0, at);
                rest_.remove_prefix(at + 1);
                return true;
            }
            at += 2;
            if (at > rest_.size()) return false;
        }
    }

    std::string_view take(std::size_t count) {
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
};

// A character below U+0800, which is all that is ever escaped.
void append_utf8(std::string& out, unsigned character) {
    if (character < 0x80) {
        out += static_cast<char>(character);
        return;
    }
    out += static_cast<char>(0xc0 | (character >> 6));
    out += static_cast<char>(0x80 | (character & 0x3f));
}

bool unescape(std::string_view from, std::string& to) {
    to.clear();
    for (;;) {
        const std::size_t slash = from.find('\\');
        to += from.substr(0, slash);
        if (slash == std::string_view::npos) return true;
        from.remove_prefix(slash + 1);
        if (from.empty()) return false;
        if (from.front() != 'u') {
            if (from.front() != '"' && from.front() != '\\') return false;
            to += from.front();
            from.remove_prefix(1);
            continue;
        }
        unsigned character = 0;
        const auto end = from.data() + std::min<std::size_t>(from.size(), 5);
        if (from.size() < 5 || std::from_chars(from.data() + 1, end, character, 16).ptr != end ||
            character >= 0x800)
            return false;
        append_utf8(to, character);
        from.remove_prefix(5);
    }
}

// Each character becomes the byte of its number.
bool to_latin1(std::string& text) {
    std::size_t out = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        auto byte = static_cast<unsigned char>(text[at]);
        if (byte >= 0x80) {
            if ((byte != 0xc2 && byte != 0xc3) || at + 1 == text.size()) return false;
            byte = static_cast<unsigned char>((byte << 6) |
                                              (static_cast<unsigned char>(text[++at]) & 0x3f));
        }
        text[out++] = static_cast<char>(byte);
    }
    text.resize(out);
    return true;
}

}  // namespace

std::optional<WallTime> parse_time(std::string_view text) {
    using namespace std::chrono;
    constexpr std::string_view kForm = "0000-00-00T00:00:00.000Z";
    if (text.size() != kForm.size()) return std::nullopt;
    for (std::size_t at = 0; at < kForm.size(); ++at) {
        const bool digit = text[at] >= '0' && text[at] <= '9';
        if (kForm[at] == '0' ? !digit : text[at] != kForm[at]) return std::nullopt;
    }
    const auto number = [text](std::size_t at, std::size_t size) {
        int value = 0;
        std::from_chars(text.data() + at, text.data() + at + size, value);
        return value;
    };
    const year_month_day date{year{number(0, 4)}, month{static_cast<unsigned>(number(5, 2))},
                              day{static_cast<unsigned>(number(8, 2))}};
    if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60)
        return std::nullopt;
    return sys_days{date}.time_since_epoch() + hours{number(11, 2)} + minutes{number(14, 2)} +
           seconds{number(17, 2)} + milliseconds{number(20, 3)};
}

std::optional<ParsedLine> parse_text_line(std::string_view& text) {
    Scanner scanner{text};
    const auto time = parse_time(scanner.take(kTimeSize));
    if (!time || !scanner.literal(" ")) return std::nullopt;
    ParsedLine line;
    line.time = *time;
    line.name = scanner.take(scanner.rest().find(' '));
    if (scanner.literal(" ! ")) {
        line.source = Source::err;
    } else if (!scanner.literal(" | ")) {
        return std::nullopt;
    }
    text = scanner.rest();
    return line;
}

std::optional<ParsedLine> parse_json_line(std::string_view line, std::string& text) {
    Scanner scanner{line};
    ParsedLine parsed;
    std::string_view time;
    std::string_view stream;
    std::string_view escaped;
    const bool read = scanner.literal(R"({"time":)") && scanner.string(time) &&
                      scanner.literal(R"(,"program":)") && scanner.string(parsed.program) &&
                      scanner.literal(R"(,"instance":)") && scanner.number(parsed.instance) &&
                      scanner.literal(R"(,"run":)") && scanner.number(parsed.run) &&
                      scanner.literal(R"(,"pid":)") && scanner.number(parsed.pid) &&
                      scanner.literal(R"(,"stream":)") && scanner.string(stream) &&
                      scanner.literal(R"(,"line":)") && scanner.string(escaped);
    if (!read || !unescape(escaped, text)) return std::nullopt;
    parsed.partial = scanner.literal(R"(,"partial":true)");
    if (scanner.literal(R"(,"encoding":"latin-1")") && !to_latin1(text)) return std::nullopt;
    const auto moment = parse_time(time);
    if (!moment || scanner.rest() != "}") return std::nullopt;
    parsed.time = *moment;
    parsed.source = stream == "stderr" ? Source::err : Source::out;
    return parsed;
}

}  // namespace reeve::log
