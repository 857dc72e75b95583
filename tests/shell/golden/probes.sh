known=$(echo; { stat -Lc '%n %U:%G %a %F' -- '/etc/it'"'"'s' '/srv/a b'; sha256sum -- '/etc/it'"'"'s'; } 2>/dev/null; echo .)
printf '\n#~golden 0 begin\n'
(:
#stat '/etc/it'"'"'s'
#sha256 '/etc/it'"'"'s'
case "${known-}" in *'
/etc/it'"'"'s root:root 644 regular file
'*)
case "${known-}" in *'
b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733  /etc/it'"'"'s
'*) echo 'root:root 644 regular file'; echo same; exit 0;; esac;; esac
stat -Lc '%U:%G %a %F' '/etc/it'"'"'s' 2>/dev/null || { echo absent; exit 0; }
case "$(sha256sum <'/etc/it'"'"'s')" in b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733*) echo same;; *) echo differs; base64 -w0 '/etc/it'"'"'s';; esac
) 2>&1
printf '\n#~golden 0 end %s\n' $?
printf '\n#~golden 1 begin\n'
(:
#stat '/srv/a b'
case "${known-}" in *'
/srv/a b root:root 755 directory
'*) echo 'root:root 755 directory'; exit 0;; esac
stat -Lc '%U:%G %a %F' '/srv/a b' 2>/dev/null || echo absent
) 2>&1
printf '\n#~golden 1 end %s\n' $?
printf '\n#~golden 2 begin\n'
(:
readlink /srv/current || { [ ! -e /srv/current ] && echo absent || stat -c '? %F' /srv/current; }
) 2>&1
printf '\n#~golden 2 end %s\n' $?
printf '\n#~golden 3 begin\n'
(:
getent passwd bingo || echo absent
getent group bingo >/dev/null && echo group || echo 'no group'
id -nG bingo 2>/dev/null; true
) 2>&1
printf '\n#~golden 3 end %s\n' $?
printf '\n#~golden 4 begin\n'
(:
dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' haproxy socat 2>/dev/null; true
) 2>&1
printf '\n#~golden 4 end %s\n' $?
printf '\n#~golden 5 begin\n'
(:
sha256sum </srv/app/releases/5e5e5e5e5e5e/bingo 2>/dev/null || echo absent
stat -Lc %a /srv/app/releases/5e5e5e5e5e5e /srv/app/releases/5e5e5e5e5e5e/bingo 2>/dev/null; true
) 2>&1
printf '\n#~golden 5 end %s\n' $?
printf '\n#~golden 6 begin\n'
(:
systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload postgresql@17-main.service
[ ! /run/systemd/system/postgresql@17-main.service -ef /dev/null ] || echo masked=/run/systemd/system
for action in restart reload; do [ -e /var/lib/runbook/pending/postgresql@17-main.service.$action ] && echo pending=$action; done; true
) 2>&1
printf '\n#~golden 6 end %s\n' $?
printf '\n#~golden 7 begin\n'
(:
etc=/etc/postgresql/17/main
data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" $etc/postgresql.conf 2>/dev/null | tail -n 1)
[ -n "$data" ] || data=/var/lib/postgresql/17/main
[ ! -e $etc/postgresql.conf ] || echo configured
[ ! -e "$data/PG_VERSION" ] || echo filled
[ ! -d "$data" ] || [ -z "$(ls -A "$data")" ] || echo used
echo "data=$data"
cat /etc/postgresql-common/createcluster.conf /etc/postgresql-common/createcluster.d/*.conf 2>/dev/null |
  grep -Eiq '^ *create_main_cluster *=? *.?(false|no|off|0)' && echo unmade; true
) 2>&1
printf '\n#~golden 7 end %s\n' $?
printf '\n#~golden 8 begin\n'
(:
grep -E '^[[:space:]]*include_dir' /etc/postgresql/17/main/postgresql.conf 2>/dev/null; true
) 2>&1
printf '\n#~golden 8 end %s\n' $?
printf '\n#~golden 9 begin\n'
(:
[ -e /etc/x.conf ] || exit 0; base64 -w0 /etc/x.conf
) 2>&1
printf '\n#~golden 9 end %s\n' $?
printf '\n#~golden 10 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
ask() {
  env -i PATH="$PATH" LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8 PGCONNECT_TIMEOUT=2 PGAPPNAME=runbook \
    PGOPTIONS='-c lock_timeout=1500 -c statement_timeout=2000 -c client_connection_check_interval=1s -c TimeZone=UTC' timeout -k 1 3 \
    setpriv --reuid=postgres --regid=postgres --init-groups "$psql" \
    -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -d "$1"
}
exec 3>&1
words=$(ask postgres 2>&1 >&3 <<'SQL'
SELECT coalesce(rolpassword, 'none'), rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls), rolconnlimit FROM pg_authid WHERE rolname = 'o''neill';
SQL
) && exit 0
code=$?
printf '%s\n' "#refused $code" "$words"
context() {
  ask "$1" 2>/dev/null <<'SQL'
SELECT json_build_object('databases', json_agg(datname)) FROM pg_database;
SELECT json_build_object('session', a.pid, 'user', a.usename,
  'application', a.application_name,
  'client', coalesce(host(a.client_addr), 'a local socket'), 'state', a.state,
  'state_since', a.state_change::timestamptz(0)::text,
  'query_since', a.query_start::timestamptz(0)::text,
  'transaction_since', a.xact_start::timestamptz(0)::text,
  'seconds', extract(epoch FROM now() - a.xact_start)::int,
  'query', left(regexp_replace(regexp_replace(a.query, '\s+', ' ', 'g'),
    '(password )''[^'']*''', '\1...', 'gi'), 100),
  'locked', locked.names, 'waiting', waiting.number)
FROM pg_stat_activity a,
LATERAL (SELECT string_agg(CASE WHEN l.database = d.oid THEN l.relation::regclass::text
    ELSE 'relation ' || l.relation END, ', ') AS names FROM pg_locks l, pg_database d
  WHERE l.pid = a.pid AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.granted
    AND d.datname = current_database()) locked,
LATERAL (SELECT count(*) AS number FROM pg_stat_activity w WHERE w.wait_event_type = 'Lock'
    AND a.pid = ANY(pg_blocking_pids(w.pid))) waiting
WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
  AND a.xact_start < now() - interval '1 s'
ORDER BY waiting.number > 0 DESC, a.wait_event_type IS NOT DISTINCT FROM 'Lock',
  locked.names IS NULL, a.xact_start
LIMIT 3;
SELECT json_build_object('prepared', gid, 'user', owner,
  'transaction_since', prepared::timestamptz(0)::text)
FROM pg_prepared_xacts WHERE prepared < now() - interval '1 s' ORDER BY prepared LIMIT 1;
SQL
}
{ [ "$code" = 3 ] && context postgres; } || context postgres
data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" \
  /etc/postgresql/*/main/postgresql.conf 2>/dev/null | tail -n 1)
