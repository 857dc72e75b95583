"""Lab number 7 (or TEST_LAB), up for the whole test session: a developer's own lab 0 is not
touched. Where tests run side by side (pytest -n 3) each worker has a lab of its own, three numbers
on.

KEEP_LAB=1 leaves it standing afterwards, and uses one that stands. Where no lab can exist its tests
are skipped, loudly; with CI=true they fail. A test that fails is tried once more, and if it holds
then, the end of the run says so in red, with the failure.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from certtools import bundle, certs, site_address, users  # noqa: F401 - fixtures for all
from deployed import Convergence, deployed, healed, variant  # noqa: F401 - fixtures for all
from edgetools import unhealed_edge  # noqa: F401 - a fixture for all
from floating import floating  # noqa: F401 - a fixture for all
from labtools import Outcome, Runner, Ssh, run, to
from roughlab import own, spare  # noqa: F401 - fixtures for all

from lab import hosts, sysctls
from lab.errors import LabError
from lab.names import Lab

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
NUMBER = int(os.environ.get("TEST_LAB", "7")) + 3 * WORKER  # some tests need the next two as well
SCALE = 0.1  # of the stand-in's row counts: enough for a missing index to hurt, seeded in seconds
KEEP = os.environ.get("KEEP_LAB") == "1"
HERE = Path(__file__).parent

NO_LAB = "no lab can be made here: "

LONGEST = (
    "service/test_miniflux.py",
    "deploy/test_crash.py",
    "monitoring/test_monitoring.py",
    "database/test_database_faults.py",
    "certs/test_certs.py",
    "deploy/test_gate.py",
    "machine/test_lab_cloud.py",
    "service/test_own_program.py",
    "acceptance/test_edge_host_rows.py",
    "acceptance/test_acceptance_sees_faults.py",
    "bad_input/test_firewalls.py",
    "machine/test_lab_debian12.py",
    "bad_input/test_odd_hosts.py",
    "bad_input/test_managed_firewall.py",
)
"""Files that take minutes. They begin first, so that no worker is alone with one at the end."""


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The session's lab, all hosts up, the stand-in dying only when told to."""
    before = os.environ.get("LAB")
    os.environ["LAB"] = str(NUMBER)
    settings = {name: sysctls.read_setting(name) for name in sysctls.WANTED}
    others = _other_bridges()
    try:
        hosts.check_machine()
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
            assert {name: sysctls.read_setting(name) for name in sysctls.WANTED} == settings
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
    pytest.skip(f"{NO_LAB}{error.problem}")


def _other_bridges() -> list[str]:
    return [
        name
        for name in os.listdir("/sys/class/net")
        if name.startswith("rblab") and name != Lab(NUMBER).bridge
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {HERE / file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Any other test may change the lab."""
    if "healed" not in getattr(item, "fixturenames", ()):
        Convergence.known = False


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if unsteady := terminalreporter.stats.get("rerun", []):
        terminalreporter.section("TRIED TWICE", sep="!", red=True, bold=True)
        for report in unsteady:
            terminalreporter.line(
                f"{report.nodeid} failed at its first try:\n{report.longreprtext}", red=True
            )
    skipped = [
        why
        for report in terminalreporter.stats.get("skipped", [])
        if NO_LAB in (why := report.longreprtext)
    ]
    if skipped:
        terminalreporter.section("LAB TESTS SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"Nothing was shown on real hosts: {skipped[0].partition(NO_LAB)[2]}", red=True
        )


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
