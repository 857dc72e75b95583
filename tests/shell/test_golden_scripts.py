"""The exact text of what is run and written on hosts, for the sample site of tests/samples.py.

After a change that is wanted: GOLDEN=write .venv/bin/pytest tests/shell, then read `git diff
tests/shell/golden`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import FACTS, MATERIAL, NODES, SHA256, site

from fabfile.control import counters, haproxy_stats, releases
from fabfile.control.haproxy import drain_script, server_address_script, undrain_script
from fabfile.control.site_front import edge_probe
from fabfile.engine import frame, lock
from fabfile.engine.command import Shell
from fabfile.engine.conversation import SUDO_SHELL
from fabfile.engine.journal import Run, append_lines
from fabfile.engine.secret import Secret
from fabfile.engine.shell import Reading, join_probes, wrap_script, write_file
from fabfile.engine.step import Step, record_pending
from fabfile.flows.curl_http3 import curl_command
from fabfile.health import disks, logs, units
from fabfile.roles.postgres_steps import Cluster, IncludeDir, SettingsInEffect
from fabfile.rollout.condition import only_on_new_host
from fabfile.rollout.foreign_firewall import firewall_condition
from fabfile.rollout.new_host import fitness_conditions
from fabfile.rollout.system import PHASES, System
from fabfile.rollout.trial import needed_routes, open_script, trial_probe
from fabfile.settings.paths import TOOLS
from fabfile.steps.account import Account
from fabfile.steps.block import Block
from fabfile.steps.file import Directory, File, Symlink
from fabfile.steps.firewall import ApplyRules, FirewallRules
from fabfile.steps.foreign import NoForeignConfig
from fabfile.steps.gate import ReleaseProven, proven_step
from fabfile.steps.http3 import Http3Possible
from fabfile.steps.leftover_units import LeftoverUnit, NoLeftoverUnits
from fabfile.steps.leftovers import NoLeftoverDrain
from fabfile.steps.modules import NoOldModules
from fabfile.steps.package import InstallPackages, Packages
from fabfile.steps.release import Release
from fabfile.steps.seed import Seeded
from fabfile.steps.sql import Index, LoginRole, SqlFile
from fabfile.steps.unit import Unit

GOLDEN = Path(__file__).parent / "golden"
SYSTEM = System(site(), Path("/nonexistent/bingo"), FACTS, MATERIAL)


def steps(node: str) -> list[Step]:
    chosen = next(one for one in NODES if one.name == node)
    return [step for phase in PHASES for step in SYSTEM.steps(chosen, phase)]


def change(step: Step, out: str) -> str:
    """The shell text of the change that `out` calls for."""
    decided = step.decide(Reading(out, 0))
    assert decided is not None
    return (
        "\n".join(command.script for command in decided.commands if isinstance(command, Shell))
        + "\n"
    )


def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Every script, by the name of its golden file."""
    monkeypatch.setattr(lock, "machine_id", lambda: "desk~0123456789abcdef")
    monkeypatch.setattr(lock, "boot_id", lambda: "boot-id")
    monkeypatch.setattr(lock, "process_start", lambda pid: "4711")
    monkeypatch.setattr(lock.os, "getpid", lambda: 99)
    monkeypatch.setattr(lock, "now", lambda: "2026-01-02T03:04:05Z")
    run = Run(
        "deploy", Path("/nonexistent"), "it's urgent", who="anna@desk", id="20260102T030405-abcdef"
    )
    monkeypatch.setattr(frame, "new_token", lambda: "0123456789abcdef")
    sent = frame.Frame()
    text = sent.around(wrap_script("grep -q it /etc/x"))
    yield "framed", text
    yield "command", sent.command(SUDO_SHELL) + "\n"
    yield "command_upload", sent.command(SUDO_SHELL, text) + "\n"
    yield (
        "write_file",
        write_file(
            "/etc/it's here/x", b"text\n", mode=0o640, owner="root:app", validate="check -f {}"
        ),
    )
    yield "file_owner", change(File("/etc/x", "text\n"), "app:app 666 regular file\nsame\n")
    yield "directory", change(Directory("/srv/a b", mode=0o750, owner="app:app"), "absent\n")
    yield "symlink", change(Symlink("/srv/current", "releases/a b"), "absent\n")
    yield "account", change(Account("bingo"), "absent\nno group\n")
    yield "account_of_a_group", change(Account("bingo"), "absent\ngroup\n")
    yield "account_of_others", change(Account("bingo"), "bingo:x:9:9::/:/bin/sh\nno group\nusers\n")
    yield "packages", InstallPackages(("haproxy", "socat")).show()
    yield (
        "release_prune",
        change(Release("/srv/app", Path("/nonexistent"), SHA256, "bingo"), "absent\n"),
    )
    shown = "LoadState=loaded\nActiveState={}\nUnitFileState={}\nNeedDaemonReload=yes\n"
    yield (
        "unit_first_start",
        change(Unit("app.service", ready="is-ready"), shown.format("failed", "disabled")),
    )
    yield (
        "unit_reload",
        change(Unit("haproxy.service"), shown.format("active", "enabled") + "pending=reload\n"),
    )
    yield (
        "record_pending",
        record_pending(("restart:postgresql@17-main.service", "reload:haproxy.service")),
    )
    leftover = NoLeftoverUnits("x", (LeftoverUnit("a.service", "/etc/x.d/a b", ("/it's",), "a"),))
    yield "leftover_units", change(leftover, "/etc/x.d/a b\n")
    yield "journal", append_lines('{"event": "begin"}')
    yield "cluster", change(Cluster(17), "data=/var/lib/postgresql/17/main\n")
    yield "include_dir", change(IncludeDir("/etc/postgresql/17/main"), "")
    yield "lock_acquire", lock.acquire_script(run, force=False, instead_of="20260101T000000-dead00")
    yield "lock_take_over", lock.acquire_script(run, force=True, instead_of="")
    yield "lock_renew", lock.renew_script()
    yield "lock_guard", lock.Lock([], run).guard
    yield "lock_probe", lock.PROBE + "\n"
    yield "haproxy_drain", drain_script("node1", "operator anna@desk it's ill")
    yield "haproxy_undrain", undrain_script("node1")
    yield "haproxy_server_address", server_address_script(NODES[2], 17000)
    yield "haproxy_stat", haproxy_stats.stat_script() + "\n"
    yield "releases_probe", releases.releases_probe(site()) + "\n"
    yield "gate_mark_pending", proven_step(site()).mark_pending_script()
    yield (
        "gate_record_proof",
        proven_step(site()).record_proof_script(
            {"proven": "2026-01-02T03:04:05Z", "p90 of reads": "9 ms"}
        ),
    )
    asked = (
        (NODES[2], units.unit_checks),
        (NODES[4], disks.disk_checks),
        (NODES[2], logs.log_checks),
    )
    for node, checks in asked:
        (check,) = checks(site(), node)
        yield f"health_{check.name}", f"{check.probe}\n"
    rules = ApplyRules("/etc/runbook/firewall.nft", "inet runbook_firewall", "rules\n")
    yield "firewall_try", rules.try_script()
    yield "firewall_keep", rules.keep_script()
    yield "trial_open", open_script("runbook-preflight-0", NODES[4].address, [5432, 9187])
    routes = needed_routes(site(), NODES, {"node1": 17000})["edge1"]
    yield "trial_probe", trial_probe(site(), NODES[0], routes, vrrp=True) + "\n"
    fitness = fitness_conditions(SYSTEM, NODES[4], tuple(PHASES), steps("db1"))
    yield "preflight_new_host", only_on_new_host("db1", fitness).probe + "\n"
    yield "preflight_firewall", firewall_condition(site(), NODES[4]).probe + "\n"
    yield "probes", join_probes([step.probe() for step in KINDS], "#~golden")


