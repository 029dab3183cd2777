#pragma once

#include <cstddef>
#include <string>
#include <vector>

// What the kubelet shows of a container that has ended (terminationMessagePath).
namespace reeve::app {

// The kubelet reads so much (Kubernetes' limit for a container's message).
inline constexpr std::size_t kTerminationBytes = 4096;

// Why reeve ends, and the end of what the program wrote that ended it: as much as there is room
// for.  `program` is empty, and so are the lines, where none did.
std::string termination_message(const std::string& reason, int exit_code,
                                const std::string& program, const std::vector<std::string>& lines);

// Of a reeve that did not come to supervise anything: `why` is what it says on stderr.
std::string no_start_message(const std::string& why, int exit_code);

// /dev/termination-log, or what REEVE_TERMINATION_LOG says.
std::string termination_path();

// Into the file, if it is there and a regular one.  May hang with its disk.
void write_termination_log(const std::string& path, const std::string& message);

}  // namespace reeve::app
