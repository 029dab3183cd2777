#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "conf/disk.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;
using Kind = Found::Kind;

namespace {

constexpr const char* kTwo =
    "[program.a]\ncommand='x'\nstdout='/a'\nstderr='/e'\n[program.b]\ncommand='x'\nstdout='/b'\n";

std::string errors_with(std::map<std::string, Found> disk, const std::string& text = kTwo) {
    Files files{text};
    files.disk = std::move(disk);
    return files.errors();
}

// With its links resolved, as /tmp may be one.
class Tree {
public:
    Tree() {
        char name[] = "/tmp/reeve-disk-XXXXXX";
        REQUIRE(::mkdtemp(name));
        path_ = name;
    }
    ~Tree() { std::filesystem::remove_all(path_); }
    std::string operator/(const char* name) const { return path_ + "/" + name; }
    void link(const std::string& target, const char* name) const {
        REQUIRE(::symlink(target.c_str(), (*this / name).c_str()) == 0);
    }
    void file(const char* name) const {
        REQUIRE(::mknod((*this / name).c_str(), S_IFREG | 0644, 0) == 0);
    }

private:
    std::string path_;
};

}  // namespace

TEST_CASE("where a directory or a socket lies no output can go, and whoever looks says so") {
    CHECK(errors_with({}) == "");
    CHECK(errors_with({{"/a", {Kind::other, "1:1"}}, {"/b", {Kind::nothing, "1:2b"}}}) == "");
    CHECK(
        errors_with({{"/a", {Kind::directory}}, {"/e", {Kind::socket}}}) ==
        "reeve.toml:3:8: \"/a\" is a directory (write the name of a file in it, such as "
        "\"/a/${program}.log\")\n"
        "reeve.toml:4:8: \"/e\" is a socket, which can't be opened as a file (write \"syslog\" or "
        "\"journal\", or another path)\n");
    CHECK(errors_with({{"/r", {Kind::directory}}}, "[supervisor]\nlog='/r'\n") ==
          "reeve.toml:2:1: \"/r\" is a directory (write the name of a file in it, such as "
          "\"/r/reeve.log\")\n");
    // With all that is wrong besides.
    CHECK(errors_with({{"/b", {Kind::directory}}}, std::string{kTwo} + "nice=99\n") ==
          "reeve.toml:7:8: \"/b\" is a directory (write the name of a file in it, such as "
          "\"/b/${program}.log\")\n"
          "reeve.toml:8:6: \"nice\" is 99 (should be an integer from -20 to 19)\n");
}

TEST_CASE("two names of one file are refused, and two files are not") {
    const Found file{Kind::other, "1:1"};
    CHECK(
        errors_with({{"/a", file}, {"/b", file}}) ==
        "reeve.toml:7:8: \"/b\" is the same file as \"/a\" at reeve.toml:3:8 (write the same path "
        "in both, or give each its own)\n");
    // One that is not made yet.
    CHECK(
        errors_with({{"/a", {Kind::nothing, "1:2x"}}, {"/e", {Kind::nothing, "1:2x"}}}) ==
        "reeve.toml:4:8: \"/e\" is the same file as \"/a\" at reeve.toml:3:8 (write the same path "
        "in both, or give each its own)\n");
    CHECK(
        errors_with({{"/a", file}, {"/r", file}}, std::string{kTwo} + "[supervisor]\nlog='/r'\n") ==
        "reeve.toml:3:8: \"/a\" is the same file as \"/r\" at reeve.toml:9:1, reeve's own log "
        "(give "
        "each its own)\n");
    // A FIFO by two names, and two that nobody can tell.
    CHECK(errors_with({{"/a", {Kind::other}}, {"/b", {Kind::other}}, {"/e", {}}}) == "");
    CHECK(errors_with({{"/l", file}}, "[program.a]\ncommand='x'\ninstances=2\nstdout='/l'\n") ==
          "");
}

