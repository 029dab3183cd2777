#!/bin/sh
# packaging/container in real containers, of podman and runc: up, healthy, ended in order and with the
# right code, as root and as nobody in particular with nothing allowed.  The root of the image is this
# machine's own, with whatever is written there thrown away.
#
#   sh tests/container.sh BUILD-FOLDER     77: can't be tried here
set -eu

skip() {
    echo "skipped: $*"
    exit 77
}
fail() {
    echo "container.sh: $*" >&2
    podman logs "$name" >&2 || true
    exit 1
}

build=$1
source=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || skip 'podman is tried as root'
for tool in podman runc nginx cron curl; do
    command -v "$tool" >/dev/null || skip "$tool is not installed (packaging/setup deps test)"
done

work=$(mktemp -d)
name=reeve-test-$$
storage() {
    command podman --root "$work/root" --runroot "$work/run" --storage-driver vfs \
        --cgroup-manager cgroupfs --runtime runc --tmpdir "$work/tmp" "$@"
}
podman() { storage "$@"; }
cleanup() {
    podman rm --force --time 0 "$name" >"$work/rm.log" 2>&1 || true
    umount "$work/root/vfs" 2>/dev/null || true
    rm -rf "$work" 2>/dev/null || true
    find /sys/fs/cgroup -depth -type d -path '*libpod*' -exec rmdir {} \; 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

start() { # start OPTION…: the site, in the background
    podman rm --force --time 0 "$name" >"$work/rm.log" 2>&1 || true
    podman run --detach --name "$name" --network none --ulimit nofile=1024:4096 \
        --ulimit nproc=32768:32768 --stop-signal TERM \
        --volume "$build/reeve:/usr/bin/reeve:ro" --volume "$build/reevectl:/usr/bin/reevectl:ro" \
        --volume "$source/packaging/container:/etc/reeve:ro" \
        --volume "$source/packaging/container/index.php:/srv/site/index.php:ro" \
        "$@" --rootfs /:O /usr/bin/reeve >"$work/id" 2>"$work/run.log" || {
        cat "$work/run.log"
        skip 'podman runs no container here'
    }
}
inside() { podman exec "$name" "$@"; }
is_up() { # the page is served, by way of all of it
    inside reevectl --timeout 30s wait nginx --for ready >"$work/wait.log" 2>&1 || fail "not ready: $(cat "$work/wait.log")"
    inside reevectl health || fail 'it is not healthy'
    inside curl -s http://127.0.0.1:8080/ | grep -q "served by PHP .* as uid $1\$" || fail 'there is no page'
}
ends_with() { # ends_with CODE
    code=$(podman wait "$name")
    [ "$code" = "$1" ] || fail "exit code $code, and not $1"
}

echo 'TERM ends it, in order and with 0'
start
is_up "$(id -u www-data)"
[ "$(inside reevectl --json status | grep -o '"state":"running"' | wc -l)" -eq 4 ] || fail 'not all of it runs'
podman stop --time 9 "$name" >"$work/stop.log"
ends_with 0
podman logs "$name" >"$work/log" 2>&1
stopped() { grep -n "info  $1: stopped" "$work/log" | cut -d: -f1; }
[ "$(stopped nginx)" -lt "$(stopped php)" ] || fail 'php ended before nginx'

echo 'the end of the essential one is the end of it, with its code'
start
is_up "$(id -u www-data)"
inside reevectl signal KILL nginx >"$work/kill.log"
ends_with 137

echo 'a read-only root, no capability, and a user that there is not'
mkdir -m 1777 "$work/anybody"
start --user 12345:12345 --read-only --read-only-tmpfs=false --cap-drop=all \
    --security-opt no-new-privileges --volume "$work/anybody:/tmp:rw" --env CRON=no
is_up 12345
podman stop --time 9 "$name" >"$work/stop.log"
ends_with 0

echo 'nothing may be written anywhere: it does without a control socket'
cat >"$work/one.toml" <<'END'
[program.web]
command = "sleep 1000"
END
start --user 12345:12345 --read-only --read-only-tmpfs=false --cap-drop=all \
    --volume "$work/one.toml:/etc/one.toml:ro" --env REEVE_CONFIG=/etc/one.toml
until podman logs "$name" 2>&1 | grep -q 'web: running'; do
    [ "$(podman inspect --format '{{.State.Status}}' "$name")" = running ] || fail 'it has ended'
done
podman logs "$name" 2>&1 | grep -q 'no control socket, .*Read-only file system' || fail 'it says nothing of that'
podman stop --time 9 "$name" >"$work/stop.log"
ends_with 0
