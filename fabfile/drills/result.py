"""The result of a drill: plain values that are written as JSON and read back unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..traffic.timeline import Second

HELD, FAILED, NOT_TRIED = "held", "FAILED", "not tried"
"""The verdicts. FAILED also when the drill was stopped before it could know."""


@dataclass(frozen=True)
class Bound:
    """One judged bound: what it is about, the value seen and the value allowed (both as text), and
    whether it held."""

    what: str
    measured: str
    bound: str
    held: bool


@dataclass(frozen=True)
class Mark:
    """Something that happened, `t` seconds after the load's begin: `fault`, `detected`,
    `recovered`, `repaired`, or a sentence."""

    t: float
    what: str


@dataclass(frozen=True)
class DrillResult:
    """One drill.

    Attributes:
        name: the drill's, as typed.
        hypothesis: one sentence.
        requirements: ids of the requirements that it checks, as R1 and R2.
        started: seconds since 1970.
        seconds: how long it took, repair included.
        rate: requests a second that were offered.
        requests: how many were made.
        failed: how many failed, by endpoint (its id in reports) and kind.
        gap_s: the longest time without any right answer, in seconds.
        detect_s: seconds from the fault until the serving balancer reacted or another edge took
            over; None when neither happened.
        recover_s: seconds until all was as before without help, counted from the fault, or, when
            only the drill could end the fault (a host without power), from its end; None when that
            did not come within the drill.
        budget_share: share of the error budget (1 % of the requests) that was spent; above 1 it is
            overspent.
        verdict: HELD, FAILED or NOT_TRIED.
        why: one sentence: what broke which bound, or why it was not tried; empty when held.
        bounds: everything it was judged by.
        timeline: second by second.
        marks: what happened when.
        lag_s: how late the load generator itself was (p99); above 0.02 the latencies are doubtful.
        without: what was disabled for this drill (`healer`, `retries`, `proof`, `guard`), to prove
            that drills detect faults.
        left: what could not be repaired and needs a person, one sentence each.
    """

    name: str
    hypothesis: str
    requirements: tuple[str, ...] = ()
    started: float = 0.0
    seconds: float = 0.0
    rate: float = 0.0
    requests: int = 0
    failed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    gap_s: float = 0.0
    detect_s: float | None = None
    recover_s: float | None = None
    budget_share: float = 0.0
    verdict: str = NOT_TRIED
    why: str = ""
    bounds: tuple[Bound, ...] = ()
    timeline: tuple[Second, ...] = ()
    marks: tuple[Mark, ...] = ()
    lag_s: float = 0.0
    without: str = ""
    left: tuple[str, ...] = ()

    @property
    def failures(self) -> int:
        """How many requests failed, of any endpoint and kind."""
        return sum(count for kinds in self.failed.values() for count in kinds.values())

    def as_json(self) -> dict[str, Any]:
        """Plain lists, objects, numbers and strings. `drill` and `held` are for scripts."""
        return {"drill": self.name, "held": self.verdict == HELD, **asdict(self)}


def from_json(row: Mapping[str, Any]) -> DrillResult:
    """The result that `as_json` made this of; also that of a kept document, and of one from before
    there was a schema.

    Raises:
        KeyError, TypeError: it is none.
    """
    names = {field.name for field in fields(DrillResult)}
    plain = {key: value for key, value in row.items() if key in names}
    if "schema" not in row:
        plain["bounds"] = [_rename_seen(bound) for bound in plain["bounds"]]
    plain["requirements"] = tuple(plain["requirements"])
    plain["left"] = tuple(plain.get("left", ()))
    for name, kind in (("bounds", Bound), ("timeline", Second), ("marks", Mark)):
        plain[name] = tuple(kind(**row) for row in plain[name])
    return DrillResult(**plain)


def _rename_seen(bound: Mapping[str, Any]) -> dict[str, Any]:
    """Before schema 2 a bound said `seen`."""
    return {"measured" if key == "seen" else key: value for key, value in bound.items()}
