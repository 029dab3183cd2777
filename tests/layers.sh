#!/bin/sh
# Which room may include which, and which library is seen from where.  Prints each offence as
# FILE:LINE: the include: the rule, and fails if there is one.
#
#   sh tests/layers.sh [ROOT]       checks the tree (default: the one this file lies in)
#   sh tests/layers.sh --self-test  plants one offence of every kind and sees that each is found
#
# HACKING.md has the picture and the reasons.  What goes beyond the plain arrows:
#   - conf, ctl/api and model use base/expected: it is how every floor returns errors.
#   - model uses base/exit_status: a value, and the same one from the reaper to the log.
#   - conf uses base/fd and base/error too: it reads files, and reads them as everybody here does.
#   - control uses model: states and selectors are its vocabulary, and core hands them out anyway.
#   - model uses conf/nearest: "did you mean" of a selector is the same as that of a key.
#   - ctl/remote.cpp waits for its ssh: the client supervises nothing.
#   - the client uses the small pure files of conf that its arguments and its table need (units,
#     nearest, paths, quote, command_line, pattern), never the loader.
# shellcheck disable=SC2086,SC2254  # lists of patterns are split and matched on purpose
set -eu
set -f  # they are patterns for `case`, not for files

# Sets $allowed: what files of the room $1 may include besides their own room's.
arrows() {
    base='supervisor/base/*'
    case $1 in
    supervisor/base) allowed='' ;;
    conf) allowed=$base ;;
    ctl/api) allowed='supervisor/base/expected.h' ;;
    ctl) allowed='ctl/api/* supervisor/base/expected.h
                  conf/units.h conf/nearest.h conf/paths.h conf/quote.h conf/command_line.h
                  conf/pattern.h' ;;
    supervisor/os | supervisor/loop) allowed=$base ;;
    supervisor/model) allowed='supervisor/base/expected.h supervisor/base/exit_status.h
                               conf/config.h conf/units.h conf/cron.h conf/nearest.h' ;;
    supervisor/core) allowed="$base supervisor/model/* conf/*" ;;
    supervisor/track) allowed="$base supervisor/model/* supervisor/os/*" ;;
    supervisor/log) allowed="$base supervisor/os/* supervisor/loop/* supervisor/model/* conf/*" ;;
    supervisor/control) allowed="$base supervisor/core/* supervisor/model/* supervisor/log/*
                                 supervisor/os/* supervisor/loop/* conf/* ctl/api/*" ;;
    supervisor/run) allowed="$base supervisor/os/* conf/units.h" ;;
    supervisor/app) allowed='supervisor/* conf/* ctl/api/*' ;;
    *) allowed='' ;;
    esac
}

# Sets $homes and $reason for the library header $1: the files that may include it.
library() {
    homes='*'
    case $1 in
    uv.h | uv/*) homes='supervisor/loop/*' reason='only supervisor/loop sees libuv' ;;
    toml++/*) homes='conf/load*.cpp conf/toml*.cpp' reason='only the loader sees toml++' ;;
    spdlog/* | fmt/*) homes='supervisor/log/*.cpp' reason='only supervisor/log sees spdlog' ;;
    sys/capability.h) homes='conf/capabilities.cpp' reason='only conf/capabilities.cpp sees libcap' ;;
    ncursesw/* | curses.h | ncurses.h) homes='ctl/full_screen.cpp' reason='only ctl/full_screen.cpp sees ncurses' ;;
    CLI/*) homes='ctl/*.cpp supervisor/app/*.cpp' reason='only the two programs read arguments' ;;
    nlohmann/json_fwd.hpp) ;;
    nlohmann/* | http_parser.h | llhttp.h) homes='*.cpp' reason='a heavy header stays in a .cpp' ;;
    iostream | fstream | regex) homes='' reason='too heavy for the product' ;;
    sys/wait.h) homes='supervisor/*.cpp ctl/remote.cpp' reason='only supervisor/os/reap.cpp waits' ;;
    esac
}

matches() { # matches TEXT PATTERN…
    text=$1
    shift
    for pattern in "$@"; do
        case $text in $pattern) return 0 ;; esac
    done
    return 1
}

room_of() { # sets $room
    case $1 in
    supervisor/*/*) room=${1#supervisor/} room=supervisor/${room%%/*} ;;
    ctl/api/*) room=ctl/api ;;
    *) room=${1%%/*} ;;
    esac
}

sources() { # sources GREP-ARGUMENT…: over our code, as ./FILE:LINE:TEXT
    find ./conf ./ctl ./supervisor \( -name '*.h' -o -name '*.cpp' \) \
        -exec grep -nE "$@" /dev/null {} +
}

offences() { # prints them, of the tree in the current directory
    sources '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' | sort -t: -k1,1 -k2,2n |
    while IFS=: read -r file line text; do
        file=${file#./}
        header=${text#*[\"<]} header=${header%%[\">]*}
        case $text in
        *'<'*)
            library "$header"
            matches "$file" $homes || printf '%s:%s: <%s>: %s\n' "$file" "$line" "$header" "$reason"
            ;;
        *)
            room_of "$file"
            arrows "$room"
            matches "$header" "$room/*" $allowed ||
                printf '%s:%s: "%s": %s may not include it\n' "$file" "$line" "$header" "$room"
            ;;
        esac
    done
    # One place waits, whatever it includes; what stands behind // is talk.
    sources '(^|[^A-Za-z0-9_.>])(waitpid|waitid|wait3|wait4|SYS_wait[a-z0-9]*)[[:space:]]*[(,]|(^|[^A-Za-z0-9_.>])wait[[:space:]]*[(][[:space:]]*(&|nullptr|NULL|0)' |
    while IFS=: read -r file line text; do
        file=${file#./}
        case $file in supervisor/os/reap.cpp | ctl/remote.cpp) continue ;; esac
        printf '%s\n' "${text%%//*}" | grep -qE 'wait(pid|id|3|4)?[a-z0-9]*[[:space:]]*[(,]' || continue
        printf '%s:%s: wait: only supervisor/os/reap.cpp waits for processes\n' "$file" "$line"
    done
}

check() {
    found=$(cd "$1" && offences)
    [ -z "$found" ] && return 0
    printf '%s\n' "$found"
    return 1
}

self_test() {
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    plant() { # plant FILE LINE…
        file=$tree/$1
        shift
        mkdir -p "${file%/*}"
        printf '%s\n' "$@" >"$file"
    }
    # What is allowed: one example of each arrow and library.
    plant supervisor/base/fd.cpp '#include "supervisor/base/fd.h"' '#include <unistd.h>'
    plant conf/load.cpp '#include "conf/keys.h"' '#include <toml++/toml.h>' '#include "supervisor/base/expected.h"'
    plant ctl/verbs/start.cpp '#include "ctl/api/messages.h"' '#include "ctl/client.h"' '#include "conf/units.h"'
    plant supervisor/model/x.cpp '#include "conf/config.h"' '// waitid(2) tells it'
    plant supervisor/loop/loop.h '#include <uv.h>' '#include "supervisor/base/fd.h"'
    plant supervisor/os/reap.cpp '#include <sys/wait.h>' 'waitid(P_ALL, 0, &info, WEXITED);'
    plant supervisor/app/main.cpp '#include "supervisor/core/roster.h"' 'ready.wait(lock);'
    if ! check "$tree"; then
        echo 'self-test: what is allowed was refused' >&2
        return 1
    fi

    failed=0
    expect() { # expect FILE LINE: this alone must be found
        plant "$1" "$2"
        got=$(check "$tree") && got='nothing'
        case $got in
        "$1:1: "*) ;;
        *) echo "self-test: planted '$2' in $1, found: $got" >&2; failed=1 ;;
        esac
        rm -f "$tree/$1"
    }
    expect supervisor/base/a.h '#include "supervisor/os/spawn.h"'
    expect conf/a.cpp '#include "supervisor/model/state.h"'
    expect ctl/api/a.cpp '#include "supervisor/base/fd.h"'
    expect ctl/api/a.cpp '#include "conf/units.h"'
    expect ctl/a.cpp '#include "conf/load.h"'
    expect ctl/a.cpp '#include "supervisor/core/roster.h"'
    expect supervisor/os/a.cpp '#include "supervisor/loop/loop.h"'
    expect supervisor/loop/a.cpp '#include "supervisor/os/spawn.h"'
    expect supervisor/model/a.cpp '#include "supervisor/os/spawn.h"'
    expect supervisor/model/a.cpp '#include "conf/load.h"'
    expect supervisor/core/a.cpp '#include "supervisor/loop/timer.h"'
    expect supervisor/log/a.cpp '#include "supervisor/core/roster.h"'
    expect supervisor/control/a.cpp '#include "supervisor/app/reaper.h"'
    expect supervisor/run/a.cpp '#include "conf/config.h"'
    expect supervisor/app/a.cpp '#include "ctl/client.h"'
    expect supervisor/app/a.cpp '#include "reaper.h"'
    expect supervisor/os/a.h '#include <uv.h>'
    expect conf/validate.cpp '#include <toml++/toml.h>'
    expect conf/load.h '#include <toml++/toml.h>'
    expect supervisor/app/a.cpp '#include <spdlog/spdlog.h>'
    expect ctl/api/a.h '#include <nlohmann/json.hpp>'
    expect supervisor/core/a.cpp '#  include <iostream>'
    expect conf/a.cpp '#include <sys/wait.h>'
    expect supervisor/app/a.cpp '    waitpid(-1, &status, WNOHANG);'
    expect supervisor/app/a.cpp '    if (::waitid(P_ALL, 0, &info, WEXITED) < 0) return;'
    expect supervisor/app/a.cpp 'const pid_t pid = wait(nullptr);'
    expect supervisor/app/a.cpp 'syscall(SYS_waitid, 0);'
    return $failed
}

case ${1-} in
--self-test) self_test ;;
*) check "${1:-$(dirname "$0")/..}" ;;
esac
