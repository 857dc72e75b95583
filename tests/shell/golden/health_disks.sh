timeout -s KILL 3 sh <<'DISKS'
ours() {
  use=$1; shift
  for path; do
    [ -e "$path" ] || continue
    mode=rw; [ -w "$path" ] || mode=ro
    echo "$mode|$use|$path"
  done
}
logs=$(sed -n 's|^\(/[^ ]*\)/[^/ ]* {$|\1|p' /etc/runbook/logrotate.conf 2>/dev/null)
data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" \
  /etc/postgresql/17/main/postgresql.conf 2>/dev/null)
paths=$(
ours 'the system' /
ours configuration /etc
ours 'sockets and locks' /run
ours 'temporary files' /tmp
ours logs /var/log
ours 'the runbook'"'"'s journal' /var/log/runbook
ours 'the runbook'"'"'s lock and pending restarts' /var/lib/runbook
ours configuration /etc/runbook
ours 'the runbook'"'"'s tools' /usr/lib/runbook
ours 'PostgreSQL'"'"'s data' /var/lib/postgresql
ours 'PostgreSQL'"'"'s data' "$data"
ours 'PostgreSQL'"'"'s write-ahead log' "$data"/pg_wal
ours 'PostgreSQL'"'"'s tablespaces' "$data"/pg_tblspc/*/
ours 'PostgreSQL'"'"'s log' /var/log/postgresql
)
echo "$paths"
echo "$paths" | cut -d'|' -f3- | xargs -d '\n' df -k --output=pcent,avail,size,ipcent,iavail,file,target 2>/dev/null
DISKS
