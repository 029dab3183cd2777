#include "conf/starter.h"

namespace reeve::conf {

std::string_view starter() {
    return R"(# reeve.toml: what reeve supervises.
#
#   reeve check      is it right?
#   reeve            supervise, in the foreground; ^C stops everything
#   reevectl         what runs (from another terminal)
#   reeve schema     every key, for your editor
#
# Take the # away from a line that starts with #key to say something else than its default.

[supervisor]
# When reeve ends by itself: "essential" (an essential program ended for good), "failed" (any program
# gave up), "all-done" (all have ended). Default: all three as PID 1 of a container, else "essential".
#exit_on = ["essential"]
#log = "stderr"              # where reeve's own log goes: or a path, "syslog", "journal"
#log_format = "text"         # or "json"

# Any key of a program can stand here, for all of them.
[defaults]
#restart_delay = "200ms"     # doubles with every failure …
#restart_delay_max = "30s"   # … up to this
#max_failures = 10           # in a row, then it is left failed; 0 = never give up

[program.hello]
# The words of the command, or one string. No shell is run unless you say shell = true.
command = ["sh", "-c", "while :; do echo hello from $$$$; sleep 10; done"]
#description = "says hello"
#directory = "."                       # relative to this file
#user = "nobody"                       # needs root
#environment = { PORT = "8080", PATH = "/opt/bin:${PATH}" }
#restart = "on-failure"                # or "always", "never"
#stop_signal = "TERM"                  # then, after stop_timeout, the kill
#stop_timeout = "10s"
# Output goes to reeve's own unless it is told something else: "null", "syslog", "journal", a file, or
# an array of these. A file is rotated at 50 MiB and five older ones are kept; a table says otherwise.
#stdout = { file = "hello.log", max_size = "10MiB", keep = 14, compress = "zstd" }
#stderr = "stdout"                     # the default: into the same, in order
#instances = 1

# A task runs to completion, once.
#[program.migrate]
#type = "task"
#command = "./manage.py migrate"

# Names for several programs together: reevectl restart site
[group.site]
programs = ["hello"]
)";
}

}  // namespace reeve::conf