NOTHING_ABSENT = (
    Block,
    SettingsInEffect,
    Release,
    Unit,
    SqlFile,
    Index,
    LoginRole,
    Seeded,
    NoLeftoverDrain,
    NoLeftoverUnits,
    NoOldModules,
    Http3Possible,
    NoForeignConfig,
    ReleaseProven,
)
"""Steps to which `absent` says nothing."""

KINDS: list[Step] = [
    File("/etc/it's", "text\n"),
    Directory("/srv/a b"),
    Symlink("/srv/current", "x"),
    Account("bingo"),
    Packages(("haproxy", "socat")),
    Release("/srv/app", Path("/nonexistent"), SHA256, "bingo"),
    Unit("postgresql@17-main.service"),
    Cluster(17),
    IncludeDir("/etc/postgresql/17/main"),
    Block("/etc/x.conf", "text\n", 0o640, "root:root", former="#"),
    LoginRole("o'neill", Secret("never-shown"), 9),
    Index("bingo", "CREATE INDEX movies_id ON public.movies USING btree (id)"),
    SqlFile("x", "-- check\nSELECT 'ok';\n-- apply\nSELECT 1;\n", "bingo"),
    Seeded(site(), ("prepare_db",)),
    NoLeftoverDrain(("node1", "node2")),
    NoLeftoverUnits("x", (LeftoverUnit("a.service", "/etc/a b"),)),
    NoOldModules("/opt/x y", ("run.py",)),
    FirewallRules("/etc/runbook/firewall.nft", "inet runbook_firewall", "rules\n"),
    proven_step(site()),
]


