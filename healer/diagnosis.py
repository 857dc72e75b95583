"""Whether the app is ill, and what to do about it. Pure: it decides from observations only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .config import Config
from .model import ILL, Act, AppObservation, Decision, Ping

BAD_PINGS = 3
"""Bad pings in a row that make an app ill: one or two may be an accident. At one ping a second an
ill app is detected within 6 s, even when every ping times out."""

LEAK_SHARE = 0.7
"""Share of the memory cap from which on the app is recycled: there is still time to drain it."""

NO_TIME_SHARE = 0.95
"""Share of the memory cap from which on there is no time left to drain the app."""

CLIMB_COUNT = 8
"""Observations in a row, each with more memory than the one before, that may show a leak."""

CLIMB_SHARE = 0.2
"""Share of the memory cap by which those observations must climb in all to be a leak."""

DATABASE_SETTLE = 10.0
"""Seconds the app has to reconnect to a database that came back (it tries every 5 s)."""

FIRST_PAUSE = 3.0
"""Seconds between the first restart that did not help and the next one; doubles each time."""

LONGEST_PAUSE = 45.0
"""The longest pause, in seconds, between restarts that do not help."""

CAUSES = {Ping.HUNG: "hang", Ping.WRONG: "wrong-answers", Ping.REFUSED: "closed-port"}


def diagnose(
    config: Config,
    observations: Sequence[AppObservation],
    failed_restarts: int = 0,
    peer_age: float | None = None,
) -> Decision:
    """Decide what to do.

    Args:
        config: this node's configuration.
        observations: oldest first, at least one.
        failed_restarts: restarts since the app was last well for a while.
        peer_age: how long the peer has been up in seconds, if known.
    """
    latest = observations[-1]
    if not latest.active:
        return _do_nothing(f"{config.unit} is not active; systemd or a person must start it")
    current = _of_current_process(observations)
    return (
        _diagnose_illness(config, current, failed_restarts)
        or _diagnose_leak(config, current)
        or _diagnose_age(config, latest, peer_age)
        or _do_nothing("the app is well")
    )


def _do_nothing(reason: str) -> Decision:
    return Decision(Act.NOTHING, "", reason)


def _of_current_process(observations: Sequence[AppObservation]) -> list[AppObservation]:
    """The latest observations, back to the start of the process that runs now."""
    current: list[AppObservation] = []
    for observation in reversed(observations):
        if not observation.active or observation.pid != observations[-1].pid:
            break
        current.append(observation)
    return current[::-1]


def _bad_pings(observations: Sequence[AppObservation]) -> list[AppObservation]:
    """The bad pings since the last good one, oldest first."""
    bad: list[AppObservation] = []
    for observation in reversed(observations):
        if observation.ping not in ILL:
            break
        bad.append(observation)
    return bad[::-1]


def _diagnose_illness(
    config: Config, observations: Sequence[AppObservation], failed_restarts: int
) -> Decision | None:
    bad = _bad_pings(observations)
    if not bad:
        return None
    latest = bad[-1]
    ill_for = latest.at - bad[0].at
    symptom = f"{config.health_path} {_describe_ping(latest)}"
    if latest.database is False:
        return _do_nothing(f"{symptom}, but no database answers: a restart would not bring it back")
    lost_at = max((ping.at for ping in bad if ping.database is False), default=None)
    if lost_at is not None and latest.at - lost_at < DATABASE_SETTLE:
        return _do_nothing("the database has just come back; the app gets time to reconnect")
    if len(bad) < BAD_PINGS:
        return _do_nothing(f"{symptom} {len(bad)} of {BAD_PINGS} times in a row")
    pause = _pause_after(failed_restarts)
    if ill_for < pause:
        return _do_nothing(
            f"it is ill again after restart {failed_restarts} in a row; the next restart comes"
            f" after {pause:.0f} s"
        )
    sentence = f"{symptom} {len(bad)} times in a row, for {ill_for:.1f} s, though its process runs"
    return Decision(Act.RESTART, CAUSES[latest.ping], sentence)


def _pause_after(failed_restarts: int) -> float:
    """Seconds to wait before the next restart: exponential back-off."""
    if not failed_restarts:
        return 0.0
    # The cap on the exponent only keeps the number small; LONGEST_PAUSE comes much earlier.
    doublings = min(failed_restarts, 9) - 1
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**doublings)


def _describe_ping(observation: AppObservation) -> str:
    outcome = observation.ping.value
    return f"{outcome} ({observation.detail})" if observation.detail else outcome


def _diagnose_leak(config: Config, observations: Sequence[AppObservation]) -> Decision | None:
    rss = observations[-1].rss
    cap = config.memory_max
    usage = f"the app has {_megabytes(rss)} of {_megabytes(cap)} MB"
    if rss >= NO_TIME_SHARE * cap:
        return Decision(Act.RESTART, "leak", f"{usage}: too late to drain it")
    if rss >= LEAK_SHARE * cap:
        return Decision(Act.RECYCLE, "leak", f"{usage}: it leaks")
    recent = observations[-CLIMB_COUNT:]
    rising = all(earlier.rss < later.rss for earlier, later in pairwise(recent))
    growth = rss - recent[0].rss
    if len(recent) == CLIMB_COUNT and rising and growth >= CLIMB_SHARE * cap:
        seconds = recent[-1].at - recent[0].at
        sentence = f"{usage}, {_megabytes(growth)} MB more than {seconds:.0f} s ago: it leaks"
        return Decision(Act.RECYCLE, "leak", sentence)
    return None


def _megabytes(size: int) -> int:
    return size >> 20


def _diagnose_age(
    config: Config, latest: AppObservation, peer_age: float | None
) -> Decision | None:
    lifetime = config.lifetime
    if not lifetime:
        return None
    age = f"the app is {latest.age:.0f} s old"
    if latest.age >= lifetime:
        return Decision(Act.RECYCLE, "age", f"{age}; its lifetime is {lifetime:.0f} s")
    # Nodes that started together would expire together. Recycle all but the last one at half the
    # lifetime, so that they stay apart.
    close = peer_age is not None and abs(latest.age - peer_age) < lifetime / 4
    is_last = config.order >= len(config.peers)
    if close and not is_last and latest.age >= lifetime / 2:
        return Decision(Act.RECYCLE, "age", f"{age}, and so is the peer: their ages are kept apart")
    return None