df -P "$data" "$data/pg_wal/" "$data"/pg_tblspc/*/ 2>/dev/null |
  awk 'NR>1{printf "{\"mount\": \"%s\", \"free_kb\": %d}\n", $6, $4}'
df -Pi "$data" 2>/dev/null |
  awk 'NR>1 && $2>0{printf "{\"mount\": \"%s\", \"free_inodes\": %d}\n", $6, $4}'
for socket in /var/run/postgresql/.s.PGSQL.*; do
  case $socket in *.lock | *'*') ;; *) printf '{"socket": "%s"}\n' "$socket";; esac
done
exit $code
) 2>&1
printf '\n#~golden 10 end %s\n' $?
printf '\n#~golden 11 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
ask() {
  env -i PATH="$PATH" LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8 PGCONNECT_TIMEOUT=2 PGAPPNAME=runbook \
    PGOPTIONS='-c lock_timeout=1500 -c statement_timeout=2000 -c client_connection_check_interval=1s -c TimeZone=UTC' timeout -k 1 3 \
    setpriv --reuid=postgres --regid=postgres --init-groups "$psql" \
    -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -d "$1"
}
exec 3>&1
words=$(ask bingo 2>&1 >&3 <<'SQL'
SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = to_regclass('public.movies_id');
SQL
) && exit 0
code=$?
printf '%s\n' "#refused $code" "$words"
context() {
  ask "$1" 2>/dev/null <<'SQL'
SELECT json_build_object('databases', json_agg(datname)) FROM pg_database;
SELECT json_build_object('session', a.pid, 'user', a.usename,
  'application', a.application_name,
  'client', coalesce(host(a.client_addr), 'a local socket'), 'state', a.state,
  'state_since', a.state_change::timestamptz(0)::text,
  'query_since', a.query_start::timestamptz(0)::text,
  'transaction_since', a.xact_start::timestamptz(0)::text,
  'seconds', extract(epoch FROM now() - a.xact_start)::int,
  'query', left(regexp_replace(regexp_replace(a.query, '\s+', ' ', 'g'),
    '(password )''[^'']*''', '\1...', 'gi'), 100),
  'locked', locked.names, 'waiting', waiting.number)
FROM pg_stat_activity a,
LATERAL (SELECT string_agg(CASE WHEN l.database = d.oid THEN l.relation::regclass::text
    ELSE 'relation ' || l.relation END, ', ') AS names FROM pg_locks l, pg_database d
  WHERE l.pid = a.pid AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.granted
    AND d.datname = current_database()) locked,
LATERAL (SELECT count(*) AS number FROM pg_stat_activity w WHERE w.wait_event_type = 'Lock'
    AND a.pid = ANY(pg_blocking_pids(w.pid))) waiting
WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
  AND a.xact_start < now() - interval '1 s'
ORDER BY waiting.number > 0 DESC, a.wait_event_type IS NOT DISTINCT FROM 'Lock',
  locked.names IS NULL, a.xact_start
LIMIT 3;
SELECT json_build_object('prepared', gid, 'user', owner,
  'transaction_since', prepared::timestamptz(0)::text)
FROM pg_prepared_xacts WHERE prepared < now() - interval '1 s' ORDER BY prepared LIMIT 1;
SQL
}
{ [ "$code" = 3 ] && context bingo; } || context postgres
data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" \
  /etc/postgresql/*/main/postgresql.conf 2>/dev/null | tail -n 1)
