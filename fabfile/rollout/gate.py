"""The health gate: what the app on a node shows before users get it, as figures with bounds, and
what the balancers then see."""

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
from ..settings.bingo import SERVICE
from ..settings.paths import TOOLS, app_unit
from ..settings.reach import open_fleet
from ..settings.settings import Gate, Settings
from ..steps.seed import Seeded

READS = tuple(endpoint.prefix for endpoint in SERVICE.of_kind("read"))
"""Cheap reads by id: what the gate watches, once there are data and their indexes."""

MAY_BE_ABSENT = tuple(endpoint.prefix for endpoint in SERVICE.of_kind("read") if endpoint.absent)
"""Reads of rows that users delete."""


class GateSample(NamedTuple):
    """One request of the probe: `status` is 000 when no answer came in time."""

    path: str
    status: str
    microseconds: int

    @property
    def good(self) -> bool:
        """Answered. A row may have been deleted since: the database was asked all the same."""
        return self.status == "200" or (
            self.status == "404" and any(self.path.startswith(prefix) for prefix in MAY_BE_ABSENT)
        )


@dataclass(frozen=True)
class Figure:
    """One number: its name, what was measured, the bound in words, and whether it held."""

    name: str
    measured: str
    bound: str
    held: bool

    def __str__(self) -> str:
        return f"{self.name} {self.measured} ({self.bound})"


@dataclass(frozen=True)
class GateVerdict:
    """All figures of one look, in the order they were taken."""

    figures: tuple[Figure, ...]

    @property
    def failed(self) -> Figure | None:
        """The first figure that did not hold."""
        return next((figure for figure in self.figures if not figure.held), None)

    def __str__(self) -> str:
        return ", ".join(
            f"{figure.name} {figure.measured}" for figure in self.figures[-3:]
        )  # the load's

    def as_json(self) -> dict[str, Any]:
        """For the run folder."""
        return {"figures": [asdict(figure) for figure in self.figures]}


class GateFailed(RunbookError):
    """A node's app did not pass. `number` says which figure failed."""

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


# -- what can be asked


def gate_reads(settings: Settings) -> tuple[str, ...]:
    """Which reads by id the gate may hold against a release: none before the data are there, few
    while an index is missing.

    Raises:
        RunbookError: the database does not answer, so nothing could be said of any release.
    """
    node = settings.inventory.one("postgres")
    indexes = postgres.index_steps(settings)
    with open_fleet(settings, [node], readonly=True) as fleet:
        seeded, *seen = fleet.link(node).read(
            [step.probe() for step in (Seeded(settings, None), *indexes)]
        )
    try:
        mark = answer(seeded, settings.database.name)
    except RunbookError as error:
        raise RunbookError(
            f"{node.name}: {error.problem}",
            "no release could be judged without it, and a node out of service for that would help"
            " nobody",
            error.next,
        ) from None
    if mark is None:
        raise RunbookError(
            f"{node.name}: database {settings.database.name} does not exist",
            "no release could be judged without it, and a node out of service for that would help"
            " nobody",
            "fab deploy",
        )
    if not mark.startswith("runbook: seeded"):
        return ()
    missing = any(step.decide(reading) for step, reading in zip(indexes, seen, strict=True))
    return READS[:1] if missing else READS


# -- on the node, while it is out of service


@purpose("watch the release at the gate")
def watch_release(link: Link, settings: Settings, port: int, paths: Sequence[str]) -> GateVerdict:
    """Ask the app on `link`'s host and watch it under a small load; takes `gate.seconds`, less when
    it is hopeless.

    Raises:
        Unreachable: the host broke off.
    """
    gate, health = settings.gate, SERVICE.health
    count, watched = round(gate.seconds * gate.rate), paths or (health.database_path,)
    asked = (health.path, health.database_path, *paths)
    words = [
        app_unit(settings),
        str(port),
        str(count),
        str(gate.rate),
        str(1000 * gate.p90_ms),
        *asked,
        "--",
        *watched,
    ]
    seen = link.read([f"{TOOLS}/app-gate {' '.join(map(q, words))}"], timeout=gate.seconds + 60)[0]
    return judge_gate(seen.out, gate)


def judge_gate(out: str, gate: Gate) -> GateVerdict:
    """Pure: the figures in what `app-gate` printed."""
    lines = [line.split() for line in out.splitlines()]
    states = [
        dict(word.split("=", 1) for word in line[1:]) for line in lines if line[:1] == ["unit"]
    ] or [{}]
    asked = [GateSample(line[1], line[2], int(line[3])) for line in lines if line[:1] == ["ask"]]
    watched = [
        GateSample(line[1], line[2], int(line[3])) for line in lines if line[:1] == ["watch"]
    ]
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
    seen = state.get("ActiveState", "?")
    return Figure("unit", seen, "must be active", seen == "active")


def _port_figure(asked: Sequence[GateSample]) -> Figure:
    answered = any(sample.status != "000" for sample in asked)
    return Figure("port", "answers" if answered else "does not answer", "must answer", answered)


def _answer_figure(sample: GateSample) -> Figure:
    return Figure(f"GET {sample.path}", sample.status, "must be 200", sample.good)


def _alive_figure(before: Mapping[str, str], after: Mapping[str, str]) -> Figure:
    lived = before.get("MainPID") == after.get("MainPID") and after.get("ActiveState") == "active"
    return Figure("process", "lived" if lived else "ended while it was watched", "must live", lived)


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

FEW = 2
"""Errors in the balancers' eyes from which there is something to judge: one may be a user's own
doing."""


def seen_by_balancers(
    node: str,
    before: Mapping[str, Mapping[str, Server]],
    after: Mapping[str, Mapping[str, Server]],
    gate: Gate,
) -> GateVerdict:
    """Pure: what every edge's counters say of `node` between two looks."""
    figures = []
    for edge, servers in after.items():
        now, then = servers.get(node), before.get(edge, {}).get(node)
        if (
            now is None or then is None or now.requests < then.requests
        ):  # a balancer that was restarted starts anew
            continue
        errors, requests = now.errors - then.errors, now.requests - then.requests
        share = 100 * errors / max(requests, errors, 1)
        held = errors < FEW or share <= gate.error_percent
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
