"""Asking again and again what must never come from a cache, and writing in between."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Mapping

from ..traffic.calls import LISTS, SINGLE, dummy_call, has_row, operation_call, single_call
from ..traffic.client import HEAD, Request, Response
from ..traffic.dates import parse_http_date
from ..traffic.own_rows import customer_and_movie
from ..traffic.retry import ask_alone
from .freshness import Fresh, Freshness, FreshnessProbe
from .run_state import CheckRun

BREATH = 0.03
"""Seconds between two askings of one turn, so that they do not share a tick of a clock that
counts milliseconds."""

PATIENCE = 10.0
"""Seconds of a single list from which a quick run asks it only once."""

UNIQUE = "?"
"""Marks where samples of unique queries are kept until it is known that the service minds no
query."""


async def ask_in_turns(run: CheckRun) -> None:
    """R4-R8 in quick repeats and R9-R11 one at a time, in turns at least `gap` apart."""
    plan, loop = run.plan, asyncio.get_running_loop()
    lights = [operation_call(), dummy_call(), *(_some_row(run, endpoint) for endpoint in SINGLE)]
    run.watch.phase(
        "freshness, and lists one at a time", plan.rounds * (4 * len(lights) + 2 * len(LISTS))
    )
    spent = dict.fromkeys(LISTS, 0.0)
    begin = loop.time()
    for turn in range(plan.rounds):
        await asyncio.sleep(max(0.0, begin + turn * plan.gap - loop.time()))
        await asyncio.gather(*(_light_turn(run, call, turn) for call in lights))
        for endpoint in LISTS:
            await _list_turn(run, endpoint, turn, spent)
    for endpoint in LISTS:
        _settle_queries(run, endpoint)
    if back := await read_back(run):
        run.shown["R8"].append(back)


def _some_row(run: CheckRun, endpoint: str) -> Request:
    known = run.ranges[endpoint]
    return single_call(endpoint, run.rng.randint(1, known.top), named=known.named)


async def _light_turn(run: CheckRun, call: Request, turn: int) -> None:
    for unique in (False, False, True, True):
        if (await _probe_once(run, call, turn, unique=unique)).error:
            return  # it has been asked for long enough; the next turn asks again
        await asyncio.sleep(BREATH)


async def _list_turn(run: CheckRun, endpoint: str, turn: int, spent: dict[str, float]) -> None:
    """One plain and one unique asking of a list, as long as its budget lasts; before a session
    list, a new session."""
    plan, asked = run.plan, len(run.samples[endpoint])
    budget = plan.session_list_budget if endpoint == "R11" else plan.list_budget
    least = 2 if plan.proof or spent[endpoint] < PATIENCE else 1
    if spent[endpoint] > budget and asked >= least:
        return
    number = (
        await run.post(*run.on_top or ())
        if endpoint == "R11" and asked and not run.ledger.refusal
        else None
    )
    for unique in (False, True):
        if unique and spent[endpoint] > budget:
            break
        call = Request(endpoint, "GET", LISTS[endpoint])
        seek = str(number).encode() if number else b""
        answer = await _probe_once(run, call, turn, unique=unique, seek=seek)
        spent[endpoint] += answer.seconds
        if endpoint == "R11":
            run.on_top = run.on_top or first_session(answer.head)
    if number:
        await run.delete(number)


async def _probe_once(
    run: CheckRun, call: Request, turn: int, *, unique: bool, seek: bytes = b""
) -> Response:
    token = secrets.token_hex(8)
    asked = call._replace(path=f"{call.path}?fresh={token}") if unique else call
    if call.endpoint in LISTS:
        kept = call.endpoint + UNIQUE * unique
        answer = await run.ask(asked, timeout=run.plan.list_timeout, seek=seek, kept=kept)
    else:
        answer = await run.ask_alone(asked)
    if not answer.error:
        found = answer.found if seek else None
        date = parse_http_date(answer.headers.get("Date", ""))
        looks = run.looks[call.endpoint]
        digest = _digest_answer(answer, token)
        looks.append(
            FreshnessProbe(
                turn,
                unique,
                answer.sent,
                answer.done,
                digest,
                answer.size,
                date,
                answer.mark,
                found,
            )
        )
    return answer


def _digest_answer(answer: Response, token: str) -> str:
    """Of the body, without our own query if the answer repeats it."""
    if answer.size > HEAD or token.encode() not in answer.head:
        return answer.digest
    return hashlib.blake2b(answer.head.replace(token.encode(), b""), digest_size=16).hexdigest()


def first_session(head: bytes) -> tuple[int, int] | None:
    """The customer's and the movie's id in the first element of a session list, if its shape tells
    them.

    The list is cut at 100 000 rows: a new session of these two is one that it must show.
    """
    try:
        text = head[head.index(b"[") + 1 :].decode(errors="replace")
        row, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return None
    return customer_and_movie(row) if isinstance(row, Mapping) else None


def _settle_queries(run: CheckRun, endpoint: str) -> None:
    """Count the unique queries too, unless the service refuses every query string: no user sends
    one."""
    unique = run.samples.pop(endpoint + UNIQUE, [])
    if any(s.ok for s in unique) or not any(s.ok for s in run.samples[endpoint]):
        run.samples[endpoint] += unique


async def read_back(run: CheckRun) -> Freshness | None:
    """Make a session, read it twice, delete it, read it again at once: only a cache still has it.

    None when there is nothing to say of R8; what it shows of R12 and R13 goes to the run's
    problems.
    """
    if run.ledger.refusal or (number := await run.post()) is None:
        return None
    path = f"{LISTS['R11']}/{number}"
    plain = Request("R8", "GET", path)

    async def there(call: Request = plain) -> bool | None:
        return has_row(
            await ask_alone(
                run.wire, call, run.keep_alone, lambda answer: has_row(answer) is not None
            )
        )

    for seen in (await there(), await there()):
        if not seen:
            lacks = "gives no answer" if seen is None else "does not have it"
            run.problems["R12"].append(f"session {number} was accepted, but GET {path} {lacks}")
            return None
    if not await run.delete(number):
        return None
    seen = await there()
    if seen is None:
        run.problems["R13"].append(f"DELETE {path} was accepted, but GET {path} gives no answer")
        return None
    if not seen:
        return Freshness(Fresh.PROVEN, "a session deleted is gone with the next request")
    if not await there(plain._replace(path=f"{path}?fresh={secrets.token_hex(8)}")):
        return Freshness(
            Fresh.CACHED, "a session deleted is still there, though not under a query of its own"
        )
    run.problems["R13"].append(f"DELETE {path} was accepted, but GET {path} still has it")
    return None
