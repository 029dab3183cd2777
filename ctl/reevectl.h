#pragma once

namespace reeve::ctl {

// The program reevectl; its exit code. To be called once, by main(): it sets the locale, SIGPIPE
// and the allocator of the process.
int reevectl(int argc, char** argv);

}  // namespace reeve::ctl