df -P "$data" "$data/pg_wal/" "$data"/pg_tblspc/*/ 2>/dev/null |
  awk 'NR>1{printf "{\"mount\": \"%s\", \"free_kb\": %d}\n", $6, $4}'
df -Pi "$data" 2>/dev/null |
  awk 'NR>1 && $2>0{printf "{\"mount\": \"%s\", \"free_inodes\": %d}\n", $6, $4}'
for socket in /var/run/postgresql/.s.PGSQL.*; do
  case $socket in *.lock | *'*') ;; *) printf '{"socket": "%s"}\n' "$socket";; esac
done
exit $code
) 2>&1
printf '\n#~golden 11 end %s\n' $?
printf '\n#~golden 12 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
ask() {
  env -i PATH="$PATH" LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8 PGCONNECT_TIMEOUT=2 PGAPPNAME=runbook \
    PGOPTIONS='-c lock_timeout=1500 -c statement_timeout=2000 -c client_connection_check_interval=1s -c TimeZone=UTC' timeout -k 1 3 \
    setpriv --reuid=postgres --regid=postgres --init-groups "$psql" \
    -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -d "$1"
}
exec 3>&1
words=$(ask bingo 2>&1 >&3 <<'SQL'
SELECT 'ok';
SQL
) && exit 0
code=$?
printf '%s\n' "#refused $code" "$words"
context() {
  ask "$1" 2>/dev/null <<'SQL'
SELECT json_build_object('databases', json_agg(datname)) FROM pg_database;
SELECT json_build_object('session', a.pid, 'user', a.usename,
  'application', a.application_name,
  'client', coalesce(host(a.client_addr), 'a local socket'), 'state', a.state,
  'state_since', a.state_change::timestamptz(0)::text,
  'query_since', a.query_start::timestamptz(0)::text,
  'transaction_since', a.xact_start::timestamptz(0)::text,
  'seconds', extract(epoch FROM now() - a.xact_start)::int,
  'query', left(regexp_replace(regexp_replace(a.query, '\s+', ' ', 'g'),
    '(password )''[^'']*''', '\1...', 'gi'), 100),
  'locked', locked.names, 'waiting', waiting.number)
FROM pg_stat_activity a,
LATERAL (SELECT string_agg(CASE WHEN l.database = d.oid THEN l.relation::regclass::text
    ELSE 'relation ' || l.relation END, ', ') AS names FROM pg_locks l, pg_database d
  WHERE l.pid = a.pid AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.granted
    AND d.datname = current_database()) locked,
LATERAL (SELECT count(*) AS number FROM pg_stat_activity w WHERE w.wait_event_type = 'Lock'
    AND a.pid = ANY(pg_blocking_pids(w.pid))) waiting
WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
  AND a.xact_start < now() - interval '1 s'
ORDER BY waiting.number > 0 DESC, a.wait_event_type IS NOT DISTINCT FROM 'Lock',
  locked.names IS NULL, a.xact_start
LIMIT 3;
SELECT json_build_object('prepared', gid, 'user', owner,
  'transaction_since', prepared::timestamptz(0)::text)
FROM pg_prepared_xacts WHERE prepared < now() - interval '1 s' ORDER BY prepared LIMIT 1;
SQL
}
{ [ "$code" = 3 ] && context bingo; } || context postgres
data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" \
  /etc/postgresql/*/main/postgresql.conf 2>/dev/null | tail -n 1)
