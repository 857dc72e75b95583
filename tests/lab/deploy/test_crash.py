"""The runbook is killed in the middle of a deploy, ten times; the next deploy makes the same state
each time.

The moments are random but repeatable: CRASH_SEED (printed when a test fails) chooses them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deployed import (
    EDGES,
    NODES,
    Deployed,
    assert_unchanged,
    drained,
    files,
    on_each_host,
    wait_until_up,
)
from labtools import ROOT, Runner, Ssh

from lab import hosts
from lab.names import HOSTS

SEED = int(os.environ.get("CRASH_SEED", "20231121"))
PSQL = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d bingo"

# --- States that need changes
# --------------------------------------------------------------------------


def drift(ssh: Ssh) -> None:
    """Files, a secret, an index, the edge's configuration."""
    for name in NODES:
        ssh(
            name,
            "rm /srv/app/releases/*/facts.json; sed -i s/MemoryMax=.*/MemoryMax=1G/"
            " /etc/systemd/system/bingo.service",
        )
    ssh("node2", "sed -i 's/password: .*/password: wrong/' /opt/bingo/config.yaml")
    ssh(
        "db1",
        f"{PSQL} -c 'DROP INDEX IF EXISTS sessions_id' -c \"ALTER ROLE bingo PASSWORD 'wrong'\"",
    )
    for name in EDGES:
        ssh(name, "echo '# by hand' >>/etc/haproxy/haproxy.cfg")
    ssh("edge2", "sed -i '1i # by hand' /etc/nginx/nginx.conf /etc/keepalived/keepalived.conf")


def lost_data(ssh: Ssh) -> None:
    """The data, and what is built upon it."""
    tables = "customers, movies, sessions, schema_migrations"
    ssh(
        "db1",
        f"{PSQL} -c 'DROP TABLE IF EXISTS {tables}' -c \"COMMENT ON DATABASE bingo IS 'runbook:"
        " seeding'\"",
    )
    ssh("node1", "sed -i s/MemoryMax=.*/MemoryMax=1G/ /etc/systemd/system/bingo.service")


def fresh_node(ssh: Ssh) -> None:
    """A node as bare as it came."""
    hosts.reset(["node1"])


def fresh_edge(ssh: Ssh) -> None:
    """An edge as bare as it came, the other at work."""
    hosts.reset(["edge1"])


class Kind:
    """A way to need a deploy; `seconds` is how long that deploy takes here, as far as it is
    known."""

    def __init__(self, spoil: Callable[[Ssh], None], seconds: float) -> None:
        self.spoil, self.seconds = spoil, seconds


KINDS = {
    kind.spoil.__name__: kind
    for kind in (Kind(drift, 5), Kind(lost_data, 6), Kind(fresh_node, 9), Kind(fresh_edge, 5))
}
CRASHES = [
    "drift",
    "drift",
    "drift",
    "drift",
    "lost_data",
    "lost_data",
    "lost_data",
    "fresh_node",
    "fresh_node",
    "fresh_edge",
]


# --- What must be the same afterwards
# --------------------------------------------------------------------------

TLS = "/etc/nginx/tls"
EDGE = "/etc/haproxy /etc/nginx /etc/keepalived /etc/sysctl.d /etc/systemd/system /usr/lib/runbook"
MANAGED = {
    "edge1": EDGE,
    "edge2": EDGE,
    "db1": "/etc/postgresql /etc/systemd/system /usr/lib/runbook",
}
NODE = (
    "/etc/runbook /etc/systemd/system /opt /srv/app/current /srv/app/current/bingo"
    " /srv/app/current/facts.json /usr/lib/runbook"
)
DATABASE = """SELECT shobj_description(oid, 'pg_database'), datacl
FROM pg_database WHERE datname = 'bingo';
SELECT rolname, rolcanlogin, rolsuper, rolconnlimit FROM pg_roles WHERE rolname = 'bingo';
SELECT indexrelid::regclass::text, indisvalid, pg_get_indexdef(indexrelid) FROM pg_index
  JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = 'public'::regnamespace ORDER BY 1;
SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM customers),
(SELECT count(*) FROM movies);
SELECT name, setting FROM pg_settings WHERE sourcefile LIKE '%runbook%' ORDER BY 1"""


def fingerprint(ssh: Ssh) -> dict[str, object]:
    """All that a deploy manages, and what runs."""
    found: dict[str, object] = {
        "database": ssh("db1", f"{PSQL} <<'END'\n{DATABASE}\nEND").out,
        "drained": drained(ssh),
    }
    return found | on_each_host(lambda name: (managed(ssh, name), ssh(name, RUNNING).out))


