#include <nlohmann/json.hpp>
#include <random>

#include "supervisor/log/format.h"
#include "tests/support/catch.h"

using namespace reeve::log;
using Json = nlohmann::ordered_json;
using End = Record::End;

namespace {

// 2026-11-22T10:17:00.120Z
constexpr WallTime kTime{1795342620120};

const StreamName kOut{.name = "web@2", .program = "web", .instance = 2, .source = Source::out};
const StreamName kErr{.name = "web@2", .program = "web", .instance = 2, .source = Source::err};

Record record(const StreamName& stream, std::string_view text, End end = End::newline,
              bool begins = true) {
    return {.stream = stream,
            .time = kTime,
            .run = 3,
            .pid = 4121,
            .text = text,
            .end = end,
            .begins = begins};
}

using Append = void (*)(std::string&, const Record&);
std::string shown(Append append, const Record& line) {
    std::string out = "before|";
    append(out, line);
    REQUIRE(out.starts_with("before|"));
    return out.substr(7);
}

// The bytes that an object of a JSON log stands for.
std::string bytes_of(const Json& object) {
    const auto& line = object.at("line").get_ref<const std::string&>();
    if (!object.contains("encoding")) return line;
    REQUIRE(object.at("encoding") == "latin-1");
    std::string bytes;
    for (std::size_t at = 0; at < line.size(); ++at) {
        const auto byte = static_cast<unsigned char>(line[at]);
        if (byte < 0x80) {
            bytes += line[at];
        } else {
            REQUIRE((byte == 0xc2 || byte == 0xc3));
            bytes += static_cast<char>(((byte & 3) << 6) | (line[++at] & 0x3f));
        }
    }
    return bytes;
}

bool is_utf8(const std::string& bytes) {
    try {
        (void)Json(bytes).dump();
        return true;
    } catch (const Json::type_error&) {
        return false;
    }
}

// Checks what is written for these bytes against a reader that is not ours.
void check_round_trip(const std::string& bytes) {
    const std::string text = shown(append_json, record(kOut, bytes));
    INFO(text);
    REQUIRE(text.ends_with("}\n"));
    REQUIRE(text.find('\n') == text.size() - 1);
    const Json object = Json::parse(text);
    CHECK(bytes_of(object) == bytes);
    CHECK(object.contains("encoding") == !is_utf8(bytes));
    for (const char c : text.substr(0, text.size() - 1)) {
        CHECK(static_cast<unsigned char>(c) >= 0x20);
        CHECK(c != 0x7f);
    }
}

}  // namespace

TEST_CASE("log format raw: the bytes and their newline, and one where none had come") {
    using namespace std::string_literals;
    CHECK(shown(append_raw, record(kOut, "a\0b\xff"s)) == "a\0b\xff\n"s);
    CHECK(shown(append_raw, record(kOut, "last", End::none)) == "last\n");
    CHECK(shown(append_raw, record(kOut, "begin", End::more)) == "begin");
    CHECK(shown(append_raw, record(kOut, "", End::newline, false)) == "\n");
}

TEST_CASE("log format text: time and name before each line, stderr marked") {
    CHECK(shown(append_text, record(kOut, "hello")) == "2026-11-22T10:17:00.120Z web@2 | hello\n");
    CHECK(shown(append_text, record(kErr, "oh no")) == "2026-11-22T10:17:00.120Z web@2 ! oh no\n");
    CHECK(shown(append_text, record(kOut, "")) == "2026-11-22T10:17:00.120Z web@2 | \n");
}

TEST_CASE("log format text: a last line without a newline says so") {
    CHECK(shown(append_text, record(kOut, "half", End::none)) ==
          "2026-11-22T10:17:00.120Z web@2 | half [no newline]\n");
}

TEST_CASE("log format text: the pieces of a long line make one line") {
    std::string out;
    append_text(out, record(kOut, "one ", End::more));
    append_text(out, record(kOut, "two ", End::more, false));
    append_text(out, record(kOut, "three", End::newline, false));
    CHECK(out == "2026-11-22T10:17:00.120Z web@2 | one two three\n");
}

TEST_CASE("log format json: an object a line, with its keys in order") {
    CHECK(shown(append_json, record(kOut, "say \"hi\" \\ \xc3\xa9")) ==
          "{\"time\":\"2026-11-22T10:17:00.120Z\",\"program\":\"web\",\"instance\":2,\"run\":3,"
          "\"pid\":4121,\"stream\":\"stdout\",\"line\":\"say \\\"hi\\\" \\\\ \xc3\xa9\"}\n");
}

