"""What a systemd unit's step decides of what was read, and what earlier steps make pending."""

from __future__ import annotations

import pytest
from steptools import script

from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.engine.step import PENDING, record_pending
from fabfile.steps.unit import Unit

UNIT = Unit("app.service", ready="is-ready")


def shown(
    active: str = "active",
    enabled: str = "enabled",
    reload: str = "no",
    load: str = "loaded",
    *pending: str,
) -> str:
    lines = [
        f"LoadState={load}",
        f"ActiveState={active}",
        f"UnitFileState={enabled}",
        f"NeedDaemonReload={reload}",
    ]
    return "\n".join([*lines, *(f"pending={action}" for action in pending)]) + "\n"


@pytest.mark.parametrize(
    ("out", "said", "commands"),
    [
        (shown(), None, []),
        (shown("reloading"), None, []),
        (shown(enabled="static"), None, []),
        (shown(enabled="enabled-runtime"), None, []),
        (
            shown("inactive", "disabled"),
            "enable and start app.service",
            ["enable -q", "restart", "ready"],
        ),
        (shown("inactive"), "start app.service", ["restart", "ready"]),
        (shown("failed"), "start app.service", ["reset-failed", "restart", "ready"]),
        (shown("activating"), "start app.service", ["restart", "ready"]),
        (
            shown("inactive", "", load="not-found"),
            "enable and start app.service",
            ["daemon-reload", "enable -q", "restart", "ready"],
        ),
        (shown(enabled="disabled"), "enable app.service", ["enable -q"]),
        (shown(reload="yes"), "reload the unit file of app.service", ["daemon-reload"]),
        (
            shown("active", "enabled", "no", "loaded", "restart"),
            "restart app.service",
            ["daemon-reload", "restart", "ready"],
        ),
        (
            shown("active", "enabled", "no", "loaded", "reload"),
            "reload app.service",
            ["reload", "ready"],
        ),
        (
            shown("active", "enabled", "no", "loaded", "restart", "reload"),
            "restart app.service",
            ["daemon-reload", "restart", "ready"],
        ),
        (
            shown("active", "enabled", "yes", "loaded", "restart"),
            "restart app.service",
            ["daemon-reload", "restart", "ready"],
        ),
        (
            shown("inactive", "enabled", "no", "loaded", "reload"),
            "start app.service",
            ["restart", "ready"],
        ),
    ],
)
def test_unit(out: str, said: str | None, commands: list[str]) -> None:
    change = UNIT.decide(Reading(out, 0))
    assert (change.sentence if change else None) == said
    if change:
        lines = script(change).splitlines()
        assert lines[0] == "set -e"
        assert lines[-1] == f"rm -f {PENDING}/app.service.restart {PENDING}/app.service.reload", (
            "forgotten last"
        )
        doing = [
            line.split(" ||")[0]
            for line in lines
            if line.startswith(("systemctl", "output=$(is-ready"))
        ]
        words = [
            line.replace("output=$(is-ready 2>&1)", "systemctl ready app.service") for line in doing
        ]
        expected = [
            f"systemctl {verb}" + (" app.service" if verb != "daemon-reload" else "")
            for verb in commands
        ]
        assert words == expected


def test_a_unit_that_somebody_masked_is_left_to_a_person() -> None:
    with pytest.raises(RunbookError, match=r"app\.service is masked"):
        UNIT.decide(Reading(shown("inactive", "masked", load="masked"), 0))


def test_a_mask_in_run_counts_also_for_a_unit_of_ours_which_systemd_calls_loaded() -> None:
    with pytest.raises(RunbookError, match=r"app\.service is masked in /run") as caught:
        UNIT.decide(Reading(shown() + "masked=/run/systemd/system\n", 0))
    assert caught.value.next == "on the host: systemctl unmask --runtime app.service; then again"


def test_a_unit_predicts_what_earlier_steps_make_pending() -> None:
    right = Reading(shown(), 0)
    assert UNIT.decide(UNIT.predict(right, [])) is None
    assert UNIT.decide(UNIT.predict(right, ["restart:other.service"])) is None
    foreseen = UNIT.decide(UNIT.predict(right, ["restart:other.service", "reload:app.service"]))
    assert foreseen is not None
    assert foreseen.sentence == "reload app.service"


def test_what_is_pending_is_recorded_in_a_file_each() -> None:
    assert record_pending([]) == ""
    text = record_pending(["restart:postgresql@17-main.service", "reload:x y.service"])
    assert (
        text
        == f"mkdir -p {PENDING} && touch {PENDING}/postgresql@17-main.service.restart '{PENDING}/x"
        " y.service.reload'\n"
    )
