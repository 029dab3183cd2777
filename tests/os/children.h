#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/os/reap.h"
#include "supervisor/os/spawn.h"

// Real children for the tests of supervisor/os.
namespace reeve::os::test {

// `words` with an empty environment, looked for in the default PATH, stdout and stderr ours.
SpawnRequest command(std::vector<std::string> words);
SpawnRequest shell(std::string script);

// Waits for the flight's outcome.
SpawnOutcome land(Flight& flight);

// Waits for a child's end and takes it.
Reaped wait_for(pid_t pid);

// Until it has ended, without taking it.
void wait_until_zombie(pid_t pid);

struct Result {
    std::optional<SpawnFailure> failure;
    base::ExitStatus status;
    std::string output;  // stdout and stderr
};

// Spawns, reads everything it says, and waits for its end.
Result run(Spawner& spawner, SpawnRequest request);
Result run(SpawnRequest request);

// What the child said about why it did not come to its exec; "executed" if it did.
std::string failure_text(SpawnRequest request);

// The result of `work` in a process of its own, which may change what it likes; "" if it died.
std::string in_fork(const std::function<std::string()>& work);

// The same as a user without any right; only root may call it.
std::string as_nobody(const std::function<std::string()>& work);

bool am_root();

// A directory that goes with all that is in it.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

    // A file in it; gives its path.
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) const;

private:
    std::string path_;
};

// A whole file, /proc's included.
std::string read_file(const std::string& path);

// Until `condition` holds, or ten seconds have gone: then false.
bool eventually(const std::function<bool()>& condition);

}  // namespace reeve::os::test
