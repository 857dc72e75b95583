"""What is said of systemd units: since when they are off, masks, starts that take long,
failures, and the order of it."""

from __future__ import annotations

import pytest
from samples import NODES, site

from fabfile.engine.problem import Problem
from fabfile.engine.shell import Reading
from fabfile.health import units

NOW = 1_795_883_306  # 2026-11-28 16:28:26 UTC
APP, HEALER, TIMER = needed = units.needed_units(site(), NODES[2])
ROTATION = "runbook-logrotate.service"


def block(name: str, active: str = "active", **more: str | int) -> str:
    """A unit as `systemctl show` prints it; like a real one it has every stamp."""
    seen: dict[str, str | int] = {
        "Result": "success",
        "NRestarts": 0,
        "ExecMainStatus": 0,
        "StatusText": "",
        "Id": name,
        "LoadState": "loaded",
        "ActiveState": active,
        "SubState": "running",
        "UnitFileState": "enabled",
        "StateChangeTimestamp": f"@{NOW - 30}",
        "ActiveEnterTimestamp": f"@{NOW - 7200}",
        "InactiveEnterTimestamp": f"@{NOW - 240}",
        **more,
    }
    return "".join(f"{key}={value}\n" for key, value in seen.items())


def host(*blocks: str) -> str:
    """An app node's answer: its units, all well but for those in `blocks`."""
    given = {line for text in blocks for line in text.splitlines() if line.startswith("Id=")}
    well = [block(name) for name in needed if f"Id={name}" not in given]
    return "\n".join([*well, *blocks, f"Now={NOW}\n"])


def judged(*blocks: str) -> list[Problem]:
    incidents = units.unit_incidents(site())
    return units.judge_units("node1", needed, Reading(host(*blocks), 0), incidents=incidents)


def test_units_that_run_are_no_problem() -> None:
    assert judged() == []
    assert judged(block(APP, "reloading")) == []
    assert judged(block(ROTATION, "inactive", UnitFileState="static")) == [], "a oneshot at rest"


def test_a_stopped_unit_says_since_when_it_is_off_not_when_it_had_started() -> None:
    (stopped,) = judged(block(HEALER, "inactive"))
    assert stopped == Problem(
        "runbook-healer.service is inactive since 16:24:26 UTC (4 min ago): nothing restarts an app"
        " that hangs",
        "fab -H node1 deploy",
        down=True,
        cause=False,
        incident="healer-off",
        unit=HEALER,
    )


@pytest.mark.parametrize(
    ("seen", "message", "next"),
    [
        (
            block(APP, "failed", Result="exit-code", ExecMainStatus=2)
            + f"\nId={APP}\nWords=panic: no licence = no\n",
            (
                "bingo.service has failed (exit-code 2) since 16:27:56 UTC (30 s ago): panic: no"
                " licence = no"
            ),
            "on node1: journalctl -u bingo.service -n 20",
        ),
        (
            block(
                APP,
                "activating",
                SubState="auto-restart",
                NRestarts=812,
                Result="oom-kill",
                ExecMainStatus=9,
            ),
            "bingo.service is activating (oom-kill 9) since 16:27:56 UTC (30 s ago), 812 restarts",
            "on node1: journalctl -u bingo.service -n 20",
        ),
        (
            block(APP, "activating", StateChangeTimestamp=f"@{NOW - 61}"),
            "bingo.service is activating since 16:27:25 UTC (1 min ago)",
            "on node1: journalctl -u bingo.service -n 20",
        ),
        (
            block(APP, "activating"),
            "bingo.service is starting since 16:27:56 UTC (30 s ago)",
            "fab status   (again in a minute)",
        ),
        (
            block(APP, "inactive", InactiveEnterTimestamp=""),
            "bingo.service is inactive since the host booted",
            "fab -H node1 deploy",
        ),
        (
            block(APP, "inactive", InactiveEnterTimestamp=f"@{NOW - 200_000}"),
            "bingo.service is inactive since 2026-11-26 08:55 UTC (2 d ago)",
            "fab -H node1 deploy",
        ),
        (
            block(APP, "inactive", LoadState="not-found"),
            "bingo.service: it is not installed",
            "fab -H node1 plan",
        ),
        (
            block(APP) + f"\nId={APP}\nMasked=/run\n",
            (
                "bingo.service is masked in /run: it cannot start; it still runs, but"
                " will not start again"
            ),
            "on node1: systemctl unmask --runtime bingo.service; then fab -H node1 deploy",
        ),
        (
            block(APP, "inactive", LoadState="masked"),
            (
                "bingo.service is masked in /etc: it cannot start; inactive since"
                " 16:24:26 UTC (4 min ago)"
            ),
            "on node1: systemctl unmask bingo.service; then fab -H node1 deploy",
        ),
        (
            block(APP, UnitFileState="disabled"),
            "bingo.service runs, but does not start at boot",
            "fab -H node1 deploy",
        ),
    ],
)
def test_what_is_wrong_with_a_unit(seen: str, message: str, next: str) -> None:
    (problem,) = judged(seen)
    assert (problem.message, problem.next) == (message, next)


def test_any_other_failed_unit_of_the_runbook_is_told_with_its_own_words() -> None:
    failed = block(ROTATION, "failed", Result="exit-code", ExecMainStatus=3)
    (problem,) = judged(failed + f"\nId={ROTATION}\nWords=error: state file is a directory\n")
    assert (
        problem.message
        == "runbook-logrotate.service has failed (exit-code 3) since 16:27:56 UTC (30 s ago): "
        "the app's log is not rotated: state file is a directory"
    )
    assert not problem.down, "users do not feel it"
    assert judged(block("runbook-drill-undo.timer", "failed"))


def test_what_users_do_not_feel_is_a_warning() -> None:
    assert [problem.down for problem in judged(block(TIMER, "inactive"))] == [False]
    assert [
        problem.down
        for problem in judged(block(TIMER, "inactive") + f"\nId={TIMER}\nMasked=/run\n")
    ] == [False]
    assert [problem.down for problem in judged(block(APP, UnitFileState="disabled"))] == [False]


def test_a_host_that_says_nothing_of_its_units_is_not_well() -> None:
    silent = units.judge_units(
        "node1", needed, Reading("Failed to connect to bus: No such file or directory\n", 1)
    )
    assert [problem.message for problem in silent] == [
        f"{name}: systemd does not report its state" for name in needed
    ]
    assert all(problem.down for problem in silent)


def test_every_role_has_its_units() -> None:
    edge = {"haproxy.service", "nginx.service", "runbook-refresher.service", "keepalived.service"}
    assert edge <= set(units.needed_units(site(), NODES[0]))
    assert needed == ["bingo.service", "runbook-healer.service", "runbook-logrotate.timer"]
    assert units.needed_units(site(), NODES[4]) == ["postgresql@17-main.service"]


def test_only_a_unit_that_is_down_is_an_incident() -> None:
    def incidents(*blocks: str) -> list[tuple[str, str]]:
        return [(problem.unit, problem.incident) for problem in judged(*blocks)]

    assert incidents(block(APP, "failed")) == [(APP, "app-down")]
    assert incidents(block(APP, "activating")) == [(APP, "")], "it may succeed"
    assert incidents(block(APP, UnitFileState="disabled")) == [(APP, "")], "it runs"
