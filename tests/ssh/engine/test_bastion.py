"""Hosts behind bastions: one login for all of them, every key verified, each failure one sentence
that says which hop failed."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sshhost import Host, fab, new_key, write_site

from fabfile.engine import hops
from fabfile.engine.errors import RunbookError, Unreachable
from fabfile.engine.fleet import Fleet
from fabfile.engine.host import Address, Node
from fabfile.engine.link import Link

NAME = "bastion gate"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, client_key: Path) -> Iterator[Host]:
    with closing(Host("gate", "127.77.0.5", tmp_path_factory.mktemp("gate"), client_key)) as gate:
        yield gate


@pytest.fixture(autouse=True)
def _no_open_bastion() -> Iterator[None]:
    """Each test logs in at its bastions itself."""
    yield
    for bastion in hops._bastions.values():
        bastion.close()
    hops._bastions.clear()


def hop(gate: Host, behind: tuple[str, ...] = ("one", "two"), **change: object) -> Address:
    return gate.reach(name=NAME, **change)._replace(behind=behind)


def refusal_of(address: Address) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        Link(address).read(["true"])
    return caught.value


def test_all_hosts_behind_a_bastion_share_one_login(gate: Host, host: Host, other: Host) -> None:
    via, before = hop(gate), (gate.logins(), gate.sessions())
    hosts = {"one": host, "two": other}
    nodes = [Node(name, host.address, ("app",)) for name, host in hosts.items()]
    for _ in range(2):  # a task may have several fleets
        with Fleet(nodes, lambda node: Link(hosts[node.name].reach(via))) as fleet:
            answers = fleet.each(lambda node: fleet.link(node).read(["id -un"])[0].out.strip())
            assert answers == {"one": "root", "two": "root"}
            assert fleet.sessions == 2
    assert (gate.logins(), gate.sessions()) == (before[0] + 1, before[1])


def test_two_hops(gate: Host, other: Host, host: Host) -> None:
    second = other.reach(hop(gate), name="bastion two")._replace(behind=("one",))
    before = gate.logins(), other.logins(), other.sessions()
    link = Link(host.reach(second))
    assert link.run("id -un").out == "root\n"
    assert (gate.logins(), other.logins(), other.sessions()) == (
        before[0] + 1,
        before[1] + 1,
        before[2],
    )
    link.close()


def test_a_script_of_a_megabyte_and_an_upload_go_through(
    gate: Host, host: Host, tmp_path: Path
) -> None:
    import hashlib

    source = tmp_path / "big"
    source.write_bytes(os.urandom(3_000_000))
    link = Link(host.reach(hop(gate)))
    link.upload(source, "/tmp/big", hashlib.sha256(source.read_bytes()).hexdigest())
    assert len(link.run("head -c 3000000 /tmp/big | base64").out) > 3_000_000
    link.close()


def test_the_key_of_a_bastion_is_verified_as_that_of_a_host(
    gate: Host, host: Host, tmp_path: Path
) -> None:
    empty = refusal_of(host.reach(hop(gate, known_hosts=tmp_path / "none")))
    assert empty.problem == "the host key of bastion gate is not pinned"
    assert empty.next == "fab trust"
    assert "one, two can be reached only through it" in empty.why

    strange = tmp_path / "strange"
    strange.write_text(
        f"[{gate.address}]:{gate.port} {new_key(tmp_path / 'key').with_suffix('.pub').read_text()}"
    )
    changed = refusal_of(host.reach(hop(gate, known_hosts=strange)))
    assert "bastion gate shows another host key than the pinned one" in changed.problem
    assert changed.next == "if you know why: fab trust --replace"


def test_the_key_of_a_host_behind_a_bastion_is_verified(
    gate: Host, host: Host, tmp_path: Path
) -> None:
    before = host.logins()
    error = refusal_of(host.reach(hop(gate), known_hosts=tmp_path / "none"))
    assert (error.problem, error.next) == (
        "the host key of one is not pinned",
        "fab -H one trust",
    )
    assert host.logins() == before


def test_a_bastion_that_refuses_our_key(gate: Host, host: Host, tmp_path: Path) -> None:
    error = refusal_of(host.reach(hop(gate, key=new_key(tmp_path / "other"))))
    assert error.problem.startswith("bastion gate refuses user ops with the key")
    assert "one, two can be reached only through it" in error.why
    assert error.code == 4


def test_a_bastion_that_may_not_forward(host: Host, client_key: Path, tmp_path: Path) -> None:
    options = "AllowTcpForwarding no"
    with closing(Host("gate", "127.77.0.6", tmp_path / "g", client_key, options=options)) as closed:
        error = refusal_of(host.reach(hop(closed)))
    assert error.problem.startswith(
        f"bastion gate does not forward a connection to one ({host.address}"
    )
    assert "AllowTcpForwarding" in error.why + error.next
    assert error.code == 4


def test_a_host_behind_a_bastion_that_does_not_answer(gate: Host, host: Host) -> None:
    with socket.create_server((host.address, 0)) as server:
        port = server.getsockname()[1]
    refused = refusal_of(host.reach(hop(gate), port=port))
    assert refused.problem == (
        f"one ({host.address} port {port}) cannot be reached from bastion gate: connection refused"
    )
    assert "the bastion itself works" in refused.why

    unknown = refusal_of(host.reach(hop(gate), host="no-such-host.invalid"))
    assert "one (no-such-host.invalid port" in unknown.problem
    assert "from bastion gate: " in unknown.problem


def test_hosts_that_fail_at_the_same_time_keep_their_own_reasons(gate: Host, host: Host) -> None:
    with socket.create_server((host.address, 0)) as server:
        closed = server.getsockname()[1]
    ways = {
        "refused": host.reach(hop(gate), name="refused", port=closed),
        "unknown": host.reach(hop(gate), name="unknown", host="no-such-host.invalid"),
        "right": host.reach(hop(gate), name="right"),
    }
    nodes = [Node(name, host.address, ("app",)) for name in ways]
    for _ in range(5):
        with Fleet(nodes, lambda node: Link(ways[node.name])) as fleet:
            found = fleet.each(lambda node: fleet.link(node).read(["true"])[0].code)
        assert "connection refused" in str(found["refused"])
        assert "no-such-host.invalid" in str(found["unknown"])
        assert "refused" not in str(found["unknown"])
        assert found["right"] == 0


def test_a_dead_bastion_costs_one_time_out_for_all_hosts(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    with socket.create_server(("127.77.0.9", 0)) as mute:  # takes connections, never answers
        address, port = mute.getsockname()
        via = Address(NAME, address, port, "ops", None, tmp_path / "known", 1.0, None, names)
        nodes = [Node(name, "127.77.0.1", ("app",)) for name in names]
        started = time.monotonic()
        with Fleet(
            nodes, lambda n: Link(via._replace(name=n.name, host=n.address, via=via, behind=()))
        ) as fleet:
            errors = fleet.each(lambda node: fleet.link(node).read(["true"]))
        assert time.monotonic() - started < 4
        assert len({id(error) for error in errors.values()}) == 1
        error = errors["one"]
        assert isinstance(error, Unreachable)
        assert error.problem.startswith(f"{NAME} (127.77.0.9 port {port}) takes the connection")
        assert "one, two, three can be reached only through it" in error.why
        mute.accept()[0].close()
        mute.settimeout(0.1)
        with pytest.raises(TimeoutError):
            mute.accept()


def test_a_bastion_that_came_back_is_used_again(gate: Host, host: Host) -> None:
    link = Link(host.reach(hop(gate)))
    link.run("true")
    for pid in gate.connections():
        os.kill(pid, signal.SIGKILL)
    assert link.run("echo again").out == "again\n"
    link.close()


def test_a_host_behind_a_bastion_that_falls_silent_is_given_up(
    gate: Host, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabfile.engine.connection.KEEPALIVE", 0.3)
    monkeypatch.setattr("fabfile.engine.connection.SILENCE", 2)
    link = Link(host.reach(hop(gate)))
    assert link.run("sleep 3; echo quiet").out == "quiet\n", "it answers while a script is silent"
    pids: list[int] = []

    def freeze() -> None:
        pids.extend(host.connections())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    threading.Timer(1, freeze).start()
    began = time.monotonic()
    try:
        with pytest.raises(Unreachable, match="the connection to one broke"):
            link.run("sleep 30", timeout=60)
        assert time.monotonic() - began < 15
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def test_an_ipv6_address(client_key: Path, tmp_path: Path) -> None:
    with closing(Host("six", "::1", tmp_path / "six", client_key)) as six:
        assert Link(six.reach()).run("echo six").out == "six\n"


def test_a_name(client_key: Path, tmp_path: Path) -> None:
    with closing(Host("named", "127.0.0.1", tmp_path / "named", client_key)) as named:
        pin = named.known_hosts.read_text()
        named.known_hosts.write_text(pin.replace("[127.0.0.1]", "[localhost]"))
        assert Link(named.reach(host="localhost")).run("echo name").out == "name\n"
    error = refusal_of(named.reach(host="no-such-host.invalid"))
    assert "named (no-such-host.invalid port" in error.problem


def test_trust_pins_the_bastion_first_and_then_through_it(
    gate: Host, host: Host, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    ssh = {"user": "ops", "key": str(host.key), "known_hosts": str(known), "port": host.port}
    jump = f"ops@{gate.address}:{gate.port}"
    site = write_site(tmp_path, {"one": (host.address, ["app", "edge"])}, jump=jump, **ssh)
    refused = fab(site, "status")
    assert refused.returncode == 4
    assert f"the host key of bastion {gate.address} is not pinned" in refused.stdout

    done = fab(site, "trust", "--yes")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "SHA256:" in line]
    assert [line.strip().split("  ")[0] for line in lines] == [f"bastion {gate.address}", "one"]
    entries = [line.split()[0] for line in known.read_text().splitlines()]
    assert entries == [f"[{h.address}]:{h.port}" for h in (gate, host)]
    before = gate.logins()
    assert fab(site, "-H", "one", "plan").returncode == 2
    assert gate.logins() == before + 1
