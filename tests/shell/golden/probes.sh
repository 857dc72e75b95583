printf '\n#~golden 0 begin\n'
(:
stat -Lc '%U:%G %a %F' '/etc/it'"'"'s' 2>/dev/null || { echo absent; exit 0; }
case "$(sha256sum <'/etc/it'"'"'s')" in b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733*) echo same;; *) echo differs; base64 -w0 '/etc/it'"'"'s';; esac
) 2>&1
printf '\n#~golden 0 end %s\n' $?
printf '\n#~golden 1 begin\n'
(:
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
for action in restart reload; do [ -e /var/lib/runbook/pending/postgresql@17-main.service.$action ] && echo owed=$action; done; true
) 2>&1
printf '\n#~golden 6 end %s\n' $?
printf '\n#~golden 7 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
setpriv --reuid=postgres --regid=postgres --init-groups "$psql" -XAtq -v ON_ERROR_STOP=1 -d postgres 2>/dev/null <<'SQL'
SELECT coalesce(rolpassword, 'none'), rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls), rolconnlimit FROM pg_authid WHERE rolname = 'o''neill';
SQL
) 2>&1
printf '\n#~golden 7 end %s\n' $?
printf '\n#~golden 8 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
setpriv --reuid=postgres --regid=postgres --init-groups "$psql" -XAtq -v ON_ERROR_STOP=1 -d bingo 2>/dev/null <<'SQL'
SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = to_regclass('public.movies_id');
SQL
) 2>&1
printf '\n#~golden 8 end %s\n' $?
printf '\n#~golden 9 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
setpriv --reuid=postgres --regid=postgres --init-groups "$psql" -XAtq -v ON_ERROR_STOP=1 -d bingo 2>/dev/null <<'SQL'
SELECT 'ok';
SQL
) 2>&1
printf '\n#~golden 9 end %s\n' $?
printf '\n#~golden 10 begin\n'
(:
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
setpriv --reuid=postgres --regid=postgres --init-groups "$psql" -XAtq -v ON_ERROR_STOP=1 -d bingo 2>/dev/null <<'SQL'
SELECT replace(coalesce(shobj_description(oid, 'pg_database'), ''), E'\n', ' ') FROM pg_database WHERE datname = 'bingo';
SELECT count(*), count(*) FILTER (WHERE pg_relation_size(c.oid) = 0) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r';
SQL
) 2>&1
printf '\n#~golden 10 end %s\n' $?
printf '\n#~golden 11 begin\n'
(:
grep -ls '^deploy ' /var/lib/runbook/drained/* 2>/dev/null; true
) 2>&1
printf '\n#~golden 11 end %s\n' $?
printf '\n#~golden 12 begin\n'
(:
[ -s /srv/app/releases/5e5e5e5e5e5e/proven.json ] && echo proven
[ -e /var/lib/runbook/pending/bingo.service.gate ] && echo owed
true
) 2>&1
printf '\n#~golden 12 end %s\n' $?