TEST_CASE("log format json: a pid that isn't known is null, and so is a run") {
    Record line = record(kErr, "x");
    line.pid = 0;
    line.run = 0;
    CHECK(shown(append_json, line) ==
          "{\"time\":\"2026-11-22T10:17:00.120Z\",\"program\":\"web\",\"instance\":2,\"run\":null,"
          "\"pid\":null,\"stream\":\"stderr\",\"line\":\"x\"}\n");
}

TEST_CASE("log format json: what no newline ended is partial, whatever comes next") {
    const auto partial = [](End end, bool begins) {
        return Json::parse(shown(append_json, record(kOut, "x", end, begins))).contains("partial");
    };
    CHECK(partial(End::none, true));
    CHECK(partial(End::more, true));
    CHECK(partial(End::more, false));
    CHECK_FALSE(partial(End::newline, false));
    CHECK_FALSE(partial(End::newline, true));
    CHECK(shown(append_json, record(kOut, "\xff", End::none))
              .ends_with("\"line\":\"\xc3\xbf\",\"partial\":true,\"encoding\":\"latin-1\"}\n"));
}

TEST_CASE("log format json: control characters are escaped, C1 and DEL among them") {
    using namespace std::string_literals;
    const auto line = [](const std::string& bytes) {
        std::string out;
        append_json_string(out, bytes);
        return out;
    };
    CHECK(line("a\0b"s) == R"("a\u0000b")");
    CHECK(line("\t\x1b[31m\x7f") == R"("\u0009\u001b[31m\u007f")");
    CHECK(line("\xc2\x9b\xc2\xa0") == "\"\\u009b\xc2\xa0\"");
    CHECK(line("\x9b\xa0\t") == "\"\\u009b\xc2\xa0\\u0009\"");
}

TEST_CASE("log format json: every byte alone and at every place of a line comes back") {
    for (int byte = 0; byte < 256; ++byte) {
        if (byte == '\n') continue;
        for (std::size_t place = 0; place < 18; ++place) {
            std::string bytes(18, 'x');
            bytes[place] = static_cast<char>(byte);
            check_round_trip(bytes);
        }
    }
}

TEST_CASE("log format json: what is UTF-8 and what is not is judged as others judge it") {
    for (const std::string bytes : {"\xc3\xa9",
                                    "\xe2\x82\xac",
                                    "\xf0\x9f\x98\x80",
                                    "\xed\x9f\xbf",
                                    "\xef\xbf\xbf",
                                    "\xf4\x8f\xbf\xbf",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xe0\x9f\xbf",
                                    "\xe0\xa0\x80",
                                    "\xed\xa0\x80",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf0\x90\x80\x80",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xc3",
                                    "\xe2\x82",
                                    "\xf0\x9f\x98",
                                    "\x80",
                                    "\xfe",
                                    "a\xc3(",
                                    "\xe2\x28\xa1"}) {
        check_round_trip(bytes);
        check_round_trip("12345678" + bytes + "12345678");
        check_round_trip("\xc2\x85" + bytes);
    }
}

TEST_CASE("log format json: random bytes and random UTF-8 come back as they were") {
    std::mt19937 random{20261122};  // NOLINT: the same ones each time
    const auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        const unsigned size = below(60);
        const bool valid = below(2) == 0;
        while (bytes.size() < size) {
            if (!valid || below(3) != 0) {
                const char c = static_cast<char>(below(valid ? 128 : 256));
                if (c != '\n') bytes += c;
                continue;
            }
            constexpr std::string_view kWords[] = {"\xc2\x80", "\xc3\xa9", "\xe2\x82\xac",
                                                   "\xf0\x9f\x98\x80"};
            bytes += kWords[below(4)];
        }
        check_round_trip(bytes);
    }
}

TEST_CASE("log format: times go up and down, and far out, without confusion") {
    const auto text = [](std::int64_t milliseconds) {
        std::string out;
        append_time(out, WallTime{milliseconds});
        return out;
    };
    CHECK(text(1795342620120) == "2026-11-22T10:17:00.120Z");
    CHECK(text(1795342620121) == "2026-11-22T10:17:00.121Z");
    CHECK(text(1795342620999) == "2026-11-22T10:17:00.999Z");
    CHECK(text(1795342619999) == "2026-11-22T10:16:59.999Z");
    CHECK(text(0) == "1970-01-01T00:00:00.000Z");
    CHECK(text(-5) == "1970-01-01T00:00:00.000Z");
    CHECK(text(951782399999) == "2000-02-28T23:59:59.999Z");
    CHECK(text(951782400000) == "2000-02-29T00:00:00.000Z");
    CHECK(text(253402300799999) == "9999-12-31T23:59:59.999Z");
    CHECK(text(253402300800000) == "9999-12-31T23:59:59.999Z");
}
