"""What is read of a host for evidence, beside what `fab status` reads. All read-only."""

from __future__ import annotations

from collections.abc import Mapping

from ..control.haproxy_stats import stat_script
from ..engine.host import Node
from ..engine.psql import HOLDERS, psql
from ..engine.shell import q
from ..health.indexes import index_query
from ..health.units import needed_units
from ..records.by_hand import sudo_script
from ..settings.paths import app_unit
from ..settings.settings import Settings

DATABASE, BALANCER, MEMORY, FILES = "database", "balancer", "app-memory", "largest-files"
"""The names of the probes whose answers `hypotheses` reads; all others are for people."""

SLOW_STATEMENTS = r"""SELECT to_regclass('pg_stat_statements') IS NOT NULL AS counted \gset
\if :counted
SELECT round(total_exec_time) AS ms, calls, round(mean_exec_time::numeric, 1) AS mean,
  left(regexp_replace(query, '\s+', ' ', 'g'), 200)
FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 20;
\endif"""
"""The statements that took most time in all, where that extension is installed. Without it, the log
has each statement that took longer than `log_min_duration_statement`."""

PROCESS = r"""[ "$pid" != 0 ] || { echo 'the app does not run'; exit 0; }
grep -E '^(State|Threads|Vm(RSS|HWM)|voluntary)' "/proc/$pid/status"
printf 'open files: %s\n' "$(ls "/proc/$pid/fd" | wc -l)"
for task in /proc/"$pid"/task/*; do
  printf '%s %s %s\n' "${task##*/}" "$(cut -d' ' -f3 "$task/stat")" "$(cat "$task/wchan")"
done | head -n 200
ss -tnp | grep -F "pid=$pid," | head -n 200
true"""
"""State, memory, threads (with what each waits for in the kernel) and sockets of the app."""

STRACE = """command -v strace >/dev/null || { echo 'strace is not installed here'; exit 0; }
[ "$pid" = 0 ] || timeout 1 strace -f -tt -T -s 60 -p "$pid" 2>&1 | head -n 500
true"""
"""One second of the app's system calls. The app runs slower for that second."""

SESSIONS = r"""SELECT json_build_object('pid', pid, 'user', usename, 'client', client_addr,
  'name', application_name, 'does', state, 'waits_for', wait_event_type,
  'blocked_by', pg_blocking_pids(pid), 'age', extract(epoch FROM now() - query_start)::int,
  'statement', left(regexp_replace(query, '\s+', ' ', 'g'), 100))
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY query_start LIMIT 60;"""
"""JSON lines: every session, who blocks it, and its statement, the oldest first."""


LARGEST_FILES = r"""timeout 3 sh <<'FILES'
df --output=pcent,target 2>/dev/null | while read -r used mount; do
  [ "${used%\%}" -ge 90 ] 2>/dev/null || continue
  echo "$mount"
  timeout 1 find "$mount" -xdev -type f -printf '%k KiB, changed %TF %.8TT: %p\n' |
    sort -rn | head -n 5
done
FILES
true"""
"""Each file system that is nearly full, then its largest files."""


def evidence_probes(settings: Settings, node: Node, *, trace: bool = False) -> Mapping[str, str]:
    """The probes of `node` by name; each is shell text that ends within about 3 seconds.

    `trace` adds a second of strace of the app, which slows the app down.
    """
    units = " ".join(f"-u {q(unit)}" for unit in needed_units(settings, node))
    probes = {
        "journal": f"timeout 3 journalctl -q --no-pager -o short-iso-precise -n 400 {units}; true",
        "kernel": "timeout 2 journalctl -q --no-pager -k -p warning -n 50; true",
        "units": "timeout 3 systemctl --no-pager list-units --all 'runbook-*'; systemctl --failed;"
        " true",
        "sockets": "ss -s; ss -tlnp; timeout 2 ss -tanp | head -n 300; true",
        "memory": "free -m; ps -eo pid,user,nlwp,rss,pcpu,etimes,comm --sort=-rss | head -n 25;"
        " true",
        "disk": "df -hT; df -i; true",
        FILES: LARGEST_FILES,
        "logins": "last -n 20 2>/dev/null; who; timeout 2 journalctl -q --no-pager -n 100 -t sshd"
        f" --since -2h; {sudo_script('-2h', lines=100, seconds=2)}; true",
    }
    if "edge" in node.roles:
        probes[BALANCER] = f"{stat_script()}; true"
    if "app" in node.roles:
        unit = q(app_unit(settings))
        pid = f"pid=$(systemctl show -P MainPID {unit})\n"
        probes["app"] = f"systemctl status --no-pager -l -n 50 {unit}; true"
        probes[MEMORY] = f"systemctl show -p MemoryCurrent -p MemoryMax -p NRestarts {unit}; true"
        probes["app-process"] = pid + PROCESS
        if trace:
            probes["app-strace"] = pid + STRACE
    if "postgres" in node.roles:
        query = "\n".join([HOLDERS, index_query(settings.program), SESSIONS])
        probes[DATABASE] = psql(settings.database.name, query)
        probes["postgres-log"] = "tail -q -n 200 /var/log/postgresql/*.log; true"
        probes["slow-statements"] = (
            f"({psql(settings.database.name, SLOW_STATEMENTS)})\n"
            "tail -q -n 5000 /var/log/postgresql/*.log | grep ' duration: ' | tail -n 100; true"
        )
    return probes
