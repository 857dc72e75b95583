"""The lab's part in the machine's network settings, each test in a network of its own (no other
lab is touched)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from labtools import run

from lab.names import Lab

PRELUDE = """
import pathlib, subprocess
from lab import network, sysctls
from lab.names import Lab
network.STATE = pathlib.Path({state!r})
sysctls.RECORD = network.STATE / "sysctls.json"
FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
one, two = Lab(91), Lab(92)
def forwarding(): return FORWARD.read_text().strip()
def nft(*words): return subprocess.run(["nft", *words], check=True, capture_output=True, \
text=True).stdout
def show(*values): print(*values)
"""


def in_own_network(lab: Lab, state: Path, script: str) -> list[str]:
    """What the Python script prints, run in a new network namespace."""
    code = PRELUDE.format(state=str(state)) + script
    outcome = run(["unshare", "--net", sys.executable, "-c", code], 60)
    assert outcome.code == 0, outcome.err
    return outcome.out.splitlines()


@pytest.mark.parametrize("before", ["0", "1"])
def test_the_last_lab_restores_forwarding(lab: Lab, tmp_path: Path, before: str) -> None:
    script = f"""
FORWARD.write_text("{before}")
network.set_up_network(one); show(forwarding())
network.set_up_network(two); network.set_up_network(one)
network.remove_network(one); show(forwarding())
network.remove_network(two); show(forwarding())
"""
    assert in_own_network(lab, tmp_path, script) == ["1", "1", before]
    assert list(tmp_path.iterdir()) == []


def test_forwarding_is_restored_after_a_crash_in_between(lab: Lab, tmp_path: Path) -> None:
    script = """
FORWARD.write_text("0")
network.set_up_network(one)
subprocess.run(["nft", "delete", "table", "ip", one.bridge], check=True)
network.set_up_network(one); network.remove_network(one); show(forwarding())
"""
    assert in_own_network(lab, tmp_path, script) == ["0"]


def test_a_record_older_than_the_machines_last_start_is_not_believed(
    lab: Lab, tmp_path: Path
) -> None:
    (tmp_path / "sysctls.json").write_text('{"net/ipv4/ip_forward": 0}')
    script = """
FORWARD.write_text("1")
network.set_up_network(one); network.remove_network(one); show(forwarding())
"""
    assert in_own_network(lab, tmp_path, script) == ["1"]


def test_a_firewall_that_forwards_nothing_gets_two_rules_and_loses_them_again(
    lab: Lab, tmp_path: Path
) -> None:
    script = """
nft("add table ip filter")
nft("add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }")
nft("add rule ip filter FORWARD accept comment \\"other\\"")
before = nft("list", "chain", "ip", "filter", "FORWARD")
chain = ("list", "chain", "ip", "filter", "FORWARD")
network.set_up_network(one); network.set_up_network(one); network.set_up_network(two)
show(nft(*chain).count("rblab91\\" accept"))
network.remove_network(one); show(nft(*chain).count("rblab92\\" accept"))
network.remove_network(two); show(nft(*chain) == before)
"""
    assert in_own_network(lab, tmp_path, script) == ["2", "2", "True"]
