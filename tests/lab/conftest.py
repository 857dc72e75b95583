"""Lab number 7 (or TEST_LAB), up for the whole test session: a developer's own lab 0 is not touched.

KEEP_LAB=1 leaves it standing afterwards, and uses one that stands. Where no lab can exist its tests are skipped, loudly;
with CI=true they fail.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import deployed, healed, variant  # noqa: F401 - fixtures for all
from labtools import Outcome, Runner, Ssh, run, to

from lab import hosts, sysctls
from lab.errors import LabError
from lab.names import Lab

NUMBER = int(os.environ.get("TEST_LAB", "7"))
SCALE = 0.1  # of the stand-in's row counts: enough for a missing index to hurt, seeded in seconds
KEEP = os.environ.get("KEEP_LAB") == "1"

_skipped: list[str] = []


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The session's lab, all hosts up, the stand-in dying only when told to."""
    before = os.environ.get("LAB")
    os.environ["LAB"] = str(NUMBER)
    settings = {name: sysctls.read(name) for name in sysctls.WANTED}
    others = _other_bridges()
    try:
        hosts.check()
    except LabError as error:
        _no_lab(error)
    if not (KEEP and Lab(NUMBER).site.exists()):
        hosts.down()
        hosts.up(deaths="off", scale=SCALE)
    _hurry(Lab(NUMBER).site)
    yield Lab(NUMBER)
    if not KEEP:
        hosts.down()
        if not others and not _other_bridges():
            assert {name: sysctls.read(name) for name in sysctls.WANTED} == settings
    os.environ.pop("LAB")
    os.environ.update({"LAB": before} if before else {})


def _hurry(site: Path) -> None:
    """A gate of three seconds instead of nine: dozens of restarts go through it."""
    if "[gate]" not in site.read_text():
        with site.open("a") as file:
            file.write("\n[gate]\nseconds = 2\nrate = 40\nwatch_seconds = 1\n")


def _no_lab(error: LabError) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"No lab can be made here, and CI must have one.\n{error}")
    _skipped.append(error.seen)
    pytest.skip(f"no lab can be made here: {error.seen}")


def _other_bridges() -> list[str]:
    return [name for name in os.listdir("/sys/class/net") if name.startswith("rblab") and name != Lab(NUMBER).bridge]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped:
        terminalreporter.section("LAB TESTS SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.line(f"Nothing was shown on real hosts: {_skipped[0]}", red=True)


@pytest.fixture(scope="session")
def run_fab(lab: Lab) -> Runner:
    return _runner("fab")


@pytest.fixture(scope="session")
def run_inv(lab: Lab) -> Runner:
    return _runner("inv")


def _runner(program: str) -> Runner:
    def call(*args: str, timeout: float = 600, env: dict[str, str] | None = None) -> Outcome:
        return run([str(Path(sys.executable).with_name(program)), *args], timeout, env)

    return call


@pytest.fixture(scope="session")
def ssh(lab: Lab) -> Ssh:
    return to(lab)
