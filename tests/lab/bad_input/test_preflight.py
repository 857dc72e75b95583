"""A host that cannot take what a deploy would put on it: plan and deploy say so before anything
is changed on any host."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from deployed import Deployed, Variant, complaint, until, untouched
from labtools import Outcome, Runner, Ssh

from lab.names import HOSTS, Lab


def refused(run_fab: Runner, ssh: Ssh, env: dict[str, str] | None = None) -> Outcome:
    """What a deploy says that begins nothing; plan finds the same."""
    before = untouched(ssh)
    assert run_fab("plan", env=env).code == 1
    outcome = run_fab("deploy", env=env)
    assert outcome.code == 1, outcome
    assert untouched(ssh) == before
    return outcome


@contextmanager
def cluster(ssh: Ssh, name: str) -> Iterator[None]:
    """Another cluster of PostgreSQL on db1, for the same port."""
    ssh("db1", f"pg_createcluster 17 {name} -p 5432 >/dev/null 2>&1")
    try:
        yield
    finally:
        ssh("db1", f"pg_dropcluster --stop 17 {name}")


def test_another_cluster_on_the_port_of_ours(healed: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    with cluster(ssh, "other"):
        found = complaint(refused(run_fab, ssh))
        assert (
            found.seen
            == "db1: PostgreSQL's cluster 17/other does not run now, but it starts at boot and then"
            " takes port 5432"
        )
        assert "pg_conftool 17 other set port" in found.next

        ssh("db1", "systemctl stop postgresql@17-main; systemctl start postgresql@17-other")
        pid = ssh("db1", "systemctl show -P MainPID postgresql@17-other").out.strip()
        found = complaint(refused(run_fab, ssh))
        assert (
            found.seen
            == f"db1: port 5432 is held by postgresql@17-other.service (postgres, pid {pid})"
        )
        assert ssh(
            "db1", "systemctl is-active postgresql@17-other postgresql@17-main", check=False
        ).out.split() == [
            "active",
            "inactive",
        ]


def test_a_web_server_that_waits_for_the_next_boot(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    """Debian's apache2, installed beside the nginx that serves: it could not start, and is
    enabled."""
    ssh(
        "edge2",
        "apt-get install -qy apache2 >/dev/null 2>&1; systemctl is-enabled -q apache2",
        timeout=300,
    )
    try:
        found = complaint(refused(run_fab, ssh))
        assert found.seen.startswith(
            "edge2: apache2.service does not run now, but it starts at boot and then takes port 80"
        )
        assert "systemctl disable --now apache2.service" in found.next

        ssh("edge2", "systemctl stop nginx; systemctl restart apache2")
        pid = ssh("edge2", "systemctl show -P MainPID apache2").out.strip()
        assert (
            f"port 80 is held by apache2.service (apache2, pid {pid})"
            in complaint(refused(run_fab, ssh)).seen
        )
    finally:
        ssh(
            "edge2",
            "apt-get purge -qy --autoremove apache2 apache2-bin apache2-data >/dev/null 2>&1",
            timeout=300,
        )


# -- addresses


@contextmanager
def nat(lab: Lab, outer: Mapping[str, str]) -> Iterator[None]:
    """This machine reaches hosts by addresses that they do not have (TEST-NET-2): those of a
    NAT."""
    table = f"runbook_nat{lab.number}"
    pairs = ", ".join(f"{address} : {lab.address(name)}" for name, address in outer.items())
    rules = f"""table ip {table} {{
  chain output {{
    type nat hook output priority -100;
    dnat to ip daddr map {{ {pairs} }}
  }}
}}"""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*root, "nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*root, "nft", "delete", "table", "ip", table], check=True)


OUTER = {"edge1": "198.51.100.11", "node1": "198.51.100.21", "db1": "198.51.100.31"}


@pytest.fixture
def behind_nat(deployed: Deployed, variant: Variant, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A site file that knows an edge, an app node and the database by addresses of a NAT."""
    lab = deployed.lab
    known = (lab.folder / "ssh/known_hosts").read_text()
    for name, address in OUTER.items():
        known = re.sub(rf"\b{re.escape(lab.address(name))}\b", address, known)
    path = tmp_path / "known_hosts"
    path.write_text(known)
    hosts = {
        node.name: {"address": OUTER[node.name], "roles": list(node.roles)}
        for node in HOSTS.values()
        if node.name in OUTER
    }
    with nat(lab, OUTER):
        yield variant(ssh={"known_hosts": str(path)}, hosts=hosts)


def test_addresses_that_are_not_on_the_hosts(
    behind_nat: dict[str, str], deployed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    lab = deployed.lab
    before = untouched(ssh)
    for task in ("plan", "deploy"):
        outcome = run_fab("-H", ",".join(OUTER), task, env=behind_nat)
        assert outcome.code == 1, outcome
        found = re.findall(
            r"^✗ (\S+) has no address (\S+), it has (\S+) \(host0\)", outcome.out, re.M
        )
        assert found == [(name, OUTER[name], lab.address(name)) for name in OUTER]
        assert outcome.out.count("\n✗ ") == len(OUTER)
        assert f'set address = "{lab.address("db1")}" under [hosts.db1]' in outcome.out
    assert untouched(ssh) == before
    until(lambda: run_fab("status").code == 0, "the service, which nobody touched")


# -- everything at once

SPOIL = """sed -i 's/^VERSION_ID=.*/VERSION_ID="11"/' /usr/lib/os-release
mount --bind /etc /etc; mount -o remount,bind,ro /etc
mount -t tmpfs -o size=4m tmpfs /var/lib/apt
nft 'table inet wall { chain in { type filter hook input priority 0; tcp dport 5432 drop; }; }'
"""
REPAIR = """umount /var/lib/apt; umount -l /etc; nft delete table inet wall
sed -i 's/^VERSION_ID=.*/VERSION_ID="13"/' /usr/lib/os-release
"""


def test_five_things_wrong_on_a_host_are_all_named(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    everything = run_fab("preflight", "--json", "-")
    assert everything.code == 0, everything
    assert {row["held"] for row in json.loads(everything.out)["rows"]} == {True}
    with cluster(ssh, "other"):
        ssh("db1", SPOIL)
        try:
            outcome = run_fab("preflight", "--json", "-")
        finally:
            ssh("db1", REPAIR)
    assert outcome.code == 1, outcome
    wrong = {
        row["id"]: row["seen"] for row in json.loads(outcome.out)["rows"] if row["held"] is False
    }
    assert wrong.keys() == {
        "db1.system",
        "db1.disks",
        "db1.disks.2",
        "db1.ports",
        "node1.to-db1:5432",
        "node2.to-db1:5432",
    }
    assert "not Debian 12 or 13" in wrong["db1.system"]
    assert wrong["db1.disks"].startswith("the file system /etc is read-only")
    assert wrong["db1.disks.2"].startswith("/var/lib/apt has 4 MB left")
    assert "cluster 17/other" in wrong["db1.ports"]
    assert "a firewall drops it" in wrong["node1.to-db1:5432"]
