"""App nodes that move, to another port or another address, come or go: the edges follow, and no
user notices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import (
    EDGES,
    NODES,
    Deployed,
    Variant,
    assert_unchanged,
    on_each_host,
    seen_by,
    until,
    wait_until_up,
)
from edgetools import port
from floating import vip
from labtools import Runner, Ssh
from users import Users

from fabfile.control.haproxy_stats import ADMIN
from lab.names import Lab

OTHER = {"settings": {"email": "somebody@example.com"}}
"""The stand-in's port is a function of its e-mail, as the binary's is."""


def places(ssh: Ssh, edge: str) -> dict[str, set[str]]:
    """Where each node is for `edge`: in the HAProxy that runs, and in its configuration; one
    place, when all agree."""
    shown = ssh(edge, f"echo 'show servers state' | {ADMIN}").out
    rows = [
        row for row in map(str.split, shown.splitlines()) if len(row) > 18 and row[0].isdecimal()
    ]
    found = [(row[3], f"{row[4]}:{row[18]}") for row in rows]
    found += re.findall(
        r"^ +server (\S+) (\S+)", ssh(edge, "cat /etc/haproxy/haproxy.cfg").out, re.M
    )
    names = {name.removeprefix("panic-") for name, _ in found}
    return {
        name: {at for server, at in found if server.removeprefix("panic-") == name}
        for name in names
    }


def served_at(ssh: Ssh, lab: Lab) -> dict[str, set[str]]:
    """Where each node is by its own unit, in the form of `places`."""
    probe = f"sed -n 's|^ExecStartPost=.*/app-ready \\([0-9]*\\) .*|\\1|p' {UNIT}"
    return {name: {f"{lab.address(name)}:{ssh(name, probe).out.strip()}"} for name in NODES}


UNIT = "/etc/systemd/system/bingo.service"


def wait_for_nodes(ssh: Ssh, edge: str) -> None:
    """HAProxy on `edge` is back, and sees both nodes up."""
    until(
        lambda: ssh(edge, f"echo 'show info' | {ADMIN}", check=False).code == 0,
        "HAProxy after it was killed",
    )
    until(lambda: seen_by(ssh, edge) == dict.fromkeys(NODES, "UP"), "both nodes up")


@pytest.fixture
def users(floating: Lab, ssh: Ssh) -> Iterator[Users]:
    """At work through the floating address during the whole test; none of them may notice
    anything."""
    wait_until_up(ssh)
    with Users(vip(floating), rate=60) as users:
        yield users
    bad = [sample for sample in users.load.samples if sample.error] if users.load else []
    print(
        f"\n{bad}\n{users.asked} requests, {dict(users.failed)} failed, longest gap"
        f" {users.gap:.3f} s"
    )
    assert users.asked > 500
    assert users.failed == {}


def test_another_port_and_back_is_rolled_out_without_a_failed_request(
    healed: Deployed, users: Users, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    first, other = port(ssh), variant(app=OTHER)
    moved = run_fab("deploy", env=other)
    assert moved.code == 0, moved
    assert port(ssh) != first
    assert on_each_host(lambda edge: places(ssh, edge), EDGES) == dict.fromkeys(
        EDGES, served_at(ssh, healed.lab)
    )
    assert_unchanged(run_fab("deploy", env=other))
    back = run_fab("deploy")
    assert back.code == 0, back
    assert port(ssh) == first
    wait_until_up(ssh)


def test_one_node_alone_at_another_port_is_found_by_edges_that_restart_or_are_deployed(
    healed: Deployed, users: Users, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    """As after a deploy that was killed between two nodes: each node is served where it is, not
    where the site file says."""
    other = variant(app=OTHER)
    outcome = run_fab("-H", "node1", "deploy", env=other)
    assert outcome.code == 0, outcome
    at = served_at(ssh, healed.lab)
    assert len({place.rpartition(":")[2] for (place,) in at.values()}) == 2
    assert on_each_host(lambda edge: places(ssh, edge), EDGES) == dict.fromkeys(EDGES, at)

    idle = next(
        edge for edge in EDGES if vip(healed.lab) not in ssh(edge, "hostname -I").out.split()
    )
    for signal in ("TERM", "KILL"):
        ssh(idle, f"systemctl kill -s {signal} haproxy")
        wait_for_nodes(ssh, idle)
        assert places(ssh, idle) == at
    for site in (other, {}):
        edges_only = run_fab("-H", ",".join(EDGES), "deploy", env=site)
        assert edges_only.code == 0, edges_only
        assert on_each_host(lambda edge: places(ssh, edge), EDGES) == dict.fromkeys(EDGES, at)


def test_a_saved_state_of_another_place_is_not_believed(healed: Deployed, ssh: Ssh) -> None:
    """One that an older HAProxy left, with ports of before: only who is drained, up or down
    counts."""
    right = places(ssh, "edge2")
    spoil = (
        "sed -i -E 's/^(([^ ]+ ){18})[0-9]+ /\\11111 /' /var/lib/haproxy/server-state; grep -c '"
        " 1111 ' /var/lib/haproxy/server-state"
    )
    ssh("edge2", f"/usr/lib/runbook/haproxy-save-state; {spoil}; systemctl kill -s KILL haproxy")
    wait_for_nodes(ssh, "edge2")
    assert places(ssh, "edge2") == right


def test_a_node_at_another_address_is_followed(
    healed: Deployed, users: Users, run_fab: Runner, ssh: Ssh, variant: Variant, tmp_path: Path
) -> None:
    lab = healed.lab
    new = f"10.77.{lab.number}.29"
    pins = (lab.folder / "ssh" / "known_hosts").read_text()
    pins += next(
        line for line in pins.splitlines(True) if line.startswith(lab.address("node1"))
    ).replace(lab.address("node1"), new)
    (tmp_path / "pins").write_text(pins)
    site = variant(
        ssh={"known_hosts": str(tmp_path / "pins")},
        app={"memory_max": "500M"},
        hosts={"node1": {"address": new, "roles": ["app"]}},
    )
    interface = ssh("node1", "ip -o -4 route show default | sed 's/.* dev //; s/ .*//'").out.strip()
    # by which the database knows it
    route = f"ip route change 10.77.{lab.number}.0/24 dev {interface} src"
    ssh("node1", f"ip address add {new}/24 dev {interface}; {route} {new}")
    try:
        outcome = run_fab("deploy", env=site)
        assert outcome.code == 0, outcome
        found = on_each_host(lambda edge: places(ssh, edge), EDGES)
        wanted = {**served_at(ssh, lab), "node1": {f"{new}:{port(ssh)}"}}
        assert found == dict.fromkeys(EDGES, wanted)
        ssh("node1", f"{route} {lab.address('node1')}")
        back = run_fab("deploy")
        assert back.code == 0, back
    finally:
        ssh("node1", f"ip address del {new}/24 dev {interface}")
    wait_until_up(ssh)


def test_a_node_that_leaves_the_site_and_one_that_joins_it_are_followed(
    healed: Deployed, users: Users, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    outcome = run_fab("deploy", env=variant(hosts={"node2": None}))
    assert outcome.code == 0, outcome
    assert on_each_host(lambda edge: list(places(ssh, edge)), EDGES) == {
        "edge1": ["node1"],
        "edge2": ["node1"],
    }
    # It joins with an app that has to pass the gate, at balancers that do not know it yet.
    ssh("node2", f"sed -i s/MemoryMax=.*/MemoryMax=1G/ {UNIT}")
    joined = run_fab("deploy")
    assert joined.code == 0, joined
    assert "passed the gate" in joined.out
    wait_until_up(ssh)
