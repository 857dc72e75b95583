# Run a program once under strace, as its unprivileged user, until it exits, listens, waits for a
# call without an answer, or the deadline passes. Then end all its processes and print the result.
# POSIX sh, run as root.
#
# The caller sets user, home, directory, deadline (seconds), stall and settle (hundredths of a
# second), rejects (lines "ADDRESS PORT"), shadows (lines "BASE64 PATH": content to show to the
# program in place of a file) and pages (lines "PORT PATH": requests to send to it once it listens).
# It also sets environment: shell text that exports the variables of the
# program; it may hold secrets, so it goes into no argument of a process. "$@" is the command line.
set -u
: "${user:?}" "${home:?}" "${directory:?}" "${deadline:?}" "${stall:?}" "${settle:?}"
: "${rejects?}" "${shadows?}" "${environment?}" "${pages?}"
umask 077
work='' tracer=''

# Our strace traces every process of the program, also one that became a daemon.
tracees() {
  [ -z "$tracer" ] ||
    grep -l "^TracerPid:[[:space:]]*$tracer\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3
}

signal_all() {
  for pid in $(tracees); do kill "-$1" "$pid" 2>/dev/null; done
}

# alive: the tracer exists and is not a zombie.
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

# reject: calls of this user to these addresses fail at once. Only new connections are rejected, so
# that a running instance keeps its connections.
reject() {
  {
    # "delete" fails without a table, so add it first: this empties a table that was left behind.
    echo 'add table inet runbook_discovery; delete table inet runbook_discovery'
    echo 'add table inet runbook_discovery'
    echo 'add chain inet runbook_discovery out { type filter hook output priority -10; }'
    echo "$rejects" | while read -r address port; do
      case $address in *:*) family=ip6 ;; *) family=ip ;; esac
      printf 'add rule inet runbook_discovery out meta skuid %s %s daddr %s tcp dport %s ' \
        "$(id -u "$user")" "$family" "$address" "$port"
      echo 'tcp flags & (syn | ack) == syn reject with tcp reset'
    done
  } | nft -f -
}

# shellcheck disable=SC2016  # the inner sh expands it
bind_shadows='
  _folder=$1; shift
  while read -r _number _path; do
    mount --bind "$_folder/shadow.$_number" "$_path" || exit 126
  done <"$_folder/shadows"
  exec "$@"'

# launch: becomes strace; in a mount namespace of its own if files are shadowed.
launch() {
  exec 9>&-
  umask 022 # as under systemd
  cd "$directory" || exit 126
  # shellcheck disable=SC3045  # not in POSIX, but in every sh of Debian
  ulimit -c 0
  set -- strace -f -ttt -y -s 0 --seccomp-bpf -u "$user" -o "$work/trace" -e signal=none \
    -e trace=%file,socket,connect,bind,getsockopt timeout -k 2 "$((deadline + 5))" "$@"
  [ -f "$work/shadow.1" ] && set -- unshare --mount sh -c "$bind_shadows" sh "$work" "$@"
  for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export HOME="$home" USER="$user" LOGNAME="$user" LANG=C.UTF-8
  eval "$environment"
  exec "$@"
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
    echo || exit 1 # the ssh session of the caller has ended: stop too
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

# unanswered: whether a call has had no answer for the stall time; sets stalled.
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

# visit: print each page with the hundredths of a second it took, and the start of the answer.
visit() {
  echo "$pages" | while read -r port path; do
    [ -n "$path" ] || continue
    now; asked=$time
    # shellcheck disable=SC2016  # the inner bash expands it
    timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" &&
      printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$2" >&3 && head -c 2000 <&3' \
      bash "$port" "$path" >"$work/answer" 2>/dev/null
    now
    echo "$path $((time - asked)) $(base64 -w0 <"$work/answer")"
  done >"$work/pages"
}

# put NAME FILE BYTES: print the end of a file, packed, because it may hold bytes that are no text.
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
if [ "$outcome" = listening ]; then visit; fi
if [ "$outcome" != exited ]; then
  # Keep the output from before the signal: messages about the end are not part of the result.
  for stream in out err; do cp "$work/$stream" "$work/$stream.kept"; done
  stop
  for stream in out err; do mv "$work/$stream.kept" "$work/$stream"; done
fi
wait "$tracer" 2>/dev/null
code=$?
tracer=
echo "outcome $outcome"
echo "code $code"
echo "seconds $seconds"
echo "stalled $stalled"
put ports "$work/ports" 65536
put pages "$work/pages" 262144
put trace "$work/trace" 8000000
put out "$work/out" 262144
put err "$work/err" 65536
echo end
