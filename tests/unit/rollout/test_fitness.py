"""Whether a host can run what a deploy installs: system, kernel, disks, memory, packages, clock."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from samples import FACTS, MATERIAL, MONITOR, NODES, balanced_site, site, watched_site

from fabfile.control.clocks import ClockOffset
from fabfile.engine.converge import State
from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading, join_probes
from fabfile.flows.preflight_hosts import HostAnswers, judge_host
from fabfile.flows.preflight_table import Findings
from fabfile.health.network import NetworkView
from fabfile.rollout import fitness
from fabfile.rollout.between_hosts import (
    describe_clock,
    find_offset,
    judge_clock,
    judge_clocks,
    judge_edge_network,
)
from fabfile.rollout.condition import KNOWN, Precondition, is_new_host, only_on_new_host, unmet
from fabfile.rollout.needs import disk_needs, memory_needs, read_mib
from fabfile.rollout.new_host import fitness_conditions
from fabfile.rollout.package_sources import describe_packages, judge_packages, needed_packages
from fabfile.rollout.preflight import addresses
from fabfile.rollout.space import DEPLOYED, describe_disks, judge_memory, judge_space
from fabfile.rollout.survey import HostSurvey, _judge_new_host
from fabfile.rollout.system import PHASES, System
from fabfile.settings.settings import Settings

EDGE1, _, NODE1, _, DB1 = NODES


def problems(errors: list[RunbookError]) -> list[str]:
    assert all(error.why and error.next for error in errors)
    return [error.problem for error in errors]


# -- the system

TRIXIE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n'


@pytest.mark.parametrize(
    ("release", "said"),
    [
        (TRIXIE, []),
        (TRIXIE.replace("13", "12"), []),
        (
            TRIXIE.replace("13", "11"),
            ["db1 runs Debian GNU/Linux 11 (trixie) (debian 11), not Debian 12 or 13"],
        ),
        (
            'PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n',
            ["db1 runs Debian GNU/Linux forky/sid (debian without a version), not Debian 12 or 13"],
        ),
        (
            "PRETTY_NAME='Ubuntu 24.04'\nVERSION_ID=\"24.04\"\nID=ubuntu\n".replace("'", '"'),
            ["db1 runs Ubuntu (ubuntu 24.04), not Debian 12 or 13"],
        ),
        ("", ["db1 runs an unknown system (? without a version), not Debian 12 or 13"]),
    ],
    ids=["13", "12", "11", "sid", "ubuntu", "no file"],
)
def test_the_release(release: str, said: list[str]) -> None:
    assert problems(fitness.judge_system("db1", Reading(release, 0))) == said


@pytest.mark.parametrize(
    ("judge", "out", "said"),
    [
        (fitness.judge_architecture, "arm64\n", []),
        (fitness.judge_architecture, "i386\n", ["db1 is i386, not amd64 or arm64"]),
        (
            fitness.judge_architecture,
            "",
            ["db1 is of an unknown architecture, not amd64 or arm64"],
        ),
        (fitness.judge_systemd, "257\nruns\n", []),
        (
            fitness.judge_systemd,
            "247\nruns\n",
            ["db1 runs systemd 247, and the units need 252"],
        ),
        (fitness.judge_systemd, "257\n", ["db1 was not booted with systemd"]),
        (fitness.judge_systemd, "", ["db1 was not booted with systemd"]),
        (fitness.judge_namespaces, "", []),
        (
            fitness.judge_namespaces,
            "unshare: unshare failed: Operation not permitted\nmissing user\n",
            [
                "db1: the kernel makes no user namespace: unshare: unshare failed: Operation not"
                " permitted"
            ],
        ),
        (fitness.judge_cgroups, "cgroup2fs\ncpu memory pids\n", []),
        (
            fitness.judge_cgroups,
            "tmpfs\n",
            ["db1 has control groups of version 1 (tmpfs)"],
        ),
        (fitness.judge_nftables, "accepted\n", []),
        (fitness.judge_nftables, "module\n", []),
        (fitness.judge_nftables, "", []),
        (
            fitness.judge_nftables,
            "netlink: Error: cache initialization failed: Operation not permitted\n",
            [
                "db1: the kernel takes no nftables rules: netlink: Error: cache initialization"
                " failed: Operation not permitted"
            ],
        ),
    ],
)
def test_the_kernel(judge, out: str, said: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert problems(judge("db1", Reading(out, 0))) == said


def test_what_cannot_be_tried_is_no_pass() -> None:
    assert fitness.describe_nftables(Reading("", 0)).startswith("not tried: nft is not installed")
    assert "without a memory controller" in fitness.describe_cgroups(Reading("cgroup2fs\ncpu\n", 0))


# -- disks and memory

NEEDS = {"/": 16, "/usr": 100, "/var/lib/postgresql": 5000}


def df(path: str, free_mib: int, mount: str = "/", mode: str = "rw", inodes: str = "900000") -> str:
    return f"{mode} {path} {free_mib * 1024:>9} {inodes:>8} {mount}\n"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (df("/", 6000) + df("/usr", 6000) + df("/var/lib/postgresql", 6000), []),
        (
            df("/", 3000) + df("/usr", 3000) + df("/var/lib/postgresql", 3000),
            ["db1: / has 2.9 GB left, and its roles need 5.0 GB"],
        ),
        (
            df("/", 200) + df("/usr", 200) + df("/var/lib/postgresql", 10, "/var/lib/postgresql"),
            ["db1: /var/lib/postgresql has 10 MB left, and its roles need 4.9 GB"],
        ),
        (
            df("/", 9000, mode="ro") + df("/usr", 9000),
            ["db1: the file system / is read-only (/)"],
        ),
        (df("/", 9000, inodes="12"), ["db1: / has 12 inodes left: too many files"]),
        (df("/", 9000, inodes="0"), []),
        (df("/", 9000, inodes="-"), []),
        (f"{DEPLOYED}\n" + df("/var/lib/postgresql", 300), []),
        (f"{DEPLOYED}\n" + df("/", 3), ["db1: / has 3 MB left, and its roles need 8 MB"]),
        ("", ["db1 does not show its disks: exit 0"]),
    ],
)
def test_disks(out: str, said: list[str]) -> None:
    assert problems(judge_space("db1", NEEDS, Reading(out, 0))) == said


def test_the_tightest_file_system_is_shown() -> None:
    out = df("/", 9000) + df("/var/lib/postgresql", 5100, "/data base")
    assert describe_disks(NEEDS, Reading(out, 0)) == "5.0 GB free at /data base, 4.9 GB needed"


def test_disks_are_sized_by_role_and_settings() -> None:
    edge = disk_needs(site(), EDGE1, 0)
    assert disk_needs(site(), DB1, 0)["/var/lib/postgresql"] > 4096
    assert "/var/lib/postgresql" not in edge
    assert disk_needs(site(), NODE1, 50 << 20)["/srv/app"] == 8 * 51
    small = replace(watched_site().monitoring, retention_mb=100)
    watched = replace(watched_site(), monitoring=small)
    assert disk_needs(watched, MONITOR, 0)["/var/lib/prometheus"] == 110


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512M", 512), ("512MB", 512), ("2G", 2048), ("2GB", 2048), ("1T", 1 << 20), ("8kB", 1)],
)
def test_sizes_of_a_site_file(text: str, mib: int) -> None:
    assert read_mib(text) == mib


def test_memory() -> None:
    needs = memory_needs(site(), NODE1)
    assert sum(needs.values()) == 192 + 512 + 64
    assert judge_memory("node1", needs, Reading("1009000\nmax\n", 0)) == []
    (found,) = judge_memory("node1", needs, Reading("8000000\n536870912\n", 0))
    assert found.problem == (
        "node1 has 512 MB of memory, and its roles need 768 MB: system 192 MB, app 576 MB"
    )
    assert judge_memory("node1", needs, Reading("", 0))


# -- packages


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("installed\n", []),
        ("missing nginx\nanswers http://deb.example/InRelease\nresolved\n", []),
        (
            "missing nginx\nsilent http://a/InRelease Could not resolve 'a'\n"
            "answers http://b/InRelease\nresolved\n",
            [],
        ),
        ("missing nginx\nresolved\n", []),
        ("missing nginx\nsilent http://a/InRelease no\nresolved\ncached\n", []),
        (
            "missing nginx curl\nsilent http://a/InRelease Could not resolve 'a'\nresolved\n",
            ["db1 reaches no package source: http://a/InRelease: Could not resolve 'a'"],
        ),
        (
            "missing postgresql-17\nanswers http://a/InRelease\n"
            "apt Unable to locate package postgresql-17\n",
            [
                "db1: apt cannot resolve the missing packages: Unable to locate package"
                " postgresql-17"
            ],
        ),
    ],
)
def test_packages(out: str, said: list[str]) -> None:
    assert problems(judge_packages("db1", Reading(out, 0))) == said


def test_packages_are_described() -> None:
    out = "missing a b\nsilent http://x/InRelease no\nanswers http://y/InRelease\nresolved\n"
    assert describe_packages(Reading(out, 0)) == (
        "2 packages to install, all known to apt; no answer from http://x/InRelease"
    )
    assert describe_packages(Reading("mktemp: failed: No space left\n", 1)).startswith("not tried")


def test_packages_are_known_before_discovery_and_before_the_certificate() -> None:
    blank = System(site(), Path("/nonexistent"), None)
    whole = System(site(), Path("/nonexistent"), FACTS, MATERIAL)
    for node in NODES:
        planned = [step for phase in PHASES for step in whole.steps(node, phase)]
        assert needed_packages(blank, node, tuple(PHASES), ()) == needed_packages(
            whole, node, tuple(PHASES), planned
        )
    assert "nginx" in needed_packages(blank, EDGE1, tuple(PHASES), ())


# -- clocks and networks


def test_the_offset_is_as_exact_as_the_network() -> None:
    offset = find_offset("107.2", "117.2\n", asked=100, answered=110.4)
    assert offset is not None
    assert offset.ahead == pytest.approx(7.0)
    assert offset.slack == pytest.approx(0.2)
    assert find_offset("", "12", 0, 1) is None


def test_clocks() -> None:
    assert judge_clock("db1", ClockOffset(4.9, 0.1)) == []
    assert problems(judge_clock("db1", ClockOffset(-60, 0.1))) == [
        "db1: its clock is 60 s behind this machine's"
    ]
    assert problems(judge_clock("db1", None)) == ["db1 does not show its clock"]
    apart = {"a": ClockOffset(4, 0.1), "b": ClockOffset(-4, 0.1), "c": ClockOffset(0, 9)}
    assert problems(judge_clocks(apart)) == ["the clocks of a and b differ by at least 8 s"]
    assert judge_clocks({"a": ClockOffset(60, 0.1), "b": ClockOffset(0, 0.1)}) == []
    assert describe_clock(ClockOffset(0.2, 0.1)) == "within 1 s of this machine's"


ONE_NETWORK = "2: eth0    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth0\\ x\n"


@pytest.mark.parametrize(
    ("shown", "outside"),
    [
        (ONE_NETWORK, ""),
        (
            ONE_NETWORK.replace("/24", "/32"),
            "edge2 (192.0.2.12) and the floating address (192.0.2.10) are not",
        ),
        (
            ONE_NETWORK.replace("/24", "/28").replace("192.0.2.11", "192.0.2.11"),
            "",
        ),
        (ONE_NETWORK.replace("/24", "/31"), "edge2 (192.0.2.12) is not"),
    ],
)
def test_the_edges_share_a_network(shown: str, outside: str) -> None:
    found = problems(judge_edge_network(site(), EDGE1, addresses(shown)))
    assert len(found) == bool(outside)
    assert all(problem.endswith(outside) for problem in found)


@pytest.mark.parametrize(("settings", "asked"), [(site(), True), (balanced_site(), False)])
def test_only_a_floating_address_needs_a_shared_network(settings: Settings, asked: bool) -> None:
    apart = Reading(ONE_NETWORK.replace("/24", "/32"), 0)
    conditions = [Precondition("address", "true", lambda reading: [])]
    exact = ClockOffset(0.0, 0.1)
    findings = Findings()
    judge_host(
        settings,
        EDGE1,
        HostAnswers("ops", conditions, [apart], exact, NetworkView([], {}), None, False),
        findings,
    )
    rows = {row.check: row.held for row in findings.rows}
    assert rows.get("edge network") == (False if asked else None)
    system = System(settings, Path("/nonexistent"), None)
    survey = HostSurvey([], "", serves=False, is_new=True, offset=exact)
    problems_found = _judge_new_host(system, EDGE1, conditions, [apart], survey)
    assert len(problems_found) == asked


# -- new hosts only


def test_a_host_with_a_journal_is_not_asked() -> None:
    conditions = fitness_conditions(
        System(site(), Path("/nonexistent"), FACTS, MATERIAL), DB1, tuple(PHASES), ()
    )
    once = only_on_new_host("db1", conditions)
    assert not is_new_host(Reading(f"{KNOWN}\n", 0))
    assert unmet([once], [Reading(f"{KNOWN}\n", 0)]) == []
    (outcome,) = unmet([once], [Reading("sh: 1: cannot fork\n", 2)])
    assert outcome.state is State.FAILED


def test_all_that_is_wrong_with_a_new_host_is_named() -> None:
    conditions = fitness.system_conditions(DB1)
    script = join_probes(
        ["echo ID=x", "echo i386", "true", "true", "echo tmpfs", "true"], "#~fitness"
    )
    out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    found = unmet([only_on_new_host("db1", conditions)], [Reading(out.removeprefix("\n"), 0)])
    assert [outcome.sentence.partition(" (")[0] for outcome in found] == [
        "db1 runs an unknown system",
        "db1 is i386, not amd64 or arm64",
        "db1 was not booted with systemd",
        "db1 has control groups of version 1",
    ]
