#include "ctl/api/usual_line.h"

#include <algorithm>
#include <charconv>

namespace reeve::api {

namespace {

// Takes things off the front of a text; what is not as expected is left to somebody else.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_{text} {}

    bool literal(std::string_view expected) {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    // No zeros in front, as in JSON.
    template <typename Number>
    bool number(Number& number) {
        const auto [end, error] =
            std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
        if (error != std::errc{}) return false;
        const auto size = static_cast<std::size_t>(end - rest_.data());
        if (rest_.front() == '-' || (rest_.front() == '0' && size > 1)) return false;
        rest_.remove_prefix(size);
        return true;
    }

    // Up to the quote that ends a string, which is taken too; printable ASCII without escapes.
    bool word(std::string_view& content) {
        const std::size_t end = rest_.find('"');
        if (end == std::string_view::npos) return false;
        content = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return std::all_of(content.begin(), content.end(),
                           [](char c) { return c >= ' ' && c <= '~' && c != '\\'; });
    }

    // Likewise, with the escapes that reeve uses, and with bytes above ASCII.
    bool string(std::string& content) {
        for (;;) {
            const std::size_t quote = rest_.find('"');
            if (quote == std::string_view::npos) return false;
            const std::size_t slash = rest_.substr(0, quote).find('\\');
            const std::string_view plain = rest_.substr(0, std::min(slash, quote));
            const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
            if (std::any_of(plain.begin(), plain.end(), is_control)) return false;
            content += plain;
            rest_.remove_prefix(plain.size() + 1);
            if (slash == std::string_view::npos) return true;
            if (!escaped(content)) return false;
        }
    }

    bool at_end() const { return rest_.empty(); }

private:
    // What stands behind a backslash.
    bool escaped(std::string& content) {
        if (literal("\"")) {
            content += '"';
        } else if (literal("\\")) {
            content += '\\';
        } else {
            constexpr std::size_t kSize = 4;
            unsigned code = 0;
            if (!literal("u") || rest_.size() < kSize) return false;
            const char* const end = rest_.data() + kSize;
            const auto [read, error] = std::from_chars(rest_.data(), end, code, 16);
            if (error != std::errc{} || read != end || code >= 0x80) return false;
            content += static_cast<char>(code);
            rest_.remove_prefix(kSize);
        }
        return true;
    }

    std::string_view rest_;
};

}  // namespace

std::optional<LogLine> read_usual_line(std::string_view text) {
    Scanner scanner{text};
    LogLine line;
    if (!scanner.literal(R"({"time":)")) return std::nullopt;
    if (!scanner.literal("null")) {
        std::string_view time;
        if (!scanner.literal("\"") || !scanner.word(time)) return std::nullopt;
        line.time = parse_timestamp(time);
        if (!line.time) return std::nullopt;
    }
    std::string_view name;
    std::string_view program;
    std::int64_t pid = 0;
    std::string_view stream;
    if (!scanner.literal(R"(,"name":")") || !scanner.word(name) ||
        !scanner.literal(R"(,"program":")") || !scanner.word(program) ||
        !scanner.literal(R"(,"instance":)") || !scanner.number(line.instance) ||
        !scanner.literal(R"(,"run":)") || !scanner.number(line.run) ||
        !scanner.literal(R"(,"pid":)"))
        return std::nullopt;
    if (!scanner.literal("null")) {
        if (!scanner.number(pid)) return std::nullopt;
        line.pid = pid;
    }
    if (!scanner.literal(R"(,"stream":")") || !scanner.word(stream) ||
        !scanner.literal(R"(,"line":")") || !scanner.string(line.line) || !scanner.literal("}") ||
        !scanner.at_end())
        return std::nullopt;
    line.name = name;
    line.program = program;
    line.stream = stream;
    return line;
}

}  // namespace reeve::api
