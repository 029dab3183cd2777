#include <cstring>
#include <random>

#include "supervisor/log/batch.h"
#include "supervisor/model/rotation.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::log;
using reeve::conf::Compression;
using reeve::model::compression_suffix;
using reeve::model::kLatestRotation;
using reeve::model::parse_moved_name;
using reeve::model::parse_rotated_name;
using reeve::model::rotated_name;
using reeve::model::RotatedName;
using reeve::model::rotation_time;

namespace {

// 2026-11-22T10:17:00.120Z
constexpr auto kTime = 1'795'342'620'120ms;

Slice slice(std::string_view bytes) {
    std::shared_ptr<char[]> memory{new char[bytes.size()]};
    std::memcpy(memory.get(), bytes.data(), bytes.size());
    return {memory, {memory.get(), bytes.size()}};
}

Batch batch_of(std::initializer_list<std::string_view> pieces) {
    Batch batch;
    for (const std::string_view piece : pieces) batch.append(piece);
    return batch;
}

}  // namespace

TEST_CASE("rotation: a name and its parts, both ways") {
    struct Row {
        RotatedName rotated;
        std::string file;
    };
    const auto row = GENERATE(values<Row>({
        {{kTime, Compression::none, false}, "web.log.20261122T101700.120Z"},
        {{kTime, Compression::zstd, false}, "web.log.20261122T101700.120Z.zst"},
        {{kTime, Compression::gzip, false}, "web.log.20261122T101700.120Z.gz"},
        {{kTime, Compression::zstd, true}, "web.log.20261122T101700.120Z.zst.tmp"},
        {{0ms, Compression::none, false}, "web.log.19700101T000000.000Z"},
        {{951'782'400'000ms, Compression::none, false}, "web.log.20000229T000000.000Z"},
        {{kLatestRotation, Compression::gzip, false}, "web.log.99991231T235959.999Z.gz"},
    }));
    CHECK(rotated_name("web.log", row.rotated) == row.file);
    const auto parsed = parse_rotated_name(row.file);
    REQUIRE(parsed);
    CHECK(parsed->name == "web.log");
    CHECK(parsed->rotated == row.rotated);
}

TEST_CASE("rotation: what only looks like a rotated file is none") {
    const auto file = GENERATE(values<std::string>(
        {"", "web.log", "web.log.1", "web.log.zst", "web.log.20261122", ".20261122T101700.120Z",
         "20261122T101700.120Z", "web.log-20261122T101700.120Z", "web.log.20261322T101700.120Z",
         "web.log.20260230T101700.120Z", "web.log.20261122T241700.120Z",
         "web.log.20261122T106000.120Z", "web.log.20261122T101760.120Z",
         "web.log.20261122t101700.120Z", "web.log.2026112xT101700.120Z",
         "web.log.20261122T101700.120Z.xz", "web.log.20261122T101700.120Z.tmp2",
         "web.log.19691231T235959.999Z", "web.log.20261122T101700.120Z.gz.zst"}));
    INFO(file);
    CHECK_FALSE(parse_rotated_name(file));
}

TEST_CASE("rotation: times go up though the clock stands still or steps back") {
    CHECK(rotation_time(kTime, std::nullopt) == kTime);
    CHECK(rotation_time(kTime, kTime - 1ms) == kTime);
    CHECK(rotation_time(kTime, kTime) == kTime + 1ms);
    CHECK(rotation_time(kTime - 24h, kTime) == kTime + 1ms);
}

TEST_CASE("batch: a large slice is held, a small one is copied") {
    Batch batch;
    const Slice large = slice(std::string(Batch::kSmall, 'x'));
    const Slice small = slice("a line\n");
    batch.append(large);
    batch.append(small);
    CHECK(large.memory.use_count() == 2);
    CHECK(small.memory.use_count() == 1);
    CHECK(batch.advance(Batch::kSmall) == 'x');
    CHECK(large.memory.use_count() == 1);
    CHECK(batch.text() == "a line\n");
}

TEST_CASE("batch: what is put before it comes first, however far that was written") {
    Batch written = batch_of({"one\ntwo\n", "three\n"});
    CHECK(written.advance(5) == 't');
    Batch batch = batch_of({"four\n"});
    batch.prepend(std::move(written));
    batch.append("five\n");
    CHECK(batch.text() == "wo\nthree\nfour\nfive\n");
    CHECK(batch.size() == 19);
}

TEST_CASE("batch: newlines are found where a string would find them") {
    std::mt19937 random{4};
    for (int round = 0; round < 500; ++round) {
        Batch batch;
        std::string all;
        for (auto pieces = random() % 5; pieces > 0; --pieces) {
            std::string piece(Batch::kSmall + random() % 3, 'x');
            if (random() % 2 == 0) piece.resize(random() % 4);
            for (char& c : piece)
                if (random() % 9000 == 0) c = '\n';
            if (!piece.empty() && random() % 3 == 0) piece.back() = '\n';
            batch.append(slice(piece));
            all += piece;
        }
        if (!all.empty()) {
            const std::size_t gone = random() % all.size();
            if (gone > 0) batch.advance(gone);
            all.erase(0, gone);
        }
        REQUIRE(batch.text() == all);
        REQUIRE(batch.ends_line() == all.ends_with('\n'));
        REQUIRE(batch.through_first_newline() == all.find('\n') + 1);
        const std::size_t most = 1 + random() % (all.size() + 10);
        REQUIRE(batch.through_last_newline(most) ==
                (all.empty() ? 0 : all.rfind('\n', most - 1) + 1));
        std::array<iovec, 3> room;
        std::string parts;
        for (const iovec& part : batch.parts(room, most))
            parts.append(static_cast<const char*>(part.iov_base), part.iov_len);
        REQUIRE(all.starts_with(parts));
        REQUIRE(parts.size() <= most);
        REQUIRE((parts.empty() == all.empty()));
    }
}

TEST_CASE("cut: after the last line that fits") {
    const Batch batch = batch_of({"aaaa\nbbbb\ncccc\n"});
    const auto cut = [&](std::uint64_t size, std::uint64_t max) {
        return next_cut(batch, {.size = size, .max_size = max});
    };
    CHECK(cut(0, 0) == Cut{15, false});
    CHECK(cut(85, 100) == Cut{15, false});
    CHECK(cut(86, 100) == Cut{10, true});
    CHECK(cut(91, 100) == Cut{5, true});
    CHECK(cut(96, 100) == Cut{0, true});
    CHECK(cut(400, 100) == Cut{0, true});
    CHECK(cut(0, 7) == Cut{5, true});
    // Longer than any file may be: alone in its own.
    CHECK(cut(0, 3) == Cut{5, true});
    CHECK(cut(1, 3) == Cut{0, true});
}

TEST_CASE("cut: a line that the file has begun ends in it") {
    const Batch batch = batch_of({"aaaa\nbbbb\n"});
    CHECK(next_cut(batch, {.size = 98, .max_size = 100, .at_line_start = false}) == Cut{5, true});
    CHECK(next_cut(batch_of({"aaaa"}), {.size = 98, .max_size = 100, .at_line_start = false}) ==
          Cut{4, false});
    CHECK(next_cut(batch_of({"aaaa\n"}), {.size = 98, .max_size = 100, .at_line_start = false}) ==
          Cut{5, false});
}

TEST_CASE("cut: a line is not begun where its end may have no room") {
    const Batch batch = batch_of({"aaaa\nbbbb"});
    CHECK(next_cut(batch, {.size = 0, .max_size = 16'000}) == Cut{9, false});
    CHECK(next_cut(batch, {.size = 15'900, .max_size = 16'000}) == Cut{5, true});
    CHECK(next_cut(batch_of({"bbbb"}), {.size = 15'905, .max_size = 16'000}) == Cut{0, true});
    CHECK(next_cut(batch_of({"bbbb"}), {.size = 0, .max_size = 4}) == Cut{4, false});
}

TEST_CASE("cut: a file that is too old ends at the next line") {
    const Batch batch = batch_of({"aaaa\nbbbb\n"});
    CHECK(next_cut(batch, {.size = 9, .too_old = true}) == Cut{0, true});
    CHECK(next_cut(batch, {.size = 9, .too_old = true, .at_line_start = false}) == Cut{5, true});
    CHECK(next_cut(batch, {.size = 9}) == Cut{10, false});
}

TEST_CASE("what logrotate makes of a name is known, and nothing else") {
    const auto kind_of = [](std::string_view file) -> std::string {
        const auto moved = parse_moved_name(file, "web.log");
        if (!moved) return "none";
        return moved->is_readable ? "plain" + std::string{compression_suffix(moved->compression)}
                                  : "unreadable";
    };
    CHECK(kind_of("web.log.1") == "plain");
    CHECK(kind_of("web.log.12.gz") == "plain.gz");
    CHECK(kind_of("web.log.3.zst") == "plain.zst");
    CHECK(kind_of("web.log.3.xz") == "unreadable");
    CHECK(kind_of("web.log.3.bz2") == "unreadable");
    CHECK(kind_of("web.log-20261122") == "plain");
    CHECK(kind_of("web.log-20261122.gz") == "plain.gz");
    CHECK(kind_of("web.log-2026-11-22-1795342620") == "plain");
    for (const std::string_view other :
         {"web.log", "web.log.", "web.log-", "web.log-7", "web.log.gz", "web.log.1.tmp",
          "web.log.old", "web.log1", "web.log-2026112x", "other.log.1",
          "web.log.20261122T101700.120Z", "web.log.20261122T101700.120Z.gz"})
        CHECK(kind_of(other) == "none");
}
