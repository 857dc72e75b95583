"""The health gate: figures with bounds that an app must meet before and after users reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from ..control.haproxy_stats import Server
from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.psql import answer, psql
from ..engine.scripts import purpose
from ..engine.shell import q
from ..roles import postgres, seeding
from ..roles.gate_calls import list_pages, list_reads
from ..settings.paths import TOOLS, app_unit
from ..settings.reach import open_fleet
from ..settings.service import Service
from ..settings.settings import Gate, Settings
from .gate_sample import GateSample, select_samples


@dataclass(frozen=True)
class Figure:
    """One figure: its name, the measured value, the bound in words, and whether it held."""

    name: str
    measured: str
    bound: str
    held: bool

    def __str__(self) -> str:
        return f"{self.name} {self.measured} ({self.bound})"


@dataclass(frozen=True)
class GateVerdict:
    """All figures of the gate, in the order in which they were measured."""

    figures: tuple[Figure, ...]

    @property
    def failed(self) -> Figure | None:
        """The first figure that did not hold."""
        return next((figure for figure in self.figures if not figure.held), None)

    def __str__(self) -> str:
        load_figures = self.figures[-3:]
        return ", ".join(f"{figure.name} {figure.measured}" for figure in load_figures)

    def as_json(self) -> dict[str, Any]:
        """The JSON for the run folder."""
        return {"figures": [asdict(figure) for figure in self.figures]}


class BadRelease(RunbookError):
    """A release is worse than the gate allows."""

    incident = "bad-release"


class GateFailed(BadRelease):
    """A node's app did not pass the gate. `number` is the figure that failed, in words."""

    def __init__(
        self, node: str, release: str, number: str, verdict: GateVerdict | None = None
    ) -> None:
        super().__init__(
            f"{node}: release {release} failed the gate: {number}",
            "it would have reached users; the node stays out of service",
            "fab status",
        )
        self.node = node
        self.release = release
        self.number = number
        self.verdict = verdict


# -- what the gate may watch


def gate_reads(settings: Settings) -> tuple[str, ...]:
    """The reads that a release can be judged by: none before the data exist, and only one while an
    index is missing, because the others would be slow for that reason.

    Raises:
        RunbookError: the database does not answer, so no release could be judged.
    """
    if settings.program.database is None:
        return _read_words(settings)
    node, name = settings.inventory.first_having("postgres"), settings.database.name
    indexes, seed = postgres.index_steps(settings), seeding.seed_step(settings, None)
    seed_probe = seed.probe() if seed else psql(name, "SELECT 1;")
    with open_fleet(settings, [node], readonly=True) as fleet:
        seeded, *readings = fleet.link(node).read([seed_probe, *(step.probe() for step in indexes)])
    why = "no release could be judged without the database, and draining a node would help nobody"
    try:
        found = answer(seeded, name)
    except RunbookError as error:
        raise RunbookError(f"{node.name}: {error.problem}", why, error.next) from None
    if found is None:
        raise RunbookError(f"{node.name}: database {name} does not exist", why, "fab deploy")
    if seed and not seed.holds_data(found):
        return ()
    missing = any(step.decide(reading) for step, reading in zip(indexes, readings, strict=True))
    reads = _read_words(settings)
    return reads[:1] if missing else reads


def _read_words(settings: Settings) -> tuple[str, ...]:
    return tuple(call.argument for call in list_reads(settings.program))


# -- on the node, while it is out of service


@purpose("watch the release at the gate")
def watch_release(link: Link, settings: Settings, port: int, paths: Sequence[str]) -> GateVerdict:
    """Request each path of the app on `link`'s host once, then watch it under a small load.

    Takes `gate.seconds`, or less if the app is clearly failing.

    Raises:
        Unreachable: the connection to the host broke.
    """
    gate = settings.gate
    pages = [call.argument for call in list_pages(settings.program)]
    arguments = [
        app_unit(settings),
        str(port),
        str(round(gate.seconds * gate.rate)),
        str(gate.rate),
        str(1000 * gate.p90_ms),
        *(*pages, *paths),
        "--",
        *(paths or pages[-1:]),
    ]
    script = f"{TOOLS}/app-gate {' '.join(map(q, arguments))}"
    [reading] = link.read([script], timeout=gate.seconds + 60)
    return judge_gate(settings.program, reading.out, gate)