AS_THEY_ARE = (f"{TOOLS}/healer/", f"{TOOLS}/watchdog/")
"""Modules of this project that a host gets word for word."""


def files() -> Iterator[tuple[str, str]]:
    """Every file that the deploy writes, by host and path."""
    for node in NODES:
        for step in steps(node.name):
            if isinstance(step, File) and not step.path.startswith(AS_THEY_ARE):
                yield f"hosts/{node.name}{step.path}", step.content
            elif isinstance(step, Block):
                yield f"hosts/{node.name}{step.path}", step.render_file("")


@pytest.fixture(scope="module")
def texts() -> Iterator[dict[str, str]]:
    """All of it, by golden file."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield {f"{name}.sh": text for name, text in scripts(monkeypatch)} | dict(files())


def kept() -> dict[str, str]:
    """What the golden files hold."""
    return {
        str(path.relative_to(GOLDEN)): path.read_text()
        for path in sorted(GOLDEN.rglob("*"))
        if path.is_file()
    }


def test_the_texts_are_the_golden_ones(texts: dict[str, str]) -> None:
    if os.environ.get("GOLDEN") == "write":
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name, text in texts.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(text)
    assert sorted(kept()) == sorted(texts), "GOLDEN=write makes and removes golden files"
    for name, text in kept().items():
        assert texts[name] == text, name


@pytest.fixture(scope="module")
def all_scripts(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The golden scripts, and every probe and write of every step of the sample site, as files."""
    folder = tmp_path_factory.mktemp("scripts")
    found = {name: text for name, text in texts.items() if name.endswith(".sh")}
    for node in NODES:
        for number, step in enumerate(steps(node.name)):
            found[f"{node.name}-{number}-probe.sh"] = step.probe() + "\n"
            if not isinstance(step, NOTHING_ABSENT):
                found[f"{node.name}-{number}-change.sh"] = change(step, "absent\n")
    for name, text in found.items():
        (folder / name).write_text(text)
    return [folder / name for name in found]


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"]], ids=lambda words: words[0])
def test_every_script_is_posix_sh(shell: list[str], all_scripts: list[Path]) -> None:
    for path in all_scripts:
        done = subprocess.run([*shell, "-n", str(path)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), path.read_text()


def test_shellcheck_finds_nothing(
    texts: dict[str, str], all_scripts: list[Path], tmp_path: Path
) -> None:
    """Warnings as well as errors, in POSIX mode; in files with a first line of their own, in
    that shell's."""
    program = str(Path(sys.executable).parent / "shellcheck")
    # SC2148: what sh reads from its standard input has no first line. SC2154: $stage is
    # write_file's.
    done = subprocess.run(
        [program, "-s", "sh", "-S", "warning", "-e", "SC2148", *all_scripts],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    scripted = {Path(name).name: text for name, text in texts.items() if text.startswith("#!")}
    assert scripted.keys() == {
        "app-gate",
        "app-ready",
        "edge-handover",
        "edge-interface",
        "edge-reach",
        "edge-refresher",
        "haproxy-save-state",
    }
    for name, text in scripted.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [program, "-S", "warning", *scripted], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_no_check_of_our_own_hosts_goes_through_a_proxy(all_scripts: list[Path]) -> None:
    """Not by the environment, nor by a .curlrc; units have an environment of their own."""
    asked = [path.read_text() for path in all_scripts] + list(kept().values())
    asked += [
        edge_probe(site()),
        counters.counters_probe(8404),
        curl_command("https://shop.example/ping", "10.0.0.1"),
    ]
    commands = [words for text in asked for words in re.findall(r"\bcurl -(?!V)[^|;]*", text)]
    assert len(commands) > 5
    assert {command[:18] for command in commands} == {"curl -q --noproxy "}


def test_every_file_of_ours_says_whose_it_is(texts: dict[str, str]) -> None:
    unmarked = {
        name
        for name, text in texts.items()
        if name.startswith("hosts/") and "Written by the runbook" not in text
    }
    assert {Path(name).name for name in unmarked} == {
        "config.yaml",
        "facts.json",
    }, "these are not read by people"


def test_the_password_stands_in_one_file_that_not_everybody_may_read() -> None:
    holding = {
        (step.path, oct(step.mode))
        for node in NODES
        for step in steps(node.name)
        if isinstance(step, File) and site().password.reveal() in step.content
    }
    assert holding == {("/opt/bingo/config.yaml", "0o640")}
    for name, text in kept().items():
        assert name.endswith("/config.yaml") or site().password.reveal() not in text, name
