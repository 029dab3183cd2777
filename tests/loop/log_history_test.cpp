#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "supervisor/log/format.h"
#include "supervisor/log/history.h"
#include "supervisor/log/line_reader.h"
#include "supervisor/model/rotation.h"
#include "tests/support/catch.h"

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace reeve::log;
using reeve::conf::Compression;
using reeve::conf::LogFormat;

namespace {

constexpr WallTime kMorning{1'795'342'620'000};

// Files as an earlier reeve has left them.
struct Archive {
    Archive() {
        char name[] = "/tmp/reeve-history-XXXXXX";
        directory = ::mkdtemp(name);
    }
    ~Archive() { fs::remove_all(directory); }

    void write(const std::string& name, const std::string& text, bool gzip = false) const {
        const std::string path = directory / name;
        if (!gzip) {
            std::ofstream{path, std::ios::binary} << text;
            return;
        }
        gzFile file = ::gzopen(path.c_str(), "wb");
        ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
        ::gzclose(file);
    }
    std::string rotated(const std::string& name, WallTime time, bool gzip) const {
        return reeve::model::rotated_name(
            name, {.time = time, .compression = gzip ? Compression::gzip : Compression::none});
    }

    FileHistory log(const std::string& name, LogFormat format, InstanceId id) const {
        FileHistory history;
        history.path = directory / name;
        history.format = format;
        history.target =
            std::make_shared<FileTarget>(history.path, std::nullopt, reeve::conf::Rotation{},
                                         std::weak_ptr<FileTarget::Listener>{});
        history.streams.push_back({.key = {id, Source::out}, .name = name, .index = {}});
        return history;
    }

    fs::path directory;
};

std::vector<Line> all_of(History& history, std::size_t step = 1000) {
    std::vector<Line> lines;
    while (history.next(step, lines)) {
    }
    return lines;
}

std::string texts(const std::vector<Line>& lines) {
    std::string text;
    for (const Line& line : lines) text += line.text + " ";
    return text;
}

std::string text_line(const StreamName& stream, WallTime time, std::string_view text) {
    std::string out;
    append_text(out, {.stream = stream, .time = time, .text = text});
    return out;
}

}  // namespace