df -P "$data" "$data/pg_wal/" "$data"/pg_tblspc/*/ 2>/dev/null |
  awk 'NR>1{printf "{\"mount\": \"%s\", \"free_kb\": %d}\n", $6, $4}'
df -Pi "$data" 2>/dev/null |
  awk 'NR>1 && $2>0{printf "{\"mount\": \"%s\", \"free_inodes\": %d}\n", $6, $4}'
for socket in /var/run/postgresql/.s.PGSQL.*; do
  case $socket in *.lock | *'*') ;; *) printf '{"socket": "%s"}\n' "$socket";; esac
done
exit $code
) 2>&1
printf '\n#~golden 12 end %s\n' $?
printf '\n#~golden 13 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
ask() {
  env -i PATH="$PATH" LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8 PGCONNECT_TIMEOUT=2 PGAPPNAME=runbook \
    PGOPTIONS='-c lock_timeout=1500 -c statement_timeout=2000 -c client_connection_check_interval=1s -c TimeZone=UTC' timeout -k 1 3 \
    setpriv --reuid=postgres --regid=postgres --init-groups "$psql" \
    -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -d "$1"
}
exec 3>&1
words=$(ask bingo 2>&1 >&3 <<'SQL'
SELECT replace(coalesce(shobj_description(oid, 'pg_database'), ''), E'\n', ' ') FROM pg_database WHERE datname = 'bingo';
SELECT count(*), count(*) FILTER (WHERE pg_relation_size(c.oid) = 0) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r';
SQL
) && exit 0
code=$?
printf '%s\n' "#refused $code" "$words"
context() {
  ask "$1" 2>/dev/null <<'SQL'
SELECT json_build_object('databases', json_agg(datname)) FROM pg_database;
SELECT json_build_object('session', a.pid, 'user', a.usename,
  'application', a.application_name,
  'client', coalesce(host(a.client_addr), 'a local socket'), 'state', a.state,
  'state_since', a.state_change::timestamptz(0)::text,
  'query_since', a.query_start::timestamptz(0)::text,
  'transaction_since', a.xact_start::timestamptz(0)::text,
  'seconds', extract(epoch FROM now() - a.xact_start)::int,
  'query', left(regexp_replace(regexp_replace(a.query, '\s+', ' ', 'g'),
    '(password )''[^'']*''', '\1...', 'gi'), 100),
  'locked', locked.names, 'waiting', waiting.number)
FROM pg_stat_activity a,
LATERAL (SELECT string_agg(CASE WHEN l.database = d.oid THEN l.relation::regclass::text
    ELSE 'relation ' || l.relation END, ', ') AS names FROM pg_locks l, pg_database d
  WHERE l.pid = a.pid AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.granted
    AND d.datname = current_database()) locked,
LATERAL (SELECT count(*) AS number FROM pg_stat_activity w WHERE w.wait_event_type = 'Lock'
    AND a.pid = ANY(pg_blocking_pids(w.pid))) waiting
WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
  AND a.xact_start < now() - interval '1 s'
ORDER BY waiting.number > 0 DESC, a.wait_event_type IS NOT DISTINCT FROM 'Lock',
  locked.names IS NULL, a.xact_start
LIMIT 3;
SELECT json_build_object('prepared', gid, 'user', owner,
  'transaction_since', prepared::timestamptz(0)::text)
FROM pg_prepared_xacts WHERE prepared < now() - interval '1 s' ORDER BY prepared LIMIT 1;
SQL
}
{ [ "$code" = 3 ] && context bingo; } || context postgres
data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" \
  /etc/postgresql/*/main/postgresql.conf 2>/dev/null | tail -n 1)
