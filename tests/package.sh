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
trap 'rm -rf "$work"' EXIT
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
        find . -xdev \( -path ./proc -o -path ./dev -o -path ./tmp -o -path ./run/systemd -o -path ./var/cache/apt -o \
            -path ./var/lib/apt -o -path ./var/log/apt \) -prune -o -print
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
