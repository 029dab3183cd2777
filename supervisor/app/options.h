#pragma once

#include <optional>
#include <string>
#include <vector>

// What `reeve` was asked to do, from its command line.
namespace reeve::app {

// sysexits.h's numbers, and what the contract (§4) makes of them.
inline constexpr int kExitUsage = 64;
inline constexpr int kExitInternal = 70;
inline constexpr int kExitSystem = 71;
inline constexpr int kExitConfig = 78;

struct Options {
    enum class Verb { supervise, check, import_file, init, schema };
    Verb verb = Verb::supervise;
    std::optional<std::string> config;  // --config, or the FILE of `check`
    std::string foreign;                // the FILE of `import`
};

struct Parsed {
    std::optional<Options> options;  // nullopt: nothing is left to do but to exit
    int exit_code = 0;
};

// Prints help, version and complaints itself.
Parsed parse_options(int argc, const char* const* argv);

}  // namespace reeve::app
