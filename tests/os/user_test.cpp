#include "supervisor/os/user.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;

namespace {

std::string error_of(const AccountQuery& query) {
    const auto account = resolve_account(query);
    return account ? "resolved" : account.error().text();
}

}  // namespace

TEST_CASE("a user is resolved by name and by number") {
    for (const char* user : {"daemon", "1"}) {
        const auto account = resolve_account({user, "", {}});
        REQUIRE(account);
        CHECK(account->uid == 1);
        CHECK(account->gid == 1);
        CHECK(account->name == "daemon");
        CHECK(account->home == "/usr/sbin");
        CHECK(account->shell == "/usr/sbin/nologin");
        REQUIRE(account->groups);
        CHECK(std::count(account->groups->begin(), account->groups->end(), 1u) == 1);
    }
}

TEST_CASE("a uid without a passwd entry is fine") {
    const auto account = resolve_account({"123456", "", {}});
    REQUIRE(account);
    CHECK(account->uid == 123456);
    CHECK(account->gid == 123456);
    CHECK(account->groups == std::vector<gid_t>{123456});
    CHECK(account->name == "");
    CHECK(account->home == "");
}

TEST_CASE("a group and supplementary groups replace the user's own") {
    const auto account = resolve_account({"daemon", "adm", {{"tty", "123457"}}});
    REQUIRE(account);
    CHECK(account->uid == 1);
    CHECK(account->gid == 4);
    CHECK(account->groups == std::vector<gid_t>{5, 123457});

    const auto none = resolve_account({"daemon", "", std::vector<std::string>{}});
    REQUIRE(none);
    CHECK(none->groups == std::vector<gid_t>{});
}

TEST_CASE("without a user we stay who we are") {
    const auto account = resolve_account({});
    REQUIRE(account);
    CHECK(account->uid == ::geteuid());
    CHECK(account->gid == ::getegid());
    CHECK_FALSE(account->groups);
    CHECK(account->name == "");
}

TEST_CASE("a user without rights that is asked for by itself is left its groups") {
    if (!am_root()) REEVE_SKIP("needs root");
    CHECK(as_nobody([]() -> std::string {
              const auto account = resolve_account({"nobody", "", {}});
              if (!account) return account.error().text();
              return account->groups ? "changed" : "left";
          }) == "left");
}

TEST_CASE("a name that nobody has is told by its name") {
    CHECK(error_of({"nosuchuser", "", {}}) == "unknown user \"nosuchuser\"");
    CHECK(error_of({"daemon", "nosuchgroup", {}}) == "unknown group \"nosuchgroup\"");
    CHECK(error_of({"daemon", "", {{"tty", "nosuchgroup"}}}) == "unknown group \"nosuchgroup\"");
    // The id that means "leave it" to the kernel, and more than an id can hold.
    CHECK(error_of({"4294967295", "", {}}) == "unknown user \"4294967295\"");
    CHECK(error_of({"99999999999", "", {}}) == "unknown user \"99999999999\"");
    CHECK(error_of({"-1", "", {}}) == "unknown user \"-1\"");
    CHECK(AccountError{AccountError::Kind::failed, "user \"alice\"", EIO}.text() ==
          "look up user \"alice\": Input/output error");
}

TEST_CASE("what can't be looked up for want of descriptors is not taken for unknown") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto name = resolve_account({"daemon", "", {}});
    const auto number = resolve_account({"1", "", {}});
    const auto group = resolve_group("daemon");
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(name);
    CHECK(name.error().text() == "look up user \"daemon\": Too many open files");
    CHECK(name.error().is_transient());
    REQUIRE_FALSE(number);
    CHECK(number.error().is_transient());
    REQUIRE_FALSE(group);
    CHECK(group.error().is_transient());
    CHECK_FALSE(resolve_account({"nobody-at-all", "", {}}).error().is_transient());
}

TEST_CASE("a uid has a name, if only its number") {
    CHECK(user_name(0) == "root");
    CHECK(user_name(123456) == "123456");
}
