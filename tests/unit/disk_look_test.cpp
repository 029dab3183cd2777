#include "supervisor/app/disk_look.h"

#include <unistd.h>

#include "tests/support/catch.h"

using namespace reeve;
using namespace std::chrono_literals;
using conf::Found;
using Kind = Found::Kind;

namespace {

// As a dead disk: no answer ever.
Found look(const std::string& path) {
    while (path == "/dead") ::pause();
    if (path == "/gone") ::_exit(1);
    if (path == "/dir") return {Kind::directory};
    return {Kind::other, "1:" + path};
}

}  // namespace

TEST_CASE("what lies at each path comes back in their order") {
    const app::DiskLook all = app::look_at_disk({"/a\n", "/dir", "/b"}, 10s, look);
    CHECK(all.unanswered.empty());
    REQUIRE(all.found.size() == 3);
    CHECK(all.found[0].kind == Kind::other);
    CHECK(all.found[0].identity == "1:/a\n");
    CHECK(all.found[1].kind == Kind::directory);
    CHECK(all.found[1].identity.empty());
    CHECK(all.found[2].identity == "1:/b");
    CHECK(app::look_at_disk({}, 10s, look).found.empty());

    const std::vector<std::string> many(1000, std::string(4000, 'x'));
    const app::DiskLook large = app::look_at_disk(many, 10s, look);
    CHECK(large.unanswered.empty());
    CHECK(large.found.back().identity == "1:" + many.back());
}

TEST_CASE("a disk that gives no answer is waited for no longer than patience lasts") {
    const app::DiskLook some = app::look_at_disk({"/a", "/dead", "/b"}, 50ms, look);
    REQUIRE(some.found.size() == 3);
    CHECK(some.found[0].identity == "1:/a");
    CHECK(some.found[1].kind == Kind::unknown);
    CHECK(some.found[2].kind == Kind::unknown);
    CHECK(some.unanswered == std::vector<std::string>{"/dead", "/b"});

    // Nor is anybody waited for who has gone.
    CHECK(app::look_at_disk({"/gone"}, 1h, look).unanswered == std::vector<std::string>{"/gone"});
}
