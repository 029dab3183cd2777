#!/bin/sh
# The Debian package of a build folder: made, looked through by lintian, installed with apt into a Debian
# of its own, run there, upgraded, purged; nothing of it is left then.
#
#   sh tests/package.sh BUILD-FOLDER     77: can't be tried here (no root, no debootstrap, no mirror)
set -eu

skip() {
    echo "skipped: $*"
    exit 77
}
fail() {
    echo "package.sh: $*" >&2
    exit 1
}

build=$1
[ "$(id -u)" -eq 0 ] || skip 'debootstrap needs root'
for tool in debootstrap lintian cpack unshare; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done

work=$(mktemp -d)
machine=
cleanup() {
    if [ -n "$machine" ]; then
        kill "$machine" 2>/dev/null || true
        wait "$machine" || true
    fi
    # systemd-nspawn's own.
    find /sys/fs/cgroup/*/payload /sys/fs/cgroup/*/supervisor -depth -type d -exec rmdir {} \; 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# --- the package alone ---------------------------------------------------------------------------

cd "$build"
cpack -G DEB -B "$work/made" >"$work/cpack.log" 2>&1 || {
    cat "$work/cpack.log"
    fail 'cpack failed'
}
cd "$work"
deb=$(ls made/*.deb)
lintian --allow-root --fail-on error,warning "$deb" || fail 'lintian complains'

# --- in a Debian of its own ----------------------------------------------------------------------

. /etc/os-release
debootstrap --variant=minbase --include=systemd "$VERSION_CODENAME" "$work/root" >"$work/debootstrap.log" 2>&1 || {
    tail -n 3 "$work/debootstrap.log"
    skip 'debootstrap gets no Debian here'
}
cp "$deb" "$work/root/tmp/reeve.deb"

# What a package is made of, or leaves behind; apt's own books and caches aside.
files() {
    (
        cd "$work/root"
        find . -xdev \( -path ./proc -o -path ./dev -o -path ./tmp -o -path ./run/systemd -o \
            -path ./var/cache/apt -o -path ./var/lib/apt -o -path ./var/log/apt \) -prune -o -print
    ) | grep -v -e 'shadow-$' -e '/dpkg/.*-old$' -e '/group-$' | sort
    cat "$work/root/etc/group"
}

inside() { # inside SCRIPT: in the new Debian, with pids of its own: what is left running there is ended
    unshare --mount --pid --fork --kill-child chroot "$work/root" sh -euc \
        "mount -t proc proc /proc; export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8; $1" </dev/null
}

inside 'printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d'
files >before

inside 'apt-get install -y -q /tmp/reeve.deb' >log 2>&1 || {
    cat log
    fail 'apt does not install it'
}
inside '
    reeve check
    getent group reeve >/dev/null
    systemd-analyze verify --man=no reeve.service
    XDG_RUNTIME_DIR=/run systemd-analyze verify --man=no --user reeve.service
    systemctl is-enabled reeve.service
    printf "[program.web]\ncommand = \"sleep 1000\"\n" >/etc/reeve/conf.d/web.toml
    reeve &
    until reevectl wait web --for running 2>/dev/null; do
        kill -0 $!
    done
    reevectl status web | grep running
    # The programs go on while the package is upgraded.
    apt-get install -y -q --reinstall /tmp/reeve.deb
    reevectl status web | grep running
    reevectl shutdown
    wait $!
    test ! -e /run/reeve/reeve.sock
    for page in "8 reeve" "1 reevectl" "5 reeve.toml" "7 reeve-api"; do
        set -- $page
        gzip -t "/usr/share/man/man$1/$2.$1.gz"
    done
    rm /etc/reeve/conf.d/web.toml
' >log 2>&1 || {
    cat log
    fail 'it does not work there'
}

inside 'apt-get purge -y -q reeve reeve-static' >log 2>&1 || {
    cat log
    fail 'it cannot be purged'
}
files >after
diff before after || fail 'something of it is left, or gone that was there before'

# --- below a systemd of its own ------------------------------------------------------------------

# Sets $init to PID 1 of the machine that systemd-nspawn has booted.
find_init() {
    for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        if [ "$(cat "/proc/$child/comm" 2>/dev/null)" = systemd ]; then
            init=$child
            return 0
        fi
        find_init "$child" && return 0
    done
    return 1
}
in_machine() { # in_machine SCRIPT
    nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup sh -euc "export LC_ALL=C.UTF-8; $1" </dev/null
}
waits_for() { # waits_for SCRIPT: for a minute at most
    deadline=$(($(date +%s) + 60))
    until in_machine "$1" >log 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
    done
}
boot() { # false: not here
    command -v systemd-nspawn >/dev/null || return 1
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --boot --directory "$work/root" \
        --register=no --keep-unit --console=pipe </dev/null >"$work/nspawn.log" 2>&1 &
    machine=$!
    deadline=$(($(date +%s) + 30))
    until find_init "$machine" && in_machine 'systemctl list-units' >log 2>&1; do
        kill -0 "$machine" 2>/dev/null && [ "$(date +%s)" -lt "$deadline" ] || return 1
    done
}
status_is() {
    waits_for "systemctl show -p StatusText reeve | grep -qxF 'StatusText=$1'" ||
        fail "the status is not '$1': $(in_machine 'systemctl status reeve')"
}

inside 'apt-get install -y -q /tmp/reeve.deb' >log 2>&1
if boot; then
    waits_for 'systemctl is-active reeve' || fail "it does not start: $(in_machine 'systemctl status reeve')"
    status_is '0 programs'
    in_machine 'printf "[program.web]\ncommand = [\"sh\", \"-c\", \"setsid sleep 1001 & exec sleep 1000\"]\nuser = \"nobody\"\n" >/etc/reeve/conf.d/web.toml
        systemctl reload reeve'
    status_is '1 program: 1 running'
    in_machine 'echo "x = 1" >>/etc/reeve/conf.d/web.toml; ! systemctl reload reeve' >log 2>&1 ||
        fail 'a reload with a mistake looks well'
    in_machine 'rm /etc/reeve/conf.d/web.toml; systemctl stop reeve; ! grep -l sleep /proc/[0-9]*/comm;
        test "$(systemctl show -p Result --value reeve)" = success' >log 2>&1 || {
        cat log
        fail 'it does not stop well'
    }
    kill "$machine"
    wait "$machine" || true
    machine=
else
    echo 'no systemd can be booted in a container here: its units were looked through, and not run'
fi
