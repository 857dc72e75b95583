# Installs Debian packages. Waits for every lock that apt and dpkg take, starts no daemon.
# Exit 75: a lock is held; stdout names the holder. Exit 76: not installed; stdout has the reason.
set -u
packages='{{ packages | join(" ") }}'
seconds={{ seconds }}
locks='/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock'
words=$(mktemp) || exit 1
trap 'rm -f "$words"' EXIT

# A package normally starts its daemon with the package's default configuration. The daemon may then
# listen on all interfaces, or fail to start (no IPv6, a port in use) and leave the package
# half-configured. The policy applies only when RUNBOOK_INSTALLS is set: a policy file left by a
# killed run must not affect other installations.
policy=/usr/sbin/policy-rc.d
kept=$policy.before-runbook
if ! grep -qs RUNBOOK_INSTALLS "$policy"; then
    [ ! -e "$policy" ] || mv "$policy" "$kept" || exit 1
    cat >"$policy.new" <<'POLICY'
#!/bin/sh
# Written by the runbook for the time of an installation.
if [ -n "${RUNBOOK_INSTALLS:-}" ]; then
    for word; do
        case "$word" in
            --*) continue ;;
            *.timer | *.path) break ;;
        esac
        systemctl -q is-active "$word" && break
        exit 101
    done
fi
[ ! -x "$0.before-runbook" ] || exec "$0.before-runbook" "$@"
exit 0
POLICY
    chmod 0755 "$policy.new"
    mv "$policy.new" "$policy"
fi
trap 'rm -f "$words" "$words".* "$policy"; [ ! -e "$kept" ] || mv "$kept" "$policy"' EXIT
trap 'exit 76' HUP INT TERM
export RUNBOOK_INSTALLS=1

is_installed() {
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) in ?i*) ;; *) return 1 ;; esac
}

# Success means that our packages are installed. The exit code of apt does not show that: apt also
# fails when only another package is stuck.
all_installed() {
    for package in $packages; do
        is_installed "$package" || return 1
    done
}

# Print the first lock that a process holds, and the pid. /proc/locks lists the holders, but names
# files by inode, and overlay file systems change inodes. So this function compares the holder's
# open files with the lock files.
find_holder() {
    for pid in $(awk '$2 == "POSIX" && $4 == "WRITE" { print $5 }' /proc/locks | sort -u); do
        for open in /proc/"$pid"/fd/*; do
            file=$(readlink "$open") || continue
            for lock in $locks; do
                [ "$file" != "$lock" ] || { echo "$lock $pid"; return; }
            done
        done
    done
}

# $1: the lock file, $2: the pid of the process that holds the lock.
describe_holder() {
    ticks=$(sed 's/.*) //' "/proc/$2/stat" | cut -d' ' -f20)
    age=$(awk -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" '{ printf "%d", $1 - ticks / hz }' /proc/uptime)
    echo "file=$1"
    echo "pid=$2"
    echo "command=$(cat "/proc/$2/comm")"
    echo "unit=$(sed -n 's/.*\/\([^/]*\.service\).*/\1/p' "/proc/$2/cgroup" | head -n 1)"
    echo "since=$(date -d "@$(($(date +%s) - age))" +%H:%M:%S)"
    echo "age=$age"
}

# Run "$@" once no lock is held. Another program may still take the lock first; then wait and try
# again.
run_unlocked() {
    end=$(($(date +%s) + seconds))
    while :; do
        holder=$(find_holder)
        if [ -z "$holder" ]; then
            "$@" >/dev/null 2>"$words" && return 0
            grep -qiE 'could not get lock|unable to lock|dpkg frontend lock|lock the administration' \
                "$words" || return 1
        fi
        if [ "$(date +%s)" -ge "$end" ]; then
            # shellcheck disable=SC2086 # a file and a pid
            [ -z "$holder" ] || describe_holder $holder
            sed -n 's/^E: */apt=/p' "$words"
            exit 75
        fi
        sleep 0.3
    done
}

apt_get() {
    # confold keeps files that the runbook wrote before. Without confold, dpkg would ask, and nobody
    # would answer.
    run_unlocked apt-get -qq -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
}

# shellcheck disable=SC2086 # a list of words
install_packages() {
    apt_get install --no-install-recommends $packages || all_installed
}

# Update the package lists only when the install fails: most hosts have recent lists.
install_packages && exit 0
run_unlocked dpkg --force-confold --configure -a # finish an interrupted dpkg run
cp "$words" "$words.dpkg"
# One bad source fails the whole update, although the lists of the good sources were fetched. So a
# failed update is not an error here.
apt_get update || true
cp "$words" "$words.update"
install_packages && exit 0

for package in $packages; do
    is_installed "$package" || echo "missing=$package"
done
dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^.\([HUFWt]\|.R\).* \([^ ]*\)$/stuck=\2/p'
sed -n 's/^E: */apt=/p; s/^dpkg: error/dpkg=dpkg: error/p; s/^dpkg (subprocess): /dpkg=/p' "$words"
sed -n 's/^E: */update=/p; s/^W: Failed/update=Failed/p' "$words.update"
sed -n 's/^dpkg: error/dpkg=dpkg: error/p; s/^dpkg (subprocess): /dpkg=/p' "$words.dpkg"
exit 76