TEST_CASE("the disk says what lies at a path, and which names are one file") {
    const Tree place;
    std::filesystem::create_directory(place / "real");
    place.file("real/web.log");
    place.link("real", "link");
    place.link("real/web.log", "near");
    place.link(place / "link/new.log", "dangling");
    place.link("round", "round");
    REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);

    const auto at = [&](const char* name) { return look_at(place / name); };
    CHECK(at("real").kind == Kind::directory);
    CHECK(at("link").kind == Kind::directory);
    CHECK(at("real/web.log").kind == Kind::other);
    CHECK_FALSE(at("real/web.log").identity.empty());
    CHECK(at("link/web.log").identity == at("real/web.log").identity);
    CHECK(at("near").identity == at("real/web.log").identity);
    CHECK(at("real/new.log").kind == Kind::nothing);
    CHECK(at("link/new.log").identity == at("real/new.log").identity);
    CHECK(at("dangling").identity == at("real/new.log").identity);
    CHECK(at("real/other.log").identity != at("real/new.log").identity);
    CHECK(at("new.log").identity != at("real/new.log").identity);
    CHECK(at("real/new.log").identity != at("real/web.log").identity);
    CHECK(at("fifo").kind == Kind::other);
    CHECK(at("fifo").identity.empty());
    CHECK(at("round").kind == Kind::unknown);
    CHECK(at("near/x").kind == Kind::unknown);
    CHECK(look_at("/dev/null").identity.empty());
}

TEST_CASE("two names of a file whose directory is not made yet are one") {
    const Tree place;
    std::filesystem::create_directory(place / "real");
    place.file("real/web.log");
    place.link("real", "link");
    place.link("real/later", "dangling");
    place.link("loop/a", "loop");

    const auto identity = [&](const char* name) {
        const Found found = look_at(place / name);
        CHECK(found.kind == Kind::nothing);
        return found.identity;
    };
    const std::string file = identity("real/new/sub/x.log");
    CHECK_FALSE(file.empty());
    CHECK(identity("link/new/sub/x.log") == file);
    CHECK(identity("real/../real/new/sub/x.log") == file);
    CHECK(identity("real/new/../new/./sub//x.log") == file);
    CHECK(identity("real/other/../../link/new/sub/x.log") == file);
    CHECK(identity("real/new/x.log") != file);
    CHECK(identity("new/sub/x.log") != file);
    CHECK(identity("real/newsub/x.log") != file);
    CHECK(identity("dangling/x.log") == identity("link/later/x.log"));

    const Found made = look_at(place / "new/../link/web.log");
    CHECK(made.kind == Kind::other);
    CHECK(made.identity == look_at(place / "real/web.log").identity);
    CHECK(look_at(place / "new/../real").kind == Kind::directory);
    CHECK(look_at(place / "loop/x.log").kind == Kind::unknown);
    CHECK(look_at(place / "new/../loop/x.log").kind == Kind::unknown);
    CHECK(look_at(place / "new/../real/web.log/x.log").kind == Kind::unknown);
}

TEST_CASE("names that differ in \"..\" are refused once, whether anybody looks or not") {
    const std::string two =
        "[program.a]\ncommand='x'\nstdout='/d/x.log'\n"
        "[program.b]\ncommand='x'\nstdout='/d/../d/x.log'\n";
    const std::string error =
        "reeve.toml:6:8: \"/d/../d/x.log\" and \"/d/x.log\" at reeve.toml:3:8 differ in \"..\" "
        "alone (write the same path in both, or give each its own)\n";
    CHECK(errors_with({}, two) == error);
    const Found file{Kind::nothing, "1:1/x.log"};
    CHECK(errors_with({{"/d/x.log", file}, {"/d/../d/x.log", file}}, two) == error);
    CHECK(errors_with({}, "[supervisor]\nlog='/d/../x'\n[program.a]\ncommand='x'\nstdout='/x'") ==
          "reeve.toml:5:8: \"/x\" is the file of reeve's own log, which is set at reeve.toml:2:1 "
          "(give each its own)\n");
    CHECK(errors_with({}, "[program.a]\ncommand='x'\nstdout='/d/../d/x.log'\nstderr='/e/x.log'") ==
          "");
}