df -P "$data" "$data/pg_wal/" "$data"/pg_tblspc/*/ 2>/dev/null |
  awk 'NR>1{printf "{\"mount\": \"%s\", \"free_kb\": %d}\n", $6, $4}'
df -Pi "$data" 2>/dev/null |
  awk 'NR>1 && $2>0{printf "{\"mount\": \"%s\", \"free_inodes\": %d}\n", $6, $4}'
for socket in /var/run/postgresql/.s.PGSQL.*; do
  case $socket in *.lock | *'*') ;; *) printf '{"socket": "%s"}\n' "$socket";; esac
done
exit $code
) 2>&1
printf '\n#~golden 13 end %s\n' $?
printf '\n#~golden 14 begin\n'
(:
grep -H '' /var/lib/runbook/drained/* 2>/dev/null; true
) 2>&1
printf '\n#~golden 14 end %s\n' $?
printf '\n#~golden 15 begin\n'
(:
grep -lsF 'Written by the runbook' '/etc/a b'; true
) 2>&1
printf '\n#~golden 15 end %s\n' $?
printf '\n#~golden 16 begin\n'
(:
grep -lF 'Written by the runbook' '/opt/x y'/*.py 2>/dev/null; true
) 2>&1
printf '\n#~golden 16 end %s\n' $?
printf '\n#~golden 17 begin\n'
(:
[ ! -e /etc/runbook/firewall.nft ] || base64 -w0 /etc/runbook/firewall.nft
echo
nft -s list table inet runbook_firewall 2>/dev/null | diff -U1 --label loaded --label kernel /run/runbook-firewall/listing - 2>/dev/null && echo same; true
) 2>&1
printf '\n#~golden 17 end %s\n' $?
printf '\n#~golden 18 begin\n'
(:
[ -s /srv/app/releases/5e5e5e5e5e5e/proven.json ] && echo proven
[ -e /var/lib/runbook/pending/bingo.service.gate ] && echo pending
true
) 2>&1
printf '\n#~golden 18 end %s\n' $?
