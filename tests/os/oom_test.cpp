#include "supervisor/os/oom.h"

#include "supervisor/os/kernel_file.h"
#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;

namespace {

std::string text_of(std::optional<int> value) {
    return value ? std::to_string(*value) : "none";
}

}  // namespace

TEST_CASE("whoever raised its own oom_score_adj may lower it again, and is told what it was") {
    const auto start = own_oom_score_adj();
    REQUIRE(start);
    if (*start > 500) REEVE_SKIP("our oom_score_adj is high already");
    CHECK(in_fork([&] {
              if (!write_kernel_file("/proc/self/oom_score_adj", "700")) {
                  return std::string{"not raised"};
              }
              std::string said = text_of(lower_own_oom_score_adj(600));
              said += " " + text_of(own_oom_score_adj());
              // Not raised by a wish to lower.
              said += " " + text_of(lower_own_oom_score_adj(650));
              return said + " " + text_of(own_oom_score_adj());
          }) == "700 600 none 600");
}

TEST_CASE("an oom_score_adj that may not be lowered stays what it is") {
    if (!am_root()) REEVE_SKIP("needs root");
    const auto start = own_oom_score_adj();
    REQUIRE(start);
    if (*start < 0) REEVE_SKIP("it was lowered before");
    CHECK(as_nobody([] {
              return text_of(lower_own_oom_score_adj(-500)) + " " + text_of(own_oom_score_adj());
          }) == "none " + std::to_string(*start));
    CHECK_FALSE(lower_own_oom_score_adj(2000));
}
