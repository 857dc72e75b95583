"""Request what must never come from a cache again and again, with writes in between."""

from __future__ import annotations

import asyncio
import hashlib
import secrets

from ..settings.endpoint import Endpoint
from ..traffic.answers import HEAD
from ..traffic.client import Request, Response
from ..traffic.dates import parse_http_date
from ..traffic.own_rows import OwnRows, RowId
from ..traffic.row_content import first_row, references_in
from ..traffic.values import is_unique, names_in
from .freshness import FreshnessProbe
from .read_back import read_back
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
    """Probe single answers with quick repeats and lists one request at a time, in rounds at least
    `plan.gap` seconds apart."""
    plan, loop, lists = run.plan, asyncio.get_running_loop(), run.program.of_kind("list")
    quick_requests = [
        run.calls.make(endpoint) for endpoint in run.calls.load_endpoints() if endpoint.never_cached
    ]
    run.watch.phase(
        "freshness, and lists one at a time",
        plan.rounds * (4 * len(quick_requests) + 2 * len(lists)),
    )
    seconds_spent = dict.fromkeys([endpoint.id for endpoint in lists], 0.0)
    begin = loop.time()
    for turn in range(plan.rounds):
        await asyncio.sleep(max(0.0, begin + turn * plan.gap - loop.time()))
        await asyncio.gather(*(_probe_quickly(run, request, turn) for request in quick_requests))
        for endpoint in lists:
            await _probe_list(run, endpoint, turn, seconds_spent)
    for endpoint in lists:
        _merge_unique_samples(run, endpoint.id)
    for own_rows in run.ledgers.values():
        await read_back(run, own_rows)


async def _probe_quickly(run: CheckRun, request: Request, turn: int) -> None:
    for unique in (False, False, True, True):
        if (await _probe_once(run, request, turn, unique=unique)).error:
            return  # the request was retried long enough; the next round tries again
        await asyncio.sleep(PAUSE)


async def _probe_list(
    run: CheckRun, endpoint: Endpoint, turn: int, seconds_spent: dict[str, float]
) -> None:
    """Request a list plainly and with a unique query, until the list's time budget is used up.

    If it lists what a ledger creates, a row is created before it is requested, from the second
    round on, and deleted afterwards: a fresh list must show it.
    """
    plan, id, requested = run.plan, endpoint.id, len(run.samples[endpoint.id])
    own_rows = next((one for one in run.ledgers.values() if one.of.listing == endpoint), None)
    budget = plan.own_list_budget if own_rows else plan.list_budget
    # A repeated request is the evidence, so a second one is made even beyond the budget.
    wanted = 2 if plan.proof or seconds_spent[id] < SLOW_LIST else 1
    if seconds_spent[id] > budget and requested >= wanted:
        return
    created: RowId | None = None
    if own_rows and requested and not own_rows.refusal:
        created = await run.create_row(own_rows, run.first_listed.get(id))
    for unique in (False, True):
        if unique and seconds_spent[id] > budget:
            break
        seek = str(created).encode() if created else b""
        answer = await _probe_once(run, run.calls.make(endpoint), turn, unique=unique, seek=seek)
        seconds_spent[id] += answer.seconds
        if own_rows and id not in run.first_listed:
            _keep_first_listed(run, own_rows, endpoint, answer)
    if own_rows and created:
        await run.delete_row(own_rows, created)


def _keep_first_listed(
    run: CheckRun, own_rows: OwnRows, endpoint: Endpoint, answer: Response
) -> None:
    """Keep which other rows the first row of a list names.

    The service may cut the list. A new row that names the same rows comes before the cut, so a
    fresh list must show it.
    """
    rules = run.program.values
    names = [name for name in names_in(own_rows.of.create, rules) if not is_unique(rules[name])]
    row = first_row(answer.head)
    if row and (found := references_in(row, names)):
        run.first_listed[endpoint.id] = found


async def _probe_once(
    run: CheckRun, request: Request, turn: int, *, unique: bool, seek: bytes = b""
) -> Response:
    """Make one request and, if it is answered, keep it as a probe."""
    token = secrets.token_hex(8)
    sent_request = request
    if unique:
        sent_request = request.with_query(f"fresh={token}")
    if request.endpoint in {endpoint.id for endpoint in run.program.of_kind("list")}:
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


def _merge_unique_samples(run: CheckRun, endpoint: str) -> None:
    """Count the requests with a unique query as well, unless the service refuses all of them.

    Users send no unknown query, so refusing one is no error.
    """
    unique = run.samples.pop(endpoint + UNIQUE_SUFFIX, [])
    any_accepted = any(sample.ok for sample in unique)
    any_plain_ok = any(sample.ok for sample in run.samples[endpoint])
    if any_accepted or not any_plain_ok:
        run.samples[endpoint] += unique
