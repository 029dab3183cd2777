#pragma once

namespace reeve::app {

// Gives back what only the start needed: free heap, and the pages of our own code and constants.
// Those are clean and in the page cache, so whatever is needed again is mapped again for a
// microsecond; but reading a configuration touches most of the program, and what it touched would
// count as ours for ever.
void release_startup_memory();

}  // namespace reeve::app
