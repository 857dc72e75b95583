"""What a plan foresees from one reading, and what a report makes of outcomes: states, totals,
exit codes."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from fabfile.console.json_file import write_json
from fabfile.console.rollup import HostReport, Report, show_outcome, show_report
from fabfile.engine.command import Shell, Sql
from fabfile.engine.converge import Outcome, State, predict_outcomes
from fabfile.engine.errors import Locked, RunbookError, Unreachable
from fabfile.engine.secret import Secret
from fabfile.engine.shell import Reading
from fabfile.engine.step import Change, Step
from fabfile.steps.unit import Unit


@dataclass(frozen=True)
class Word(Step):
    """Right when the reading is its word; `never` cannot be made right."""

    word: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"word {self.word}"

    def probe(self) -> str:
        return f"cat /tmp/{self.word}"

    def decide(self, seen: Reading) -> Change | None:
        if self.word == "never":
            raise RunbookError("it cannot be", "a person must act", "act")
        return None if seen.out == self.word else Change(f"say {self.word}", (), "+diff")


RUNNING = Reading(
    "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n", 0
)


def states(steps: list[Step], *readings: Reading) -> list[State]:
    return [outcome.state for outcome in predict_outcomes(steps, readings)]


def test_foresee_says_what_would_change() -> None:
    outcomes = predict_outcomes([Word("a"), Word("b")], [Reading("a", 0), Reading("?", 0)])
    assert outcomes == [
        Outcome("word a", State.RIGHT),
        Outcome("word b", State.WOULD, "say b", "+diff"),
    ]


def test_a_restart_is_foreseen_from_what_earlier_steps_would_change() -> None:
    unit = Unit("app.service")
    notifying = Word("a", notify=("restart:app.service",))
    assert states([notifying, unit], Reading("a", 0), RUNNING) == [State.RIGHT, State.RIGHT]
    assert states([notifying, unit], Reading("", 0), RUNNING) == [State.WOULD, State.WOULD]
    assert (
        predict_outcomes([notifying, unit], [Reading("", 0), RUNNING])[1].sentence
        == "restart app.service"
    )
    assert states(
        [Word("a", notify=("restart:other.service",)), unit], Reading("", 0), RUNNING
    ) == [
        State.WOULD,
        State.RIGHT,
    ]
    assert states([unit, notifying], RUNNING, Reading("", 0)) == [
        State.RIGHT,
        State.WOULD,
    ], "a step notifies only the units after it"


def test_what_only_a_person_can_mend_is_a_failure_of_its_own() -> None:
    outcomes = predict_outcomes([Word("never"), Word("a")], [Reading("", 0), Reading("", 0)])
    assert [outcome.state for outcome in outcomes] == [State.FAILED, State.WOULD]
    assert (outcomes[0].sentence, outcomes[0].error and outcomes[0].error.next) == (
        "it cannot be",
        "act",
    )


def test_a_reading_for_every_step() -> None:
    with pytest.raises(ValueError, match="shorter"):
        predict_outcomes([Word("a"), Word("b")], [Reading("a", 0)])


# -- reports

RIGHT, WOULD = Outcome("r", State.RIGHT), Outcome("w", State.WOULD, "do it")
CHANGED, SKIPPED = (
    Outcome("c", State.CHANGED, "did it"),
    Outcome("s", State.SKIPPED, "because f failed"),
)
FAILED = Outcome("f", State.FAILED, "tried it", error=RunbookError("it broke", "so what", "fix it"))
GONE, LOCKED = Unreachable("no answer", "", ""), Locked("held", "", "")


def report(*hosts: HostReport, task: str = "deploy") -> Report:
    return Report(task, list(hosts), seconds=1.234, sessions=len(hosts))


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        ([], 0),
        ([[RIGHT, RIGHT]], 0),
        ([[RIGHT, CHANGED]], 0),
        ([[RIGHT], [RIGHT, WOULD]], 2),
        ([[FAILED, SKIPPED], [CHANGED]], 1),
        ([[WOULD], [FAILED]], 1),
        ([[RIGHT], GONE], 4),
        ([[FAILED], GONE], 4),
        ([[WOULD], LOCKED], 3),
        ([RunbookError("no sudo"), [WOULD]], 1),
        ([[Outcome("x", State.FAILED)]], 1),
    ],
)
def test_exit_codes(hosts: list[list[Outcome] | RunbookError], code: int) -> None:
    reports = [
        (
            HostReport(f"h{number}", error=host)
            if isinstance(host, RunbookError)
            else HostReport(f"h{number}", host)
        )
        for number, host in enumerate(hosts)
    ]
    assert report(*reports).exit_code == code
    assert report(*reports).as_json()["exit"] == code


def printed(made: Report, *, said: bool = False) -> list[str]:
    out = Console(file=io.StringIO(), width=120, highlight=False)
    show_report(out, made, steps_shown=said)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def test_only_what_is_not_right_is_listed_and_the_last_line_has_the_totals() -> None:
    lines = printed(
        report(HostReport("one", [RIGHT, WOULD]), HostReport("two", error=GONE), task="plan")
    )
    assert lines[0].split() == ["one", "would", "do", "it"]
    assert not any(line.split()[-1:] == ["r"] for line in lines)
    assert any(line.startswith("two") and line.endswith("unreachable") for line in lines)
    assert "✗ no answer" in lines
    assert lines[-1] == "plan: 2 hosts · 1 right · 1 to change · 1.23 s · 2 ssh sessions"


def test_a_failure_is_told_in_three_parts_once() -> None:
    lines = printed(report(HostReport("one", [FAILED, SKIPPED]), HostReport("two", [FAILED])))
    assert lines.count("✗ it broke") == 1
    assert "  why  so what" in lines
    assert "  next fix it" in lines
    assert (
        lines[-1]
        == "deploy: 2 hosts · 0 right · 0 changed · 2 failed · 1 skipped · 1.23 s · 2 ssh sessions"
    )


def test_what_was_said_while_it_happened_is_not_said_again() -> None:
    made = report(HostReport("one", [CHANGED]))
    assert "did it" in " ".join(printed(made))
    assert "did it" not in " ".join(printed(made, said=True))
    assert (
        printed(made, said=True)[-1]
        == "deploy: 1 host · 0 right · 1 changed · 1.23 s · 1 ssh sessions"
    )


def test_long_diffs_are_cut_and_text_is_no_markup() -> None:
    out = Console(file=io.StringIO(), width=120)
    diff = "\n".join(f"+line {number} [bold]" for number in range(50))
    show_outcome(
        out,
        "one",
        Outcome("x", State.CHANGED, "set [red]x[/red]", diff, seconds=2.0),
        max_diff_lines=3,
    )
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "set [red]x[/red]  2.0 s" in text
    assert "+line 2 [bold]" in text
    assert "+line 3" not in text
    assert "47 more lines" in text


def test_a_plan_shows_commands_when_asked() -> None:
    """Each whole and indented, below its change; secrets masked, a file's content left out."""
    Secret("command-secret")
    commands = (
        Shell("set -eu\nbase64 -d >/etc/x <<'BASE64'\nc2VjcmV0\nBASE64\necho command-secret\n"),
        Sql("app", ("SELECT 1", "SELECT 'command-secret'")),
    )
    made = report(HostReport("one", [replace(WOULD, commands=commands)]), task="plan")
    assert "set -eu" not in " ".join(printed(made))
    assert "commands" not in made.as_json()["hosts"][0]["steps"][0]
    made.commands = True
    first = [
        "    $ set -eu",
        "      base64 -d >/etc/x <<'BASE64'",
        "      …",
        "      BASE64",
        "      echo ••••••",
    ]
    second = ["    $ SELECT 1;", "      SELECT '••••••';"]
    assert printed(made)[1 : 1 + len(first) + len(second)] == first + second
    shown = made.as_json()["hosts"][0]["steps"][0]["commands"]
    assert shown == ["\n".join(line[6:] for line in lines) for lines in (first, second)]


def test_json_for_machines_carries_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Secret("machine-secret")
    made = report(
        HostReport("one", [Outcome("x", State.CHANGED, "set machine-secret", "+machine-secret")])
    )
    write_json(made.as_json(), str(tmp_path / "report.json"))
    text = (tmp_path / "report.json").read_text()
    assert "machine-secret" not in text
    data = json.loads(text)
    assert (data["totals"]["changed"], data["hosts"][0]["steps"][0]["state"]) == (1, "changed")
    write_json(data, "-")
    assert json.loads(capsys.readouterr().out) == data
    write_json(data, None)
    assert capsys.readouterr().out == ""


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunbookError, match="cannot be written: No such file or directory"):
        write_json({}, str(tmp_path / "absent/report.json"))