TEST_CASE("the last so many lines of several logs are found backwards, and merged by time") {
    const Archive archive;
    std::mt19937 random{7};
    std::vector<std::pair<WallTime, std::string>> expected;
    constexpr int kLogs = 3;
    for (int log = 0; log < kLogs; ++log) {
        const std::string name = "log" + std::to_string(log);
        const StreamName stream{name, name, 1, Source::out};
        std::string text;
        WallTime time = kMorning + WallTime{log};
        int files = 0;
        for (int number = 0; number < 4000; ++number) {
            // Never the same time in two logs, so that there is one order.
            time += WallTime{kLogs * static_cast<int>(random() % 50 + 1)};
            const std::string words =
                name + ":" + std::to_string(number) + std::string(random() % 200, 'x');
            text += text_line(stream, time, words);
            expected.emplace_back(time, words);
            if (text.size() < 70'000 * static_cast<std::size_t>(log + 1)) continue;
            const bool gzip = ++files % 3 != 0;
            archive.write(archive.rotated(name, time, gzip), std::exchange(text, {}), gzip);
        }
        archive.write(name, text);
        REQUIRE(files >= 2);
    }
    std::sort(expected.begin(), expected.end());

    const auto ask = [&](History::Options options) {
        Look look;
        for (int log = 0; log < kLogs; ++log)
            look.files.push_back(archive.log("log" + std::to_string(log), LogFormat::text,
                                             static_cast<InstanceId>(log)));
        History history{std::move(look), options};
        return all_of(history, random() % 100'000 + 1);
    };
    const auto check = [](const std::vector<Line>& lines,
                          const std::vector<std::pair<WallTime, std::string>>& wanted) {
        REQUIRE(lines.size() == wanted.size());
        for (std::size_t index = 0; index < lines.size(); ++index) {
            if (lines[index].text != wanted[index].second ||
                lines[index].time != wanted[index].first)
                FAIL(index << ": " << lines[index].text << ", not " << wanted[index].second);
        }
    };
    check(ask({}), expected);
    for (const std::size_t count : {0u, 1u, 2u, 100u, 1'000u, 5'000u, 11'999u, 12'000u, 99'999u}) {
        CAPTURE(count);
        const std::size_t most = std::min<std::size_t>(count, expected.size());
        check(ask({.last_lines = count}),
              {expected.end() - static_cast<std::ptrdiff_t>(most), expected.end()});
    }
    for (int round = 0; round < 10; ++round) {
        const std::size_t first = random() % expected.size();
        const std::size_t last = first + random() % (expected.size() - first);
        std::vector<std::pair<WallTime, std::string>> between{
            expected.begin() + static_cast<std::ptrdiff_t>(first),
            expected.begin() + static_cast<std::ptrdiff_t>(last) + 1};
        CAPTURE(first, last);
        check(ask({.since = expected[first].first, .until = expected[last].first}), between);
        if (between.size() > 30) between.erase(between.begin(), between.end() - 30);
        check(
            ask({.last_lines = 30, .since = expected[first].first, .until = expected[last].first}),
            between);
    }
}

TEST_CASE("what memory has is merged with the files, and stands in for those that can't be read") {
    const Archive archive;
    const StreamName stream{"a", "a", 1, Source::out};
    archive.write("a", text_line(stream, kMorning, "a1") + text_line(stream, kMorning + 2s, "a2"));
    fs::create_directory(archive.directory / "b");
    const auto memory = [](InstanceId id, WallTime time, std::string text) {
        return Line{.time = time, .instance = id, .text = std::move(text)};
    };
    Look look;
    look.files.push_back(archive.log("a", LogFormat::text, 0));
    look.files.push_back(archive.log("b", LogFormat::text, 1));
    look.files.push_back(archive.log("never", LogFormat::text, 2));
    look.lines = {memory(3, kMorning + 1s, "m1"), memory(3, kMorning + 3s, "m2")};
    look.instead = {memory(1, kMorning + 4s, "b1"), memory(2, kMorning + 5s, "n1")};
    History history{std::move(look), {}};
    const auto lines = all_of(history);
    CHECK(texts(lines) == "open " + (archive.directory / "b").string() +
                              ": Is a directory: only what memory has is shown a1 m1 a2 m2 b1 n1 ");
    CHECK(lines.front().kind == Line::Kind::note);
}

TEST_CASE("a damaged or missing piece of a history is said in its place, and the rest is there") {
    const Archive archive;
    const auto name_of = [&](int hour, bool gzip) {
        return archive.rotated("raw", kMorning + std::chrono::hours{hour}, gzip);
    };
    archive.write(name_of(1, false), "one\n");
    archive.write(name_of(2, true), "two\n" + std::string(200'000, 'x') + "\n", true);
    fs::resize_file(archive.directory / name_of(2, true),
                    fs::file_size(archive.directory / name_of(2, true)) - 20);
    archive.write(name_of(3, false), "three\n");
    archive.write("raw", "four\nfive");
    const auto ask = [&](bool with_partial) {
        Look look;
        look.files.push_back(archive.log("raw", LogFormat::raw, 0));
        History history{std::move(look), {.with_partial = with_partial}};
        return all_of(history);
    };
    const auto lines = ask(true);
    CHECK(texts(lines) ==
          "one two " + (archive.directory / name_of(2, true)).string() +
              " is damaged or cut off: what follows in it is missing here three four five ");
    CHECK(lines.front().time == 0ms);
    CHECK(lines.back().kind == Line::Kind::partial);
    CHECK(ask(false).back().text == "four");
}

TEST_CASE("what logrotate has moved is read in the order of its age, each once") {
    const Archive archive;
    int age = 100;
    const auto write = [&](const std::string& name, const std::string& text, bool gzip = false) {
        archive.write(name, text, gzip);
        const auto written = std::chrono::system_clock::now() - std::chrono::hours{--age};
        fs::last_write_time(archive.directory / name,
                            fs::file_time_type::clock::now() - std::chrono::hours{age});
        return std::chrono::floor<std::chrono::seconds>(written.time_since_epoch());
    };
    write("raw.10.gz", "ten\n", true);
    write("raw-20200101", "dated\n");
    write("raw.9.xz", "?");
    const auto then = write("raw.2.gz", "two\n", true);
    archive.write(archive.rotated("raw", then + 5min, false), "ours\n");
    write("raw.1", "one\n");
    write("raw.1.gz", "one\n", true);  // being made of it
    write("raw.0", "of another log\n");
    write("raw.old", "no such name\n");
    fs::create_symlink("raw.1", archive.directory / "raw.3");
    archive.write("raw", "now\n");
    Look look;
    look.files.push_back(archive.log("raw", LogFormat::raw, 0));
    look.files.back().others = {archive.directory / "raw.0"};
    History history{std::move(look), {}};
    CHECK(texts(all_of(history)) == "ten dated " + (archive.directory / "raw.9.xz").string() +
                                        " is compressed in a way that reeve can't read: what was "
                                        "in it is missing here two ours one now ");

    Look last;
    last.files.push_back(archive.log("raw", LogFormat::raw, 0));
    last.files.back().others = {archive.directory / "raw.0"};
    History two{std::move(last), {.last_lines = 2}};
    CHECK(texts(all_of(two)) == "one now ");
}

TEST_CASE("parts of a file that meet have each line once, wherever they are cut") {
    const Archive archive;
    std::string text;
    std::mt19937 random{11};
    std::vector<std::string> lines;
    for (int number = 0; number < 300; ++number) {
        lines.push_back(std::to_string(number) + std::string(random() % 40, 'y'));
        text += lines.back() + "\n";
    }
    archive.write("f", text);
    archive.write("f.gz", text, true);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::uint64_t> cuts{0, text.size()};
        for (int cut = 0; cut < 5; ++cut) cuts.push_back(random() % text.size());
        std::sort(cuts.begin(), cuts.end());
        std::vector<std::string> found;
        for (std::size_t index = 0; index + 1 < cuts.size(); ++index) {
            auto file = FileReader::open(archive.directory / "f");
            REQUIRE(file);
            LineReader reader{*file, {cuts[index], cuts[index + 1], text.size()}, 1000};
            LineReader::Piece piece;
            for (auto more = reader.next(piece); more && *more; more = reader.next(piece)) {
                CHECK(piece.first);
                CHECK(piece.ended);
                CHECK(text.substr(piece.begin, piece.end - piece.begin - 1) == piece.text);
                found.emplace_back(piece.text);
            }
        }
        REQUIRE(found == lines);
    }
}

TEST_CASE(
    "a long line comes in pieces, the last one ends it, and nothing behind the limit is read") {
    const Archive archive;
    archive.write("f", "aaaaabbbbbcc\nddddd\n\nee");
    const auto read = [&](std::uint64_t limit) {
        auto file = FileReader::open(archive.directory / "f");
        LineReader reader{*file, {0, limit, limit}, 5};
        LineReader::Piece piece;
        std::string all;
        for (auto more = reader.next(piece); more && *more; more = reader.next(piece)) {
            all += piece.first ? "[" : "+";
            all += piece.text;
            all += piece.ended ? "] " : "> ";
        }
        return all;
    };
    CHECK(read(1000) == "[aaaaa> +bbbbb> +cc] [ddddd] [] [ee> ");
    CHECK(read(19) == "[aaaaa> +bbbbb> +cc] [ddddd] ");
    CHECK(read(16) == "[aaaaa> +bbbbb> +cc] [ddd> ");
}
