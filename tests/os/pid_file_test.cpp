#include "supervisor/os/pid_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/catch.h"

using namespace reeve;

namespace {

class Folder {
public:
    Folder() { REQUIRE(::mkdtemp(path_.data())); }
    ~Folder() {
        ::unlink(file().c_str());
        ::rmdir(file().c_str());
        ::rmdir(path_.c_str());
    }
    std::string file() const { return path_ + "/daemon.pid"; }
    Expected<pid_t, std::string> says(const std::string& text) const {
        std::FILE* out = std::fopen(file().c_str(), "w");
        REQUIRE(out);
        std::fwrite(text.data(), 1, text.size(), out);
        std::fclose(out);
        return os::read_pid_file(file());
    }

private:
    std::string path_ = "/tmp/reeve-pid-file-XXXXXX";
};

}  // namespace

TEST_CASE("a pid file says the number on its first line") {
    const Folder folder;
    CHECK(folder.says("4121\n") == 4121);
    CHECK(folder.says("4121") == 4121);
    CHECK(folder.says("  4121  \n") == 4121);
    // postmaster.pid
    CHECK(folder.says("4121\n/var/lib/postgresql/15/main\n1763800000\n5432\n") == 4121);
}

TEST_CASE("a pid file without a number of a process says nothing") {
    const Folder folder;
    for (const char* text : {"", "\n", "nginx\n", "0\n", "-1\n", "+7\n", "99999999999999\n"}) {
        INFO(text);
        CHECK(folder.says(text).error() == (*text ? "no number in it" : "it is empty"));
    }
}

TEST_CASE("a pid file that is no file is not waited for") {
    const Folder folder;
    CHECK(os::read_pid_file(folder.file()).error() == "No such file or directory");
    REQUIRE(::mkdir(folder.file().c_str(), 0700) == 0);
    CHECK(os::read_pid_file(folder.file()).error() == "not a regular file");
    REQUIRE(::rmdir(folder.file().c_str()) == 0);
    REQUIRE(::mkfifo(folder.file().c_str(), 0600) == 0);
    CHECK(os::read_pid_file(folder.file()).error() == "not a regular file");
}

TEST_CASE("a stale pid file is taken away, and one that is not there is no matter") {
    const Folder folder;
    folder.says("4121\n");
    os::remove_pid_file(folder.file());
    CHECK(::access(folder.file().c_str(), F_OK) != 0);
    os::remove_pid_file(folder.file());
}