def judge_gate(service: Service, out: str, gate: Gate) -> GateVerdict:
    """The figures in the output of `app-gate`. A pure function."""
    lines = [line.split() for line in out.splitlines() if line.strip()]
    states = [
        dict(word.split("=", 1) for word in words) for kind, *words in lines if kind == "unit"
    ] or [{}]
    asked, watched = (select_samples(service, lines, kind) for kind in ("ask", "watch"))
    return GateVerdict(
        (
            _unit_figure(states[0]),
            _port_figure(asked),
            *map(_answer_figure, asked),
            _alive_figure(states[0], states[-1]),
            *_load_figures(watched, gate),
        )
    )


def _unit_figure(state: Mapping[str, str]) -> Figure:
    active = state.get("ActiveState", "?")
    return Figure("unit", active, "must be active", active == "active")


def _port_figure(asked: Sequence[GateSample]) -> Figure:
    answered = any(sample.status.removesuffix("!") != "000" for sample in asked)
    return Figure("port", "answers" if answered else "does not answer", "must answer", answered)


def _answer_figure(sample: GateSample) -> Figure:
    right = sample.call.right[0] if sample.call else 200
    status = sample.status.removesuffix("!")
    measured = status if status == sample.status else f"{status} with a wrong body"
    return Figure(sample.title, measured, f"must be {right}", sample.good)


def _alive_figure(before: Mapping[str, str], after: Mapping[str, str]) -> Figure:
    same_process = before.get("MainPID") == after.get("MainPID")
    alive = same_process and after.get("ActiveState") == "active"
    measured = "kept running" if alive else "ended while it was watched"
    return Figure("process", measured, "must keep running", alive)


def _load_figures(watched: Sequence[GateSample], gate: Gate) -> tuple[Figure, ...]:
    bad = sum(not sample.good for sample in watched)
    percent = 100 * bad / len(watched) if watched else 100.0
    times = sorted(sample.microseconds for sample in watched) or [0]
    p90 = times[ceil(0.9 * len(times)) - 1] / 1000
    return (
        Figure("reads", str(len(watched)), "must be some", bool(watched)),
        Figure(
            "failed reads",
            f"{percent:.1f} %",
            f"at most {gate.error_percent:g} %",
            percent <= gate.error_percent,
        ),
        Figure("p90 of reads", f"{p90:.0f} ms", f"at most {gate.p90_ms} ms", p90 <= gate.p90_ms),
    )


# -- at the balancers, once users are back

MIN_ERRORS = 2
"""Errors counted by a balancer from which the share is judged. A single one may be the fault of a
user's connection."""


def seen_by_balancers(
    node: str,
    before: Mapping[str, Mapping[str, Server]],
    after: Mapping[str, Mapping[str, Server]],
    gate: Gate,
) -> GateVerdict:
    """What the edges' counters show of `node` between two readings. A pure function."""
    figures = []
    for edge, servers in after.items():
        now, then = servers.get(node), before.get(edge, {}).get(node)
        # A restarted balancer counts from 0 again, so its figures cannot be compared.
        if now is None or then is None or now.requests < then.requests:
            continue
        errors, requests = now.errors - then.errors, now.requests - then.requests
        share = 100 * errors / max(requests, errors, 1)
        held = errors < MIN_ERRORS or share <= gate.error_percent
        figures.append(Figure(f"{edge} sees it", now.status, "must be UP", now.up))
        figures.append(
            Figure(
                f"{edge}: failed requests",
                f"{errors} of {requests}",
                f"at most {gate.error_percent:g} %",
                held,
            )
        )
    return GateVerdict(tuple(figures))
