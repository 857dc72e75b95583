"""Request what must never come from a cache again and again, with writes in between."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Mapping

from ..settings.requirements import SESSION, SESSION_CREATE, SESSION_DELETE, SESSION_LIST
from ..traffic.calls import (
    LISTS,
    SINGLE,
    database_call,
    has_row,
    operation_call,
    plain_call,
    single_call,
)
from ..traffic.client import HEAD, Request, Response
from ..traffic.dates import parse_http_date
from ..traffic.own_rows import customer_and_movie
from ..traffic.retry import ask_alone
from .freshness import Fresh, Freshness, FreshnessProbe
from .run_state import CheckRun

PAUSE = 0.03
"""Seconds between two requests of one round, so that their answers do not share one tick of a
clock that counts milliseconds."""

SLOW_LIST = 10.0
"""Seconds. A quick run requests a list that takes longer only once."""

UNIQUE_SUFFIX = "?"
"""Added to the key of samples with a unique query, until it is known that the service accepts an
unknown query string."""


async def probe_freshness(run: CheckRun) -> None:
    """Probe R4-R8 with quick repeats and R9-R11 one request at a time, in rounds at least
    `plan.gap` seconds apart."""
    plan, loop = run.plan, asyncio.get_running_loop()
    rows = [_random_row(run, endpoint) for endpoint in SINGLE]
    quick_requests = [operation_call(), database_call(), *rows]
    run.watch.phase(
        "freshness, and lists one at a time",
        plan.rounds * (4 * len(quick_requests) + 2 * len(LISTS)),
    )
    seconds_spent = dict.fromkeys(LISTS, 0.0)
    begin = loop.time()
    for turn in range(plan.rounds):
        await asyncio.sleep(max(0.0, begin + turn * plan.gap - loop.time()))
        await asyncio.gather(*(_probe_quickly(run, request, turn) for request in quick_requests))
        for endpoint in LISTS:
            await _probe_list(run, endpoint, turn, seconds_spent)
    for endpoint in LISTS:
        _merge_unique_samples(run, endpoint)
    if evidence := await read_back(run):
        run.evidence[SESSION.id].append(evidence)


def _random_row(run: CheckRun, endpoint: str) -> Request:
    known = run.ranges[endpoint]
    return single_call(endpoint, run.rng.randint(1, known.top), named=known.named)


async def _probe_quickly(run: CheckRun, request: Request, turn: int) -> None:
    for unique in (False, False, True, True):
        if (await _probe_once(run, request, turn, unique=unique)).error:
            return  # the request was retried long enough; the next round tries again
        await asyncio.sleep(PAUSE)


async def _probe_list(
    run: CheckRun, endpoint: str, turn: int, seconds_spent: dict[str, float]
) -> None:
    """Request a list plainly and with a unique query, until the list's time budget is used up.

    From the second round on, a session is created before the session list is requested, and
    deleted afterwards: a fresh list must show it.
    """
    plan, requested = run.plan, len(run.samples[endpoint])
    is_session_list = endpoint == SESSION_LIST.id
    budget = plan.session_list_budget if is_session_list else plan.list_budget
    # A repeated request is the evidence, so a second one is made even beyond the budget.
    wanted = 2 if plan.proof or seconds_spent[endpoint] < SLOW_LIST else 1
    if seconds_spent[endpoint] > budget and requested >= wanted:
        return
    created = None
    if is_session_list and requested and not run.own_rows.refusal:
        created = await run.create_session(*run.first_listed or ())
    for unique in (False, True):
        if unique and seconds_spent[endpoint] > budget:
            break
        request = plain_call(LISTS[endpoint])
        seek = str(created).encode() if created else b""
        answer = await _probe_once(run, request, turn, unique=unique, seek=seek)
        seconds_spent[endpoint] += answer.seconds
        if is_session_list and run.first_listed is None:
            run.first_listed = first_session(answer.head)
    if created:
        await run.delete_session(created)


async def _probe_once(
    run: CheckRun, request: Request, turn: int, *, unique: bool, seek: bytes = b""
) -> Response:
    """Make one request and, if it is answered, keep it as a probe."""
    token = secrets.token_hex(8)
    sent_request = request
    if unique:
        sent_request = request._replace(path=f"{request.path}?fresh={token}")
    if request.endpoint in LISTS:
        key = request.endpoint + UNIQUE_SUFFIX if unique else request.endpoint
        answer = await run.ask_once(
            sent_request, timeout=run.plan.list_timeout, seek=seek, sample_key=key
        )
    else:
        answer = await run.ask_until_answered(sent_request)
    if not answer.error:
        probe = FreshnessProbe(
            turn=turn,
            unique=unique,
            sent=answer.sent,
            done=answer.done,
            digest=_digest_without(answer, token),
            size=answer.size,
            date=parse_http_date(answer.headers.get("Date", "")),
            mark=answer.mark,
            shows_write=answer.found if seek else None,
        )
        run.probes[request.endpoint].append(probe)
    return answer


def _digest_without(answer: Response, token: str) -> str:
    """A hash of the body without our own query token, in case the answer repeats it."""
    if answer.size > HEAD or token.encode() not in answer.head:
        return answer.digest
    return hashlib.blake2b(answer.head.replace(token.encode(), b""), digest_size=16).hexdigest()


def first_session(head: bytes) -> tuple[int, int] | None:
    """The ids of customer and movie in the first element of a session list, None if not readable.

    The service cuts the list at 100 000 rows. A new session of the same customer and movie comes
    before the cut, so a fresh list must show it.
    """
    try:
        text = head[head.index(b"[") + 1 :].decode(errors="replace")
        row, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return None
    return customer_and_movie(row) if isinstance(row, Mapping) else None


def _merge_unique_samples(run: CheckRun, endpoint: str) -> None:
    """Count the requests with a unique query as well, unless the service refuses all of them.

    Users send no unknown query, so refusing one is no error.
    """
    unique = run.samples.pop(endpoint + UNIQUE_SUFFIX, [])
    any_accepted = any(sample.ok for sample in unique)
    any_plain_ok = any(sample.ok for sample in run.samples[endpoint])
    if any_accepted or not any_plain_ok:
        run.samples[endpoint] += unique


async def read_back(run: CheckRun) -> Freshness | None:
    """Create a session, read it twice, delete it, and read it again at once.

    After the deletion only a cache can still have it.

    Returns:
        What this shows about R8, or None. Problems of R12 and R13 go to the run's problems.
    """
    if run.own_rows.refusal or (number := await run.create_session()) is None:
        return None
    request = single_call(SESSION.id, number, named=False)
    path = request.path
    # Twice, so that a cache has stored the answer before the session is deleted.
    for exists in (await _read_session(run, request), await _read_session(run, request)):
        if not exists:
            result = "gives no answer" if exists is None else "does not have it"
            run.problems[SESSION_CREATE.id].append(
                f"session {number} was accepted, but GET {path} {result}"
            )
            return None
    if not await run.delete_session(number):
        return None
    exists = await _read_session(run, request)
    if exists is None:
        run.problems[SESSION_DELETE.id].append(
            f"DELETE {path} was accepted, but GET {path} gives no answer"
        )
        return None
    if not exists:
        return Freshness(Fresh.PROVEN, "a deleted session is gone with the next request")
    unique = request._replace(path=f"{path}?fresh={secrets.token_hex(8)}")
    if not await _read_session(run, unique):
        return Freshness(
            Fresh.CACHED, "a deleted session is still answered, but not to a unique query"
        )
    run.problems[SESSION_DELETE.id].append(
        f"DELETE {path} was accepted, but GET {path} still has it"
    )
    return None


async def _read_session(run: CheckRun, request: Request) -> bool | None:
    """Whether a session exists; None without a clear answer."""
    answer = await ask_alone(
        run.client, request, run.keep_alone, lambda answer: has_row(answer) is not None
    )
    return has_row(answer)