def managed(ssh: Ssh, host: str) -> dict[str, str]:
    """The files a deploy makes right. The certificate an edge had before is its history: a fresh
    edge has none."""
    found = files(ssh, host, MANAGED.get(host, NODE))
    link = f"{TLS}/previous"
    past = f"{TLS}/{found[link].split()[3]}" if link in found else link
    return {
        path: seen for path, seen in found.items() if path != link and not path.startswith(past)
    }


RUNNING = """units='bingo* runbook* nginx* haproxy* keepalived* postgresql@*'; set -f
systemctl list-units --plain --no-legend --state=active,failed $units | awk '{print $1, $3, $4}'
nft list table inet runbook_egress 2>/dev/null | grep -v counter || true"""
LEFT = """ls /var/lib/runbook/lock 2>/dev/null || true
find / -xdev \\( -name '.runbook.*' -o -name '.upload.*' \\) 2>/dev/null || true
ls -A /var/lib/runbook/pending 2>/dev/null || true
systemctl is-active runbook-seed.service | grep -v inactive || true"""


def settled(ssh: Ssh, right: dict[str, object], seconds: float = 75) -> None:
    """All is as it should be, at the latest after `seconds`: a log rotation that met the missing
    file in the minute it was missing counts as failed until the next minute's."""
    end = time.monotonic() + seconds
    while (found := fingerprint(ssh)) != right and time.monotonic() < end:
        time.sleep(0.5)
    assert list(differences("", right, found)) == []


def differences(where: str, right: object, found: object) -> Iterator[str]:
    """What differs, one line each."""
    if isinstance(right, dict) and isinstance(found, dict):
        for key in sorted(right.keys() | found.keys()):
            yield from differences(f"{where} {key}", right.get(key), found.get(key))
    elif isinstance(right, tuple) and isinstance(found, tuple):
        for one, other in zip(right, found, strict=True):
            yield from differences(where, one, other)
    elif right != found:
        yield f"{where}: {found!r} instead of {right!r}"


@pytest.fixture(scope="module")
def right(deployed: Deployed, run_fab: Runner, ssh: Ssh) -> Iterator[dict[str, object]]:
    """How everything is after a deploy that nobody killed."""
    assert run_fab("deploy").code == 0
    wait_until_up(ssh)
    found = fingerprint(ssh)
    yield found
    settled(ssh, found)


killed_midway: list[float] = []


@pytest.mark.parametrize(
    "number", range(len(CRASHES)), ids=[f"{n}-{name}" for n, name in enumerate(CRASHES)]
)
def test_a_killed_deploy_is_finished_by_the_next(
    right: dict[str, object], run_fab: Runner, ssh: Ssh, number: int
) -> None:
    kind = KINDS[CRASHES[number]]
    kind.spoil(ssh)
    moment = 0.3 + random.Random(SEED + number).random() * kind.seconds
    print(f"CRASH_SEED={SEED}: {CRASHES[number]}, killed after {moment:.2f} s")

    if kill_a_deploy_after(moment):
        killed_midway.append(moment)

    began = time.monotonic()
    outcome = run_fab("deploy")
    kind.seconds = max(kind.seconds, time.monotonic() - began)
    assert outcome.code == 0, outcome
    assert_unchanged(run_fab("deploy"))
    settled(ssh, right)
    assert on_each_host(lambda name: ssh(name, LEFT).out) == dict.fromkeys(HOSTS, "")


def kill_a_deploy_after(seconds: float) -> bool:
    """Whether it was still at work."""
    fab = str(Path(sys.executable).with_name("fab"))
    process = subprocess.Popen(
        [fab, "deploy"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)  # the moment is the point
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def test_they_were_killed_in_the_middle() -> None:
    assert len(killed_midway) >= len(CRASHES) // 2


def test_a_seeding_whose_end_nobody_saw_is_recorded(
    right: dict[str, object], run_inv: Runner, ssh: Ssh
) -> None:
    """Killed between the end of the seeding and the note that it ended: what it wrote stays."""
    ssh("node1", "systemd-run -q --unit=runbook-seed -p RemainAfterExit=yes true")
    tables = f"{PSQL} -c 'SELECT oid FROM pg_class WHERE relnamespace = 2200 ORDER BY 1'"
    before = ssh("db1", tables).out
    ssh("db1", f"{PSQL} -c \"COMMENT ON DATABASE bingo IS 'runbook: seeding'\"")
    assert run_inv("db.seed").code == 0
    assert ssh("db1", tables).out == before, "no table was made anew"
    assert ssh("node1", "systemctl is-active runbook-seed.service || true").out == "inactive\n"
    settled(ssh, right)
