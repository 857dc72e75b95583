"""Show the result of a deploy or a plan: the steps that differ, a table of hosts, the totals."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..engine.converge import Outcome, State
from ..engine.errors import DIFFERS, FAILED, LOCKED, OK, ROLLED_BACK, UNREACHABLE, RunbookError
from ..engine.messages import plural
from ..engine.problem import Problem
from ..engine.secret import mask_secrets
from ..engine.terminal import drop_losses, print_error, print_wrapped

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {
    State.RIGHT: "green",
    State.WOULD: "yellow",
    State.CHANGED: "yellow",
    State.FAILED: "bold red",
    State.SKIPPED: "dim",
}

_END = {LOCKED: "locked", UNREACHABLE: "unreachable", ROLLED_BACK: "rolled back"}
"""The remark on a host that failed with one of these exit codes."""


@dataclass
class HostReport:
    """The result of one host: the outcomes of its steps, or the error that prevented them."""

    host: str
    outcomes: list[Outcome] = field(default_factory=list)
    error: RunbookError | None = None
    left_out: str = ""
    """Why no step was started on this host; "" if steps were started."""

    def count(self, state: State) -> int:
        """The number of steps that ended in `state`."""
        return sum(outcome.state is state for outcome in self.outcomes)

    @property
    def errors(self) -> list[RunbookError]:
        """The error of the whole host if there is one, else the errors of its steps."""
        if self.error:
            return [self.error]
        return [outcome.error for outcome in self.outcomes if outcome.error]

    @property
    def first_error(self) -> RunbookError | None:
        """The first of `errors`; None if there is none."""
        return next(iter(self.errors), None)


@dataclass
class Report:
    """The result of a whole task."""

    task: str
    hosts: list[HostReport]
    seconds: float
    sessions: int
    """Channels opened on all hosts."""
    at_end: list[RunbookError] = field(default_factory=list)
    """Problems of the service after the last step."""
    commands: bool = False
    """Whether to show the commands of each planned change."""

    def total(self, state: State) -> int:
        """The number of steps of all hosts that ended in `state`."""
        return sum(host.count(state) for host in self.hosts)

    @property
    def exit_code(self) -> int:
        """The exit code of the task.

        The highest code of the failed hosts (4 unreachable, 5 rolled back); 1 if a step failed or
        the service has a problem at the end; 2 if a plan found differences; else 0.
        """
        codes = [host.first_error.code for host in self.hosts if host.first_error]
        if codes:
            return max(codes)
        if self.total(State.FAILED) or self.at_end:
            return FAILED
        return DIFFERS if self.total(State.WOULD) else OK

    def as_json(self) -> dict[str, Any]:
        """The report as data for JSON, without secrets."""
        return {
            "task": self.task,
            "exit": self.exit_code,
            "seconds": round(self.seconds, 3),
            "sessions": self.sessions,
            "totals": {state.value: self.total(state) for state in State},
            "at_end": [_parts(error) for error in self.at_end],
            "hosts": [
                {
                    "host": host.host,
                    "left_out": host.left_out,
                    "error": host.error and _parts(host.error),
                    "steps": [
                        {
                            "step": o.step,
                            "state": o.state.value,
                            "message": o.sentence,
                            "diff": o.diff,
                            **({"commands": _shown_commands(o)} if self.commands else {}),
                            "seconds": o.seconds,
                        }
                        for o in host.outcomes
                    ],
                }
                for host in self.hosts
            ],
        }


def _shown_commands(outcome: Outcome) -> list[str]:
    return [mask_secrets(command.show()).strip() for command in outcome.commands]


def _parts(error: RunbookError) -> dict[str, str]:
    return {"problem": error.problem, "why": error.why, "next": error.next}


def open_console(json_path: str | None = None) -> Console:
    """The console for people: stdout, or stderr if stdout gets the JSON (`--json -`)."""
    from rich.console import Console

    stream = sys.stderr if json_path == "-" else sys.stdout
    # A drill may run another task, whose output is captured by replacing sys.stdout. This console
    # keeps its stream.
    return Console(file=drop_losses(stream), highlight=False, soft_wrap=not sys.stdout.isatty())


def show_outcome(out: Console, host: str, outcome: Outcome, *, max_diff_lines: int = 1000) -> None:
    """Print one line for a step, and at most `max_diff_lines` lines of its diff."""
    from rich.text import Text

    # The sentence goes on: "edge1 would reload haproxy.service".
    word = "would " if outcome.state is State.WOULD else f"{outcome.state.value:<13}"
    mark = Text(f"{host:<8} ", "bold") + Text(word, STYLE[outcome.state])
    line = Text(mask_secrets(outcome.sentence or outcome.step))
    if outcome.seconds >= 0.1:
        line += Text(f"  {outcome.seconds:.1f} s", "dim")
    print_wrapped(out, mark, line)
    lines = outcome.diff.splitlines()
    for text in lines[:max_diff_lines]:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(text[:1], "dim")
        out.print(Text(f"           {mask_secrets(text)}", style))
    if len(lines) > max_diff_lines:
        out.print(
            Text(
                f"           … {len(lines) - max_diff_lines} more lines (all: fab plan, and"
                " report.json of the run)",
                "dim",
            )
        )


def show_commands(out: Console, outcome: Outcome) -> None:
    """Print the commands of a planned change, each with a leading `$`.

    Long lines are not wrapped, so that a command can be copied.
    """
    from rich.text import Text

    for text in _shown_commands(outcome):
        for number, line in enumerate(text.splitlines()):
            out.print(Text(f"    {'  ' if number else '$ '}{line}", "dim"), soft_wrap=True)


def show_report(out: Console, report: Report, *, steps_shown: bool) -> None:
    """Print the whole report.

    `steps_shown`: the steps were already printed while they ran, so leave them out.
    """
    from rich.table import Table

    for host in report.hosts:
        for outcome in host.outcomes:
            if not steps_shown and outcome.state is not State.RIGHT:
                show_outcome(out, host.host, outcome)
                if report.commands:
                    show_commands(out, outcome)
    table = Table(box=None, header_style="dim", pad_edge=False)
    states = [
        state for state in State if state in (State.RIGHT, State.FAILED) or report.total(state)
    ]
    for title in ("host", *(state.value for state in states), ""):
        table.add_column(title, justify="left" if title in ("host", "") else "right")
    for host in report.hosts:
        cells = [
            f"[{STYLE[state]}]{host.count(state)}[/]" if host.count(state) else "·"
            for state in states
        ]
        table.add_row(host.host, *cells, _host_remark(host))
    out.print(table)
    errors = [error for host in report.hosts for error in host.errors]
    for error in _distinct_errors([*errors, *report.at_end]):
        print_error(error, out)
    out.print(_totals_line(report))


def _host_remark(host: HostReport) -> str:
    if host.error:
        return f"[bold red]{_END.get(host.error.code, 'failed')}[/]"
    return f"[dim]{host.left_out}[/]"


def _totals_line(report: Report) -> str:
    counts = Counter({state: report.total(state) for state in State})
    parts = [
        plural(len(report.hosts), "host"),
        f"{counts[State.RIGHT]} right",
    ]
    middle = State.WOULD if counts[State.WOULD] or report.task == "plan" else State.CHANGED
    parts.append(f"{counts[middle]} {'to change' if middle is State.WOULD else 'changed'}")
    parts += [
        f"{counts[state]} {state.value}" for state in (State.FAILED, State.SKIPPED) if counts[state]
    ]
    return f"[bold]{report.task}[/]: " + " · ".join(
        [*parts, f"{report.seconds:.2f} s", f"{report.sessions} ssh sessions"]
    )


def _distinct_errors(errors: Sequence[RunbookError | None]) -> list[RunbookError]:
    return list({str(error): error for error in errors if error}.values())


def show_problem(out: Console, hosts: str, problem: Problem) -> None:
    """Print a problem of `hosts`, and below it the command to type.

    The sentence is wrapped at the width of the terminal. The command is not, so that it can be
    copied.
    """
    from rich.text import Text

    text = mask_secrets(f"{hosts}: {problem.message}" if hosts else problem.message)
    style = "bold red" if problem.down else "yellow"
    print_wrapped(out, Text("✗ " if problem.down else "! ", style), Text(text, style))
    if problem.next:
        out.print(Text(f"    {mask_secrets(problem.next)}"), soft_wrap=True)
