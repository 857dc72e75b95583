"""What ails the app, if anything: pure, from what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .config import Config
from .model import ILL, Act, Decision, Observation, Ping

BAD_PINGS = 3
"""In a row: one can be an accident, two a coincidence; at one a second it is seen within 6 s,
also when each one times out."""

LEAKING = 0.7
"""Share of the memory cap from which on the app is recycled while there is still time to drain
it."""

TOO_LATE = 0.95
"""Share of the cap from which on there is no time left."""

CLIMB, CLIMBED = 8, 0.2
"""So many looks, each higher than the one before, and such a share of the cap in all: it leaks,
however little it has yet."""

SETTLE = 10.0
"""Seconds the app gets to find its database again (it looks for it every 5 s)."""

SLOWEST = 45.0
"""The longest pause, in seconds, between restarts that do not help."""

CAUSES = {Ping.HUNG: "hang", Ping.WRONG: "wrong-answers", Ping.REFUSED: "closed-port"}


def judge(
    config: Config, seen: Sequence[Observation], vain: int = 0, peer_age: float | None = None
) -> Decision:
    """What to do after `seen` (oldest first, not empty).

    `vain` counts the restarts since it was last well for a while; `peer_age` is how long the peer
    has been up, if known.
    """
    now = seen[-1]
    if not now.active:
        return _nothing(
            f"{config.unit} is not active; starting it is systemd's business, or a person's"
        )
    same = _same_process(seen)
    return (
        _ill(config, same, vain)
        or _leak(config, same)
        or _old(config, now, peer_age)
        or _nothing("the app is well")
    )


def _nothing(why: str) -> Decision:
    return Decision(Act.NOTHING, "", why)


def _same_process(seen: Sequence[Observation]) -> list[Observation]:
    """The latest looks at the process that runs now."""
    same: list[Observation] = []
    for one in reversed(seen):
        if not one.active or one.pid != seen[-1].pid:
            break
        same.append(one)
    return same[::-1]


def _ill(config: Config, seen: Sequence[Observation], vain: int) -> Decision | None:
    bad: list[Observation] = []
    for one in reversed(seen):
        if one.ping not in ILL:
            break
        bad.append(one)
    if not bad:
        return None
    last, since = bad[0], bad[0].at - bad[-1].at
    if last.database is False:
        return _nothing(
            f"{config.health} {_said(last)}, but no database answers: a restart would not bring it"
            " back"
        )
    lost = next((one.at for one in bad if one.database is False), None)
    if lost is not None and last.at - lost < SETTLE:
        return _nothing("the database has just come back; the app gets time to notice")
    pause = min(SLOWEST, 3.0 * 2 ** (min(vain, 9) - 1)) if vain else 0.0
    if len(bad) < BAD_PINGS:
        return _nothing(f"{config.health} {_said(last)} {len(bad)} of {BAD_PINGS} times in a row")
    if since < pause:
        return _nothing(
            f"it is ill again after restart {vain} in a row; the next one comes after {pause:.0f} s"
        )
    what = (
        f"{config.health} {_said(last)} {len(bad)} times in a row, for {since:.1f} s, though its"
        " process runs"
    )
    return Decision(Act.RESTART, CAUSES[last.ping], what)


def _said(one: Observation) -> str:
    return f"{one.ping.value} ({one.said})" if one.said else one.ping.value


def _leak(config: Config, seen: Sequence[Observation]) -> Decision | None:
    rss, cap = seen[-1].rss, config.memory_max
    has = f"the app has {_mb(rss)} of {_mb(cap)} MB"
    if rss >= TOO_LATE * cap:
        return Decision(Act.RESTART, "leak", f"{has}: too late to drain it")
    if rss >= LEAKING * cap:
        return Decision(Act.RECYCLE, "leak", f"{has}: it leaks")
    climb = [one.rss for one in seen[-CLIMB:]]
    rising = len(climb) == CLIMB and all(low < high for low, high in pairwise(climb))
    if rising and climb[-1] - climb[0] >= CLIMBED * cap:
        took = seen[-1].at - seen[-CLIMB].at
        return Decision(
            Act.RECYCLE,
            "leak",
            f"{has}, {_mb(climb[-1] - climb[0])} MB more than {took:.0f} s ago: it leaks",
        )
    return None


def _mb(size: int) -> int:
    return size >> 20


def _old(config: Config, now: Observation, peer_age: float | None) -> Decision | None:
    life = config.lifetime
    if not life:
        return None
    if now.age >= life:
        return Decision(
            Act.RECYCLE,
            "age",
            f"the app is {now.age:.0f} s old and is to be younger than {life:.0f} s",
        )
    # Those that started together die together; all but the last of them make up the difference,
    # halfway through their lives.
    together = peer_age is not None and abs(now.age - peer_age) < life / 4
    if together and config.order < len(config.peers) and now.age >= life / 2:
        return Decision(
            Act.RECYCLE,
            "age",
            f"the app is {now.age:.0f} s old, and so is the peer: they are kept apart",
        )
    return None
