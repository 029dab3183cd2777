#pragma once

namespace reeve::run {

// Lets go of the pages of our file and of libraries that were read on the way here: code and
// constants, which come back from the page cache when they are needed.  What an init needs while it
// waits is a fraction of them.
void let_go_of_code();

}  // namespace reeve::run
