"""A deploy that begins during a host's first boot waits for cloud-init, and says for what."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.rollout import first_boot
from fabfile.rollout.first_boot import (
    PROBE,
    FirstBoot,
    parse_first_boot,
    read_after_first_boot,
)

FINAL = 'status={ "v1": { "stage": "modules-final", "errors": [] } }\n'


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("", None),  # no cloud-init, or it has finished
        ("system=running\n" + FINAL, None),  # it died: nobody would ever write the result
        ("system=degraded\n" + FINAL, None),
        ("system=starting\n" + FINAL, "cloud-init, stage modules-final"),
        (
            "system=starting\ndpkg=runs\napt-get=runs\n" + FINAL,
            "cloud-init, stage modules-final: apt-get installs packages",
        ),
        (
            "system=starting\napt-get=runs\nunattended-upgr=runs\nstatus=\n",
            "cloud-init: unattended-upgrades installs packages",
        ),
        ('system=initializing\nstatus={"v1": {"stage": null}}\n', "cloud-init"),
        ("system=starting\nstatus=cat: no such file\n", "cloud-init"),
    ],
)
def test_what_a_host_says_of_its_first_boot(out: str, expected: str | None) -> None:
    boot = parse_first_boot(Reading(out, 0))
    assert (boot and boot.describe()) == expected


def test_the_probe_is_silent_where_there_is_no_cloud_init() -> None:
    done = subprocess.run(["sh", "-c", PROBE], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


class BootingHost:
    """A link to a host that answers the probe of the first boot with each of `boots` in turn."""

    name = "db1"

    def __init__(self, boots: Sequence[str]) -> None:
        self._boots: Iterator[str] = iter(boots)
        self.asked: list[int] = []

    def read(self, probes: Sequence[str]) -> list[Reading]:
        self.asked.append(len(probes))
        first = [Reading(next(self._boots), 0)] if probes[0] == PROBE else []
        return first + [Reading(f"read {len(self.asked)}", 0)] * (len(probes) - len(first))


BUSY = "system=starting\napt-get=runs\n" + FINAL


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_boot, "POLL_SECONDS", 0)


def test_a_host_that_is_ready_is_read_once() -> None:
    host, said = BootingHost([""]), list[str]()
    assert read_after_first_boot(host, ["a", "b"], said.append) == [Reading("read 1", 0)] * 2  # type: ignore[arg-type]
    assert (host.asked, said) == ([3], [])


def test_a_booting_host_is_read_again_when_it_has_finished() -> None:
    host, said = BootingHost([BUSY, BUSY, "system=starting\n" + FINAL, ""]), list[str]()
    assert read_after_first_boot(host, ["a"], said.append) == [Reading("read 5", 0)]  # type: ignore[arg-type]
    assert said == [
        "db1: first boot, waiting for cloud-init, stage modules-final: apt-get installs packages",
        "db1: first boot, waiting for cloud-init, stage modules-final",
        "db1: first boot finished, waited 0 s",
    ]


def test_without_anybody_to_tell_it_does_not_wait() -> None:
    host = BootingHost([BUSY])
    assert read_after_first_boot(host, ["a"], None) == [Reading("read 1", 0)]  # type: ignore[arg-type]


def test_a_first_boot_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_boot, "FIRST_BOOT_SECONDS", 0)
    with pytest.raises(RunbookError) as caught:
        read_after_first_boot(BootingHost([BUSY]), ["a"], print)  # type: ignore[arg-type]
    assert "db1 is still in its first boot after 0 s" in caught.value.problem
    assert "apt-get installs packages" in caught.value.problem
    assert caught.value.next.startswith("on db1: cloud-init status --long")
    assert FirstBoot("", "").describe() == "cloud-init"
