"""Request the cached endpoint in the background: in bursts, one by one, and after idle gaps."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..settings.endpoint import CacheRule, Endpoint
from ..traffic.calls import CallMaker
from ..traffic.client import Client, Request, Response
from ..traffic.dates import parse_http_date
from ..traffic.sample import Sample
from .cache_age import DatedAnswer, times_in

UNIQUE_REQUESTS = 4
"""Requests with a unique query: more than there are nodes, so that every node answers one."""

POSTS = 2
"""POST requests, which no cache may answer."""

PINGS = 12
"""Answers whose Date headers are used to estimate the service's clock."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """When to request the cached endpoint.

    Attributes:
        seconds: how long the pattern lasts at least.
        longest_gap: seconds of the longest time without a request.
        seed: the same seed gives the same pattern.
        uncached_gap: seconds between two requests that no cache can answer. More than a second,
            because a time in whole seconds in the body must move on.
    """

    seconds: float
    longest_gap: float
    seed: int = 0
    uncached_gap: float = 1.1

    def steps(self) -> Iterator[tuple[float, int]]:
        """Pairs of seconds to wait and the number of requests to make then.

        Busy stretches alternate with idle gaps; the longest gap comes first.
        """
        rng = random.Random(self.seed)
        spent, idle = 0.0, self.longest_gap
        yield 0.0, 1
        while spent < self.seconds:
            for _ in range(rng.randint(3, 7)):
                gap = rng.choice((rng.uniform(0.02, 0.3), rng.uniform(0.3, 2.0)))
                spent += gap
                yield gap, rng.choice((1, 1, 2, 4, 8))
            gap = min(idle, max(0.0, self.seconds - spent))
            spent += gap
            idle = rng.uniform(0.0, self.longest_gap)
            yield gap, rng.choice((1, 4))


@dataclass(kw_only=True)
class CacheEvidence:
    """What was measured of the cached endpoint.

    Attributes:
        endpoint: the cached endpoint.
        pattern: when it was requested.
        samples: every request of the pattern.
        plain: the right answers among them.
        unique: right answers to unique queries.
        posted: right answers to POST.
        pings: right answers to pings, for the clock.
        marks: headers by which a cache admits that it answered a POST.
        longest_idle: seconds of the longest time without a request.
    """

    endpoint: Endpoint
    pattern: Pattern
    samples: list[Sample] = field(default_factory=list)
    plain: list[DatedAnswer] = field(default_factory=list)
    unique: list[DatedAnswer] = field(default_factory=list)
    posted: list[DatedAnswer] = field(default_factory=list)
    pings: list[DatedAnswer] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    longest_idle: float = 0.0

    @property
    def rule(self) -> CacheRule:
        """What the edge may keep, and for how long."""
        rule = self.endpoint.cache
        assert rule is not None
        return rule


async def probe_cache(
    clients: Sequence[Client],
    calls: CallMaker,
    endpoint: Endpoint,
    pattern: Pattern,
    *,
    timeout: float,
) -> CacheEvidence:
    """Follow the pattern with the clients in turn. A bad answer is recorded, never raised."""
    evidence = CacheEvidence(endpoint=endpoint, pattern=pattern)
    request = calls.make(endpoint)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_ask_app_itself(clients[0], calls, evidence, request, timeout))
        await _follow_pattern(clients, evidence, request, timeout)
    return evidence


async def _follow_pattern(
    clients: Sequence[Client], evidence: CacheEvidence, request: Request, timeout: float
) -> None:
    loop = asyncio.get_running_loop()
    begin = idle_since = loop.time()
    count = 0
    for gap, burst in evidence.pattern.steps():
        await asyncio.sleep(gap)
        if evidence.samples:
            evidence.longest_idle = max(evidence.longest_idle, loop.time() - idle_since)
        turns = [clients[(count + i) % len(clients)] for i in range(burst)]
        answers = await asyncio.gather(*(client.ask(request, timeout=timeout) for client in turns))
        count += burst
        idle_since = loop.time()
        # By arrival, because the age of an answer counts from the first arrival of its body.
        for answer in sorted(answers, key=lambda answer: answer.done):
            evidence.samples.append(_make_sample(request, answer, begin))
            evidence.plain += _date_answer(answer)


def _make_sample(request: Request, answer: Response, begin: float) -> Sample:
    sent = answer.sent - begin
    return Sample(
        endpoint=request.endpoint,
        intended=sent,
        woke=sent,
        sent=sent,
        done=answer.done - begin,
        status=answer.status,
        error=answer.error,
        mark=answer.mark,
    )


async def _ask_app_itself(
    client: Client, calls: CallMaker, evidence: CacheEvidence, request: Request, timeout: float
) -> None:
    """Make requests that no cache can answer (unique query, POST).

    They show the app's own answers and do not refresh cached entries.
    """

    async def ask_later(number: int, request: Request) -> Response:
        await asyncio.sleep(number * evidence.pattern.uncached_gap)
        return await client.ask(request, timeout=timeout)

    requests = [request.with_query(f"fresh={secrets.token_hex(8)}") for _ in range(UNIQUE_REQUESTS)]
    if not _is_written(calls, evidence.endpoint):
        requests += [request._replace(method="POST", body=b"{}")] * POSTS
    answers = await asyncio.gather(
        *(ask_later(number, request) for number, request in enumerate(requests))
    )
    for answer in answers[:UNIQUE_REQUESTS]:
        evidence.unique += _date_answer(answer)
    for answer in answers[UNIQUE_REQUESTS:]:
        evidence.posted += _date_answer(answer)
        if answer.mark:
            evidence.marks.append(answer.mark)
    for number in range(PINGS):
        # Spread over a second by the golden ratio: some pings fall close to a full second, and
        # these bound the clock offset most tightly.
        await asyncio.sleep(number * 0.618 % 1 * 0.2)
        evidence.pings += _date_answer(await client.ask(calls.live_call(), timeout=timeout))


def _is_written(calls: CallMaker, endpoint: Endpoint) -> bool:
    """Whether a POST to the path of this endpoint would change something."""
    return any(
        other.path == endpoint.path and other.method not in ("GET", "HEAD", "*")
        for other in calls.program.endpoints
    )


def _date_answer(answer: Response) -> list[DatedAnswer]:
    """A right answer as evidence, in seconds since 1970; an empty list for a wrong one."""
    if answer.error:
        return []
    # The event loop's clock has an origin of its own.
    to_unix_time = time.time() - asyncio.get_running_loop().time()
    stamp = answer.headers.get("X-Answered-At", "")
    return [
        DatedAnswer(
            sent=answer.sent + to_unix_time,
            done=answer.done + to_unix_time,
            digest=answer.digest,
            times=times_in(answer.head),
            date=parse_http_date(answer.headers.get("Date", "")),
            stamp=float(stamp) if stamp.isdecimal() else None,
        )
    ]
