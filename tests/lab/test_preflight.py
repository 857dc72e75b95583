"""A host that cannot take what a deploy would put on it: plan and deploy say so before anything is changed on any host."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from deployed import Deployed, Variant, complaint, until, untouched
from labtools import Outcome, Runner, Ssh

from lab.names import Lab


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
        assert found.seen == (
            "db1: PostgreSQL's cluster 17/other does not run now, but it starts at boot and then takes port 5432"
        )
        assert "pg_conftool 17 other set port" in found.next

        ssh("db1", "systemctl stop postgresql@17-main; systemctl start postgresql@17-other")
        pid = ssh("db1", "systemctl show -P MainPID postgresql@17-other").out.strip()
        found = complaint(refused(run_fab, ssh))
        assert found.seen == f"db1: port 5432 is held by postgresql@17-other.service (postgres, pid {pid})"
        assert ssh("db1", "systemctl is-active postgresql@17-other postgresql@17-main", check=False).out.split() == [
            "active",
            "inactive",
        ]


def test_a_web_server_that_waits_for_the_next_boot(healed: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    """Debian's apache2, installed beside the nginx that serves: it could not start, and is enabled."""
    ssh("edge2", "apt-get install -qy apache2 >/dev/null 2>&1; systemctl is-enabled -q apache2", timeout=300)
    try:
        found = complaint(refused(run_fab, ssh))
        assert found.seen.startswith(
            "edge2: apache2.service does not run now, but it starts at boot and then takes port 80"
        )
        assert "systemctl disable --now apache2.service" in found.next

        ssh("edge2", "systemctl stop nginx; systemctl restart apache2")
        pid = ssh("edge2", "systemctl show -P MainPID apache2").out.strip()
        assert f"port 80 is held by apache2.service (apache2, pid {pid})" in complaint(refused(run_fab, ssh)).seen
    finally:
        ssh("edge2", "apt-get purge -qy --autoremove apache2 apache2-bin apache2-data >/dev/null 2>&1", timeout=300)


# -- addresses --------------------------------------------------------------------------------------------------------


@contextmanager
def nat(lab: Lab, number: int, port: int) -> Iterator[str]:
    """An address by which this machine reaches the host's sshd, and which the host does not have."""
    outer, inner = f"127.77.{lab.number}.{number}", (f"10.77.{lab.number}.{number}", 22)
    with socket.create_server((outer, port)) as server:
        threading.Thread(target=_forward_all, args=(server, inner), daemon=True).start()
        yield outer
        server.shutdown(socket.SHUT_RDWR)


def _forward_all(server: socket.socket, inner: tuple[str, int]) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return
        far = socket.create_connection(inner, timeout=10)
        far.settimeout(None)
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while block := one.recv(65536):
            other.sendall(block)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def behind_nat(deployed: Deployed, variant: Variant, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A site file that knows db1, node1 and edge1 by addresses of a NAT."""
    lab, port = deployed.lab, 2222
    pinned, hosts, lines = (lab.folder / "ssh/known_hosts").read_text(), {}, list[str]()
    with ExitStack() as nats:
        for name, number in (("edge1", 11), ("node1", 21), ("db1", 31)):
            outer = nats.enter_context(nat(lab, number, port))
            hosts[name] = {"address": outer, "roles": [{"e": "edge", "n": "app", "d": "postgres"}[name[0]]]}
            keys = re.findall(rf"^(?:\S*,)?{re.escape(lab.address(name))}\S* (.+)$", pinned, re.M)
            lines += [f"[{outer}]:{port} {key}" for key in keys]
        known = tmp_path / "known_hosts"
        known.write_text("\n".join(lines) + "\n")
        yield variant(ssh={"known_hosts": str(known), "port": port}, hosts=hosts)


def test_addresses_that_are_not_on_the_hosts(
    behind_nat: dict[str, str], deployed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    names, lab = ("edge1", "node1", "db1"), deployed.lab
    before = untouched(ssh)
    for task in ("plan", "deploy"):
        outcome = run_fab("-H", ",".join(names), task, env=behind_nat)
        assert outcome.code == 1, outcome
        found = re.findall(r"^✗ (\S+) has no address (\S+), it has (\S+) \(host0\)", outcome.out, re.M)
        assert found == [
            (name, f"127.77.{lab.number}.{lab.address(name).split('.')[-1]}", lab.address(name)) for name in names
        ]
        assert outcome.out.count("\n✗ ") == len(names)
        assert f'set address = "{lab.address("db1")}" under [hosts.db1]' in outcome.out
    assert untouched(ssh) == before
    until(lambda: run_fab("status").code == 0, "the service, which nobody touched")
