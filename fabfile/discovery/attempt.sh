# Run one program once under strace, as its unprivileged user, until it exits, listens, waits for a call that nobody
# answers, or the deadline comes; then end all of it and print what was seen. POSIX sh, run as root.
#
# Set before: user, home, directory, deadline (seconds), stall and settle (hundredths), rejects ("ADDRESS PORT" lines),
# shadows ("BASE64 PATH" lines: content to be shown to the program in place of a file). "$@" is the command line.
set -u
: "${user:?}" "${home:?}" "${directory:?}" "${deadline:?}" "${stall:?}" "${settle:?}" "${rejects?}" "${shadows?}"
umask 077
work='' tracer=''

# Every process of the program, also one that made itself a daemon, has our strace as its tracer.
tracees() {
  [ -z "$tracer" ] || grep -l "^TracerPid:[[:space:]]*$tracer\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3
}

signal_all() {
  for pid in $(tracees); do kill "-$1" "$pid" 2>/dev/null; done
}

# alive: the tracer is there and no zombie.
alive() {
  read -r _ _ state _ 2>/dev/null <"/proc/$tracer/stat" && [ "$state" != Z ]
}

now() { # hundredths of a second
  read -r up _ </proc/uptime
  time=${up%.*}${up#*.}
}

stop() {
  signal_all TERM
  now; end=$((time + 100))
  while alive; do
    now
    [ "$time" -lt "$end" ] || signal_all KILL
    [ "$time" -lt $((end + 200)) ] || kill -KILL "$tracer"
    sleep 0.05
  done
}

cleanup() {
  [ -z "$tracer" ] || stop
  [ -z "$rejects" ] || nft delete table inet runbook_discovery 2>/dev/null
  [ -z "$work" ] || rm -rf "$work"
  work='' tracer='' rejects=''
}

# reject: calls of this user to these places fail at once; only new ones, a running instance keeps its connections.
reject() {
  {
    echo 'add table inet runbook_discovery; delete table inet runbook_discovery; add table inet runbook_discovery'
    echo 'add chain inet runbook_discovery out { type filter hook output priority -10; }'
    echo "$rejects" | while read -r address port; do
      case $address in *:*) family=ip6 ;; *) family=ip ;; esac
      printf 'add rule inet runbook_discovery out meta skuid %s %s daddr %s tcp dport %s ' \
        "$(id -u "$user")" "$family" "$address" "$port"
      echo 'tcp flags & (syn | ack) == syn reject with tcp reset'
    done
  } | nft -f -
}

# launch: becomes strace. In a mount namespace of its own if files are to be shadowed there.
launch() {
  exec 9>&-
  umask 022 # as under systemd
  cd "$directory" || exit 126
  # shellcheck disable=SC3045  # not in POSIX, but in every sh of Debian
  ulimit -c 0
  set -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" USER="$user" \
    LOGNAME="$user" LANG=C.UTF-8 strace -f -ttt -y -s 0 --seccomp-bpf -u "$user" -o "$work/trace" -e signal=none \
    -e trace=%file,socket,connect,bind,getsockopt timeout -k 2 "$((deadline + 5))" "$@"
  [ -f "$work/shadow.1" ] || exec "$@"
  # shellcheck disable=SC2016  # expanded by the inner sh
  exec unshare --mount sh -c '
    work=$1; shift
    while read -r number path; do mount --bind "$work/shadow.$number" "$path" || exit 126; done <"$work/shadows"
    exec "$@"' sh "$work" "$@"
}

shadow() {
  number=0
  echo "$shadows" | while read -r content path; do
    [ -n "$path" ] || continue
    number=$((number + 1))
    printf %s "$content" | base64 -d >"$work/shadow.$number"
    chgrp "$(id -g "$user")" "$work/shadow.$number"
    chmod 0640 "$work/shadow.$number"
    echo "$number $path" >>"$work/shadows"
  done
}

# watch: sets outcome and seconds (hundredths).
watch() {
  now; start=$time listening='' outcome=''
  : >"$work/waiting"
  while [ -z "$outcome" ]; do
    echo || exit 1 # nobody listens any more: the asking side has gone
    sleep 0.1
    pids=$(tracees | tr '\n' '|')
    ss -Htanp 2>/dev/null | grep -E "pid=(${pids}none)," >"$work/sockets"
    now
    if ! alive; then
      outcome=exited seconds=$((time - start))
    elif grep -q ^LISTEN "$work/sockets"; then
      grep ^LISTEN "$work/sockets" >"$work/ports"
      [ -n "$listening" ] || { listening=$time; seconds=$((time - start)); }
      [ "$((time - listening))" -lt "$settle" ] || outcome=listening
    elif unanswered; then
      outcome=stalled seconds=$((time - start))
    elif [ "$((time - start))" -ge $((deadline * 100)) ]; then
      outcome=deadline seconds=$((time - start))
    fi
  done
}

# unanswered: a call that is not answered now and was not one stall time ago; sets stalled.
unanswered() {
  stalled=$(awk '$1 == "SYN-SENT" { print $5 }' "$work/sockets" | sort -u | while read -r peer; do
    first=$(awk -v peer="$peer" '$1 == peer { print $2 }' "$work/waiting")
    if [ -z "$first" ]; then
      echo "$peer $time" >>"$work/waiting"
    elif [ $((time - first)) -ge "$stall" ]; then
      echo "$peer"
      break
    fi
  done)
  [ -n "$stalled" ]
}

# Files may hold anything, also what is not text: packed, the answer survives every way.
put() {
  printf '%s ' "$1"
  { [ ! -f "$2" ] || tail -c "$3" "$2"; } | gzip -c | base64 -w0
  echo
}

exec 9>/run/lock/runbook-discovery
flock -n 9 || { echo busy; exit 0; }
trap 'exit 1' INT TERM HUP PIPE
trap cleanup EXIT
work=$(mktemp -d /tmp/runbook-discovery.XXXXXX) || exit 1
stalled='' seconds=0
shadow
if [ -n "$rejects" ] && ! reject; then exit 1; fi
launch "$@" >"$work/out" 2>"$work/err" </dev/null &
tracer=$!
watch
if [ "$outcome" != exited ]; then
  for said in out err; do cp "$work/$said" "$work/$said.kept"; done # what it says when it is told to end is not asked for
  stop
  for said in out err; do mv "$work/$said.kept" "$work/$said"; done
fi
wait "$tracer" 2>/dev/null
code=$?
tracer=
echo "outcome $outcome"
echo "code $code"
echo "seconds $seconds"
echo "stalled $stalled"
put ports "$work/ports" 65536
put trace "$work/trace" 8000000
put out "$work/out" 262144
put err "$work/err" 65536
echo end
