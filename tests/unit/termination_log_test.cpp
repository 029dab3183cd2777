#include "supervisor/app/termination_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/catch.h"

using namespace reeve::app;

TEST_CASE("the message for the kubelet has the reason, the code, and the last output") {
    CHECK(termination_message("SIGTERM", 0, "", {}) == "SIGTERM (exit code 0)\n");
    CHECK(termination_message("essential program web: exit 3", 3, "web", {"one", "two"}) ==
          "essential program web: exit 3 (exit code 3)\nthe last output of web:\none\ntwo\n");
}

TEST_CASE("the message for the kubelet is 4,096 bytes at most, and its end is what is kept") {
    std::vector<std::string> lines;
    for (int i = 0; i < 1000; ++i) lines.push_back("line " + std::to_string(i));
    const std::string message = termination_message("web: exit 1", 1, "web", lines);
    CHECK(message.size() <= kTerminationBytes);
    CHECK(message.size() > kTerminationBytes - 20);
    CHECK(message.starts_with("web: exit 1 (exit code 1)\nthe last output of web:\nline "));
    CHECK(message.ends_with("\nline 999\n"));

    const std::string huge = termination_message("web: exit 1", 1, "web", {std::string(9999, 'x')});
    CHECK(huge.size() == kTerminationBytes);
    std::string letters;
    while (letters.size() < 9000) letters += "ä";
    CHECK(termination_message(letters, 1, "", {}).size() <= kTerminationBytes);
}

TEST_CASE("only a regular file that is there is written") {
    char name[] = "/tmp/reeve-termination-XXXXXX";
    REQUIRE(::mkdtemp(name));
    const std::string directory = name;
    const auto content = [](const std::string& path) {
        std::ifstream file{path};
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    };
    write_termination_log(directory + "/none", "x");
    CHECK(::access((directory + "/none").c_str(), F_OK) != 0);
    std::ofstream{directory + "/file"} << "what was there before, and is longer";
    write_termination_log(directory + "/file", "why\n");
    CHECK(content(directory + "/file") == "why\n");
    // Nobody reads it: to open it without O_NONBLOCK would wait for ever.
    REQUIRE(::mkfifo((directory + "/pipe").c_str(), 0600) == 0);
    write_termination_log(directory + "/pipe", "x");
    ::unlink((directory + "/file").c_str());
    ::unlink((directory + "/pipe").c_str());
    ::rmdir(name);
}
