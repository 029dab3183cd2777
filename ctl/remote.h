#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/command_line.h"
#include "ctl/output.h"

// `reevectl -H ssh://HOST …`: the same words there.
namespace reeve::ctl {

struct Remote {
    std::string user;  // empty: ssh decides
    std::string host;
    std::string port;  // the same
    bool operator==(const Remote&) const = default;
};

// "ssh://[user@]host[:port]"; the error says what is wrong with it.
Expected<Remote, std::string> parse_remote(std::string_view url);

// What ssh is called with.  `arguments` are those of reevectl without -H; whoever looks on or types
// is as in `world`.
std::vector<std::string> ssh_words(const Remote& remote, const Options& options,
                                   const std::vector<std::string>& arguments,
                                   const Surroundings& world);

// The arguments without -H and its value.
std::vector<std::string> without_host(const std::vector<std::string>& arguments,
                                      const Options& options);

// Runs it, and gives the exit code: that of reevectl there; 7 where ssh did not get that far.
int run_there(const Remote& remote, const Options& options,
              const std::vector<std::string>& arguments, const Surroundings& world);

}  // namespace reeve::ctl
