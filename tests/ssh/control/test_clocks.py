"""A host's clock, read through a real ssh connection."""

from __future__ import annotations

import pytest

from fabfile.control import clocks
from fabfile.control.clocks import measure_clock
from fabfile.engine.link import Link
from fabfile.engine.shell import q


def test_a_clock_that_is_ours_is_right(link: Link) -> None:
    """The host is a namespace of this machine."""
    clock = measure_clock(link)
    assert abs(clock.ahead) <= clock.slack
    assert clock.slack < 1


@pytest.mark.parametrize("seconds", [30, -30])
def test_a_clock_that_is_wrong_is_found_out(
    link: Link, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.setattr(clocks, "NOW_PROBE", f"date -d '{seconds:+d} seconds' +%s.%N")
    clock = measure_clock(link)
    assert abs(clock.ahead - seconds) <= clock.slack


@pytest.mark.parametrize(
    ("container", "active", "keeper"),
    [
        ("none", "chrony", "chrony"),
        ("none", "systemd-timesyncd", "systemd-timesyncd"),
        ("none", "cron", ""),
        ("lxc", "chrony", "the machine it runs on (lxc)"),
    ],
)
def test_who_keeps_it_right(
    link: Link, monkeypatch: pytest.MonkeyPatch, container: str, active: str, keeper: str
) -> None:
    tools = {
        "systemd-detect-virt": f"echo {container}; [ {container} != none ]",
        "systemctl": f'[ "$*" = "-q is-active {active}" ]',
    }
    link.run("mkdir -p /tmp/tools")
    for name, body in tools.items():
        link.run(
            f"printf '#!/bin/sh\\n%s\\n' {q(body)} >/tmp/tools/{name}; chmod 755 /tmp/tools/{name}"
        )
    monkeypatch.setattr(clocks, "KEEPER_PROBE", f"PATH=/tmp/tools:$PATH\n{clocks.KEEPER_PROBE}")
    assert measure_clock(link).keeper == keeper
