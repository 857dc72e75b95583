[ ! -e /var/log/runbook/journal.jsonl ] || { echo this host has a journal of the runbook; exit 0; }
printf '\n#~fitness 0 begin\n'
(:
grep -sE '^(ID|VERSION_ID|PRETTY_NAME)=' /etc/os-release; true
) 2>&1
printf '\n#~fitness 0 end %s\n' $?
printf '\n#~fitness 1 begin\n'
(:
dpkg --print-architecture
) 2>&1
printf '\n#~fitness 1 end %s\n' $?
printf '\n#~fitness 2 begin\n'
(:
systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p'
[ ! -d /run/systemd/system ] || echo runs
) 2>&1
printf '\n#~fitness 2 end %s\n' $?
printf '\n#~fitness 3 begin\n'
(:
unshare --user true 2>&1 || echo missing user
unshare --mount true 2>&1 || echo missing mount
unshare --ipc true 2>&1 || echo missing ipc
) 2>&1
printf '\n#~fitness 3 end %s\n' $?
printf '\n#~fitness 4 begin\n'
(:
stat -fc %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null; true
) 2>&1
printf '\n#~fitness 4 end %s\n' $?
printf '\n#~fitness 5 begin\n'
(:
if command -v nft >/dev/null; then
  nft -c -f - <<'NFT' && echo accepted
table inet runbook_preflight {
  chain input { type filter hook input priority 0; }
}
table netdev runbook_preflight {
  chain arrived { type filter hook ingress device "lo" priority 0; }
}
NFT
elif grep -qs '^nf_tables' /proc/modules || modprobe -qn nf_tables ||
  grep -qs /nf_tables.ko "/lib/modules/$(uname -r)/modules.builtin"; then
  echo module
fi
true
) 2>&1
printf '\n#~fitness 5 end %s\n' $?
printf '\n#~fitness 6 begin\n'
(:
[ ! -e /var/log/runbook/journal.jsonl ] || echo deployed before
timeout -s KILL 5 sh <<'DISKS'
for path in / /etc /usr /var/lib/dpkg /var/lib/apt/lists /var/cache/apt /var/log /run /tmp /var/lib/postgresql; do
  near=$path
  while [ ! -e "$near" ]; do near=${near%/*}; near=${near:-/}; done
  mode=rw; [ -w "$near" ] || mode=ro
  echo "$mode $path $(df -k --output=avail,iavail,target "$near" | tail -n 1)"
done
DISKS
) 2>&1
printf '\n#~fitness 6 end %s\n' $?
printf '\n#~fitness 7 begin\n'
(:
sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
cat /sys/fs/cgroup/memory.max 2>/dev/null; true
) 2>&1
printf '\n#~fitness 7 end %s\n' $?
printf '\n#~fitness 8 begin\n'
(:
export http_proxy="$HOST_HTTP_PROXY" https_proxy="$HOST_HTTPS_PROXY" ftp_proxy="$HOST_FTP_PROXY" no_proxy="$HOST_NO_PROXY"
missing=
set -- postgresql-17
for name; do
  case $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null) in
    ?i*) ;;
    *) missing="$missing $name" ;;
  esac
done
[ -n "$missing" ] || { echo installed; exit 0; }
echo "missing$missing"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
quick="-o Acquire::Retries=0 -o Acquire::http::Timeout=6 -o Acquire::https::Timeout=6"
no_cache="-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
simulate() {
  apt-get -s -qq --no-install-recommends $no_cache "$@" install $missing >/dev/null
}
try_source() {
  timeout 10 /usr/lib/apt/apt-helper -q $quick download-file "$2" "$work/$1" \
    >"$work/$1.log" 2>&1 && { echo "answers $2"; return; }
  echo "silent $2 $(sed -n 's/^[EW]: *//p' "$work/$1.log" | head -n 1)"
}
number=0
for uri in $(apt-get --print-uris update | sed -n "s/^'\([^']*InRelease\)'.*/\1/p"); do
  number=$((number + 1))
  try_source $number "$uri" &
done
simulate 2>"$work/errors" && echo resolved
code=$?
# Without a URI to fetch, all the archives are on the host, and no source is needed.
[ $code -ne 0 ] || apt-get -qq --no-install-recommends $no_cache --print-uris install $missing   2>/dev/null | grep -q "^'" || echo cached
wait
[ $code -ne 0 ] || exit 0
options="$quick -o Dir::State::lists=$work/lists -o Dir::Cache::archives=$work/archives
  -o Acquire::Languages=none -o APT::Sandbox::User=root"
timeout 30 apt-get -qq $no_cache $options update >"$work/update" 2>&1
if simulate $options 2>"$work/errors"; then echo resolved; exit 0; fi
sed -n 's/^E: */apt /p' "$work/update" "$work/errors"
true
) 2>&1
printf '\n#~fitness 8 end %s\n' $?
true
