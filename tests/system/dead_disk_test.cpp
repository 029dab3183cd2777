#include <filesystem>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
namespace fs = std::filesystem;

namespace {

// Words that run a reeve for which `dead` in the directory is a file system that answers nothing:
// a FUSE server that never reads.  Empty: that can't be had here.
std::vector<std::string> with_dead_disk(const Directory& directory) {
    fs::create_directories(directory / "dead");
    return in_mount_namespace(
        "exec 3<>/dev/fuse\n"
        "mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 dead '" +
        directory / "dead" + "'");
}

// The start of `program` was given up again and again.
void wait_for_failures(Reeve& reeve, const std::string& program, int count) {
    for (int i = 0; i < count; ++i) reeve.wait_for_state(program, "backoff");
}

}  // namespace

TEST_CASE(
    "who can't be started for a dead disk keeps no other from starting, nor reeve from ending") {
    if (sanitized()) REEVE_SKIP("the leak check at its end waits for the threads that hang");
    Directory directory;
    ReeveOptions options;
    options.before = with_dead_disk(directory);
    if (options.before.empty()) REEVE_SKIP("no FUSE, or no mount namespace, is to be had");
    options.command.environment = {{"REEVE_TERMINATION_LOG", directory / "dead/termination-log"}};
    Reeve reeve{directory, R"(
[defaults]
command = "sleep 1000"
max_failures = 0
restart_delay = "10ms"
restart_delay_max = "10ms"
start_timeout = "200ms"
stop_timeout = "1s"
restart = "always"
ready = { after = "0s" }
[program.daemon]
type = "forking"
pid_file = "${config_dir}/dead/pid"
[program.file]
ready = { file = "${config_dir}/dead/ready" }
[program.socket]
ready = { tcp = "unix:${config_dir}/dead/socket" }
[program.other]
autostart = false
start_timeout = "30s"
user = "nobody"
directory = "/"
ready = { file = "${config_dir}/reeve.toml" }
[program.talker]
autostart = false
start_timeout = "30s"
ready = { notify = true }
command = ["sh", "-c", "systemd-notify --ready; exec sleep 1000"]
)",
                std::move(options)};
    for (const char* program : {"daemon", "file", "socket"}) {
        wait_for_failures(reeve, program, 20);
    }
    reeve.ctl({"start", "other"});
    reeve.wait_for_state("other", "running");
    if (is_installed("systemd-notify")) {
        reeve.ctl({"start", "talker"});
        reeve.wait_for_state("talker", "running");
    }
    CHECK(reeve.stop() == 0);
}
