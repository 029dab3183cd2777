#include "conf/nearest.h"
#include "conf/quote.h"
#include "conf/secret.h"
#include "tests/support/catch.h"

using namespace reeve::conf;

TEST_CASE("distance counts letters put in, left out, replaced and swapped") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "abc") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("comand", "command") == 1);
    CHECK(edit_distance("commandd", "command") == 1);
    CHECK(edit_distance("conmand", "command") == 1);
    CHECK(edit_distance("ocmmand", "command") == 1);
    CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("only a slip away is near, and the nearest wins") {
    Nearest slip{"autostrat"};
    for (const char* name : {"autorestart", "autostart", "restart"}) slip.offer(name);
    CHECK(slip.found() == std::string{"autostart"});

    Nearest far{"colour"};
    for (const char* name : {"command", "user", "nice"}) far.offer(name);
    CHECK(far.found() == std::nullopt);

    Nearest tiny{"xy"};
    tiny.offer("ab");
    tiny.offer("a");
    CHECK(tiny.found() == std::nullopt);

    Nearest endless{std::string(1000000, 'x')};
    endless.offer("command");
    CHECK(endless.found() == std::nullopt);
}

TEST_CASE("a quoted text is one line, whatever is in it") {
    CHECK(quoted("plain") == "\"plain\"");
    CHECK(quoted("a\"b\\c\nd\te\rf\x01\x7f") == R"("a\"b\\c\nd\te\rf\u0001\u007F")");
    CHECK(quoted("café") == "\"café\"");
    CHECK(quoted_short(std::string(79, 'x') + "é" + "yz") == "\"" + std::string(79, 'x') + "…\"");
}

TEST_CASE("a variable whose name speaks of a secret is one") {
    for (const char* name : {"PASSWORD", "DB_PASS", "API_TOKEN", "SECRET", "AWS_ACCESS_KEY_ID",
                             "GOOGLE_APPLICATION_CREDENTIALS", "db_password"}) {
        INFO(name);
        CHECK(is_secret_name(name));
    }
    for (const char* name : {"", "PATH", "HOME", "PORT", "USER"}) CHECK_FALSE(is_secret_name(name));
}
