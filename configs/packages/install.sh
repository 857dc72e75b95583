# Installs Debian packages. Waits for every lock that apt and dpkg take, starts no daemon.
# Exit 75: a lock is held, and stdout says by whom. Exit 76: not installed, and stdout says why.
set -u
packages='{{ packages | join(" ") }}'
seconds={{ seconds }}
locks='/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock'
words=$(mktemp) || exit 1
trap 'rm -f "$words"' EXIT

# A package's own start would run the daemon with the package's configuration: it may listen to the
# world, or fail (no IPv6, a port that is taken) and leave the package half-configured for ever. The
# environment decides, so that a policy which a killed run left here stops nobody else's packages.
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

# What counts is that ours are there: apt fails, too, when only somebody else's package is stuck.
all_installed() {
    for package in $packages; do
        is_installed "$package" || return 1
    done
}

# Prints the first lock that a process holds, and its pid. /proc/locks knows who holds locks, but
# names files by inodes, which overlay file systems translate: so the holder's open files tell.
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

# $1: the lock, $2: the pid of who holds it.
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

# Runs "$@" once no lock is held; another program may still be quicker, then again.
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
    # confold: what the runbook wrote before stays; without it dpkg would ask, and nobody is there.
    run_unlocked apt-get -qq -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
}

# shellcheck disable=SC2086 # a list of words
install_packages() {
    apt_get install --no-install-recommends $packages || all_installed
}

# The lists are fetched only when the install cannot do without: most hosts have fresh ones.
install_packages && exit 0
run_unlocked dpkg --force-confold --configure -a # what an interrupted dpkg left
cp "$words" "$words.dpkg"
# One bad source among good ones fails the whole update, although the good ones' lists are there.
apt_get update || true
cp "$words" "$words.update"
install_packages && exit 0

for package in $packages; do
    is_installed "$package" || echo "missing=$package"
done
dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^.\([HUFWt]\|.R\).* \([^ ]*\)$/stuck=\2/p'
sed -n 's/^E: */apt=/p; s/^dpkg: error/dpkg=dpkg: error/p' "$words"
sed -n 's/^E: */update=/p; s/^W: Failed/update=Failed/p' "$words.update"
sed -n 's/^dpkg: error/dpkg=dpkg: error/p' "$words.dpkg"
exit 76
