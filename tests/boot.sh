#!/bin/sh
# reeve as PID 1 of a kernel of its own, Debian's for clouds in qemu, with all of cgroup v2: it reaps,
# limits, and ends what has left its session; the exit code is in the kernel's last words.
#
#   sh tests/boot.sh BUILD-FOLDER     77: can't be tried here (no qemu, no kernel to be had)
set -eu

skip() {
    echo "skipped: $*"
    exit 77
}

build=$1
[ "$(uname -m)" = x86_64 ] || skip 'it boots a PC'
for tool in qemu-system-x86_64 cpio busybox apt-get; do
    command -v "$tool" >/dev/null || skip "$tool is not installed (packaging/setup deps boot)"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work"

kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
[ -n "$kernel" ] || skip 'apt knows no kernel for clouds'
apt-get -o APT::Sandbox::User=root download "$kernel" >download.log 2>&1 || skip "$kernel can't be had"
dpkg-deb -x linux-image-*.deb kernel

mkdir -p root/bin root/lib64 root/proc root/sys root/dev root/run root/tmp root/etc/reeve
cp "$(command -v busybox)" root/bin/
for applet in sh mount sleep setsid cat echo poweroff grep dd tail ps; do ln -s busybox "root/bin/$applet"; done
cp "$build/reeve" "$build/reevectl" root/bin/
for library in $(ldd root/bin/reeve 2>/dev/null | grep -o '/[^ ]*'); do
    mkdir -p "root/${library%/*}"
    cp -L "$library" "root/$library"
done
cat >root/init <<'END'
#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t cgroup2 none /sys/fs/cgroup
exec reeve --config /etc/reeve/reeve.toml
END
cat >root/etc/reeve/reeve.toml <<'END'
[supervisor]
exit_on = []

[program.web]
command = ["sh", "-c", "setsid sh -c '(sleep 1000 &)' ; exec sleep 1001"]

[program.greedy]
# Into memory, which /dev/zero has without end.
command = "tail -c 200m /dev/zero"
limits = { memory = "16MiB" }
restart = "never"

[program.forks]
command = ["sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & wait"]
limits = { pids = 3 }
restart = "never"

[program.judge]
type = "task"
shell = true
command = """
say() { echo "judge: $*" >/dev/ttyS1; }
say pid 1 is $(cat /proc/1/comm)
reevectl wait web --for running --timeout 60s >/dev/null && say web runs
reevectl wait greedy --for failed --timeout 60s >/dev/null; say greedy: $(reevectl --json status greedy | grep -o '"reason":"[^"]*"')
reevectl wait forks --for failed --timeout 60s >/dev/null; say forks: $(reevectl logs forks --no-prefix | grep -c "can't fork")
say doctor: $(reevectl doctor | grep -o 'cgroup: each run has one of its own')
reevectl stop web >/dev/null
say left of web: $(ps | grep -c '[s]leep 100')
reevectl shutdown --no-wait
"""
END
chmod 755 root/init
(cd root && find . | cpio -o -H newc --quiet) | gzip -1 >initramfs.gz

: >said
timeout 150 qemu-system-x86_64 -machine q35 -accel tcg -m 512 -kernel kernel/boot/vmlinuz-* -initrd initramfs.gz \
    -nographic -no-reboot -nodefaults -serial stdio -serial file:said \
    -append 'console=ttyS0 quiet panic=-1 rdinit=/init' </dev/null >console 2>&1 || true

failed=0
for line in 'judge: pid 1 is reeve' 'judge: web runs' 'judge: greedy: .*SIGKILL' 'judge: forks: [1-9]' \
    'judge: doctor: cgroup: each run has one of its own' 'judge: left of web: 0'; do
    grep -q "^$line" said || {
        echo "boot.sh: it does not say '$line'"
        failed=1
    }
done
# The kernel's panic tells what PID 1 has ended with.
grep -q 'reeve ends: .*exit code 0' console && grep -q 'Attempted to kill init! exitcode=0x00000000' console || {
    echo 'boot.sh: reeve did not end with 0'
    failed=1
}
[ $failed -eq 0 ] || {
    cat said
    tail -n 60 console
}
exit $failed
