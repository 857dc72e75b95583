"""The health gate: figures with bounds that an app must meet before and after users reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, NamedTuple

from ..control.haproxy_stats import Server
from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.psql import answer
from ..engine.scripts import purpose
from ..engine.shell import q
from ..roles import postgres
from ..settings.paths import TOOLS, app_unit
from ..settings.reach import open_fleet
from ..settings.service import Service
from ..settings.settings import Gate, Settings
from ..steps.seed import Seeded


class GateSample(NamedTuple):
    """One request of the probe; `status` is 000 if no answer came in time."""

    path: str
    status: str
    microseconds: int
    right: tuple[int, ...] = (200,)
    """Statuses of a right answer."""

    @property
    def good(self) -> bool:
        """Whether the app answered as it should."""
        return self.status in map(str, self.right)


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


def list_reads(service: Service) -> tuple[str, ...]:
    """Cheap reads by id. The gate watches them once the data and their indexes exist."""
    return tuple(endpoint.prefix for endpoint in service.endpoints if endpoint.gate)


def gate_reads(settings: Settings) -> tuple[str, ...]:
    """The reads that a release can be judged by: none before the data exist, and only one while an
    index is missing, because the others would be slow for that reason.

    Raises:
        RunbookError: the database does not answer, so no release could be judged.
    """
    node = settings.inventory.first_having("postgres")
    indexes = postgres.index_steps(settings)
    with open_fleet(settings, [node], readonly=True) as fleet:
        seeded, *readings = fleet.link(node).read(
            [step.probe() for step in (Seeded(settings, None), *indexes)]
        )
    why = "no release could be judged without the database, and draining a node would help nobody"
    try:
        mark = answer(seeded, settings.database.name)
    except RunbookError as error:
        raise RunbookError(f"{node.name}: {error.problem}", why, error.next) from None
    if mark is None:
        name = settings.database.name
        raise RunbookError(f"{node.name}: database {name} does not exist", why, "fab deploy")
    if not mark.startswith("runbook: seeded"):
        return ()
    missing = any(step.decide(reading) for step, reading in zip(indexes, readings, strict=True))
    reads = list_reads(settings.program)
    return reads[:1] if missing else reads


# -- on the node, while it is out of service


@purpose("watch the release at the gate")
def watch_release(link: Link, settings: Settings, port: int, paths: Sequence[str]) -> GateVerdict:
    """Request each path of the app on `link`'s host once, then watch it under a small load.

    Takes `gate.seconds`, or less if the app is clearly failing.

    Raises:
        Unreachable: the connection to the host broke.
    """
    gate, health = settings.gate, settings.program.health
    deep = (health.database or health.live).path
    arguments = [
        app_unit(settings),
        str(port),
        str(round(gate.seconds * gate.rate)),
        str(gate.rate),
        str(1000 * gate.p90_ms),
        *(health.live.path, deep, *paths),
        "--",
        *(paths or (deep,)),
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
    asked, watched = (_select_samples(service, lines, kind) for kind in ("ask", "watch"))
    return GateVerdict(
        (
            _unit_figure(states[0]),
            _port_figure(asked),
            *map(_answer_figure, asked),
            _alive_figure(states[0], states[-1]),
            *_load_figures(watched, gate),
        )
    )


def _select_samples(
    service: Service, lines: Sequence[Sequence[str]], kind: str
) -> list[GateSample]:
    return [
        GateSample(line[1], line[2], int(line[3]), _right_statuses(service, line[1]))
        for line in lines
        if line[0] == kind
    ]


def _right_statuses(service: Service, path: str) -> tuple[int, ...]:
    """Of a row that users may delete, the answer that it is absent is right, too: it shows that the
    database was read."""
    for endpoint in service.endpoints:
        if endpoint.gate and path.startswith(endpoint.prefix):
            return endpoint.expect.status + endpoint.expect.absent
    pages = (service.health.live, service.health.database)
    return next((page.status for page in pages if page and page.path == path), (200,))


def _unit_figure(state: Mapping[str, str]) -> Figure:
    active = state.get("ActiveState", "?")
    return Figure("unit", active, "must be active", active == "active")


def _port_figure(asked: Sequence[GateSample]) -> Figure:
    answered = any(sample.status != "000" for sample in asked)
    return Figure("port", "answers" if answered else "does not answer", "must answer", answered)


def _answer_figure(sample: GateSample) -> Figure:
    bound = f"must be {sample.right[0]}"
    return Figure(f"GET {sample.path}", sample.status, bound, sample.good)


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
