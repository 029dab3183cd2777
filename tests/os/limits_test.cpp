#include "supervisor/os/limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;

TEST_CASE("the soft limit of descriptors is raised to the hard one, and what it was is told") {
    CHECK(in_fork([]() -> std::string {
              const rlimit start{100, 200};
              ::setrlimit(RLIMIT_NOFILE, &start);
              const auto found = raise_nofile();
              rlimit now{};
              ::getrlimit(RLIMIT_NOFILE, &now);
              if (!found) return found.error().text();
              return std::to_string(found->rlim_cur) + " " + std::to_string(found->rlim_max) + " " +
                     std::to_string(now.rlim_cur);
          }) == "100 200 200");
}

TEST_CASE("our own tag is the limit that we were started with") {
    CHECK(own_tag() == RLIM_INFINITY);
    CHECK(in_fork([] {
              const rlimit limit{5, 77};
              ::setrlimit(RLIMIT_LOCKS, &limit);
              return std::to_string(own_tag());
          }) == "77");
}

TEST_CASE("inherited descriptors are closed on exec but those that are kept") {
    CHECK(in_fork([]() -> std::string {
              const int null = ::open("/dev/null", O_RDONLY);
              for (const int fd : {20, 21, 22, 500}) ::dup2(null, fd);
              const std::array<int, 3> keep{500, 21, 1};
              if (!close_inherited_on_exec(keep)) return "failed";
              std::string text;
              for (const int fd : {0, 20, 21, 22, 500}) {
                  text += (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? "closed " : "kept ";
              }
              return text;
          }) == "kept closed kept closed kept ");
}
