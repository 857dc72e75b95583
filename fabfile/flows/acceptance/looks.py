"""Asking again and again what must never come from a cache, and writing in between."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from .freshness import Fresh, Freshness, Look
from .state import Run
from .targets import LISTS, SINGLE, dummy, operation, single
from .wire import HEAD, Answer, Call
from .writes import new_session

BREATH = 0.03
"""Seconds between two askings of one turn, so that they do not share a tick of a clock that counts milliseconds."""

PATIENCE = 10.0
"""Seconds of a single list from which a quick run asks it only once."""

UNIQUE = "?"
"""Marks where samples of unique queries are kept until it is known that the service minds no query."""


async def ask_in_turns(run: Run) -> None:
    """R4-R8 in quick repeats and R9-R11 one at a time, in turns at least `gap` apart."""
    plan, loop = run.plan, asyncio.get_running_loop()
    lights = [operation(), dummy(), *(_some_row(run, endpoint) for endpoint in SINGLE)]
    run.watch.phase("freshness, and lists one at a time", plan.rounds * (4 * len(lights) + 2 * len(LISTS)))
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


def _some_row(run: Run, endpoint: str) -> Call:
    known = run.ranges[endpoint]
    return single(endpoint, run.rng.randint(1, known.top), named=known.named)


async def _light_turn(run: Run, call: Call, turn: int) -> None:
    for unique in (False, False, True, True):
        await _look(run, call, turn, unique=unique, timeout=run.plan.timeout)
        await asyncio.sleep(BREATH)


async def _list_turn(run: Run, endpoint: str, turn: int, spent: dict[str, float]) -> None:
    """One plain and one unique asking of a list, as long as its budget lasts; before a session list, a new session."""
    plan, asked = run.plan, len(run.samples[endpoint])
    budget = plan.session_list_budget if endpoint == "R11" else plan.list_budget
    least = 2 if plan.proof or spent[endpoint] < PATIENCE else 1
    if spent[endpoint] > budget and asked >= least:
        return
    number = await run.post(_on_top(run)) if endpoint == "R11" and asked and not run.ledger.refusal else None
    for unique in (False, True):
        if unique and spent[endpoint] > budget:
            break
        call = Call(endpoint, "GET", LISTS[endpoint])
        seek = str(number).encode() if number else b""
        answer = await _look(run, call, turn, unique=unique, timeout=plan.list_timeout, seek=seek)
        spent[endpoint] += answer.seconds
        if endpoint == "R11":
            run.on_top = run.on_top or customer_and_movie(answer.head)
    if number:
        await run.delete(number)


def _on_top(run: Run) -> Call | None:
    """A session that the session list, cut at 100 000 rows, must show: of the customer and movie it begins with."""
    return new_session(*run.on_top) if run.on_top else None


async def _look(run: Run, call: Call, turn: int, *, unique: bool, timeout: float, seek: bytes = b"") -> Answer:
    token = secrets.token_hex(8)
    asked = call._replace(path=f"{call.path}?fresh={token}") if unique else call
    kept = call.endpoint + UNIQUE * unique if call.endpoint in LISTS else "turns"
    answer = await run.ask(asked, timeout=timeout, seek=seek, kept=kept)
    if not answer.error:
        found = answer.found if seek else None
        date = date_of(answer.headers.get("Date", ""))
        looks = run.looks[call.endpoint]
        digest = _digest(answer, token)
        looks.append(Look(turn, unique, answer.sent, answer.done, digest, answer.size, date, answer.mark, found))
    return answer


def _digest(answer: Answer, token: str) -> str:
    """Of the body, without our own query if the answer repeats it."""
    if answer.size > HEAD or token.encode() not in answer.head:
        return answer.digest
    return hashlib.blake2b(answer.head.replace(token.encode(), b""), digest_size=16).hexdigest()


def date_of(header: str) -> float | None:
    """A Date header as seconds since 1970, None if it is none."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None


def customer_and_movie(head: bytes) -> tuple[int, int] | None:
    """The customer's and the movie's id in the first element of a session list, if its shape tells them."""
    try:
        text = head[head.index(b"[") + 1 :].decode(errors="replace")
        row, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return None
    if not isinstance(row, Mapping):
        return None
    customer, movie = _reference(row, "customer"), _reference(row, "movie")
    return (customer, movie) if customer and movie else None


def _reference(row: Mapping[str, Any], kind: str) -> int | None:
    low = {key.lower().replace("_", ""): value for key, value in row.items()}
    inner = low.get(kind)
    value = low.get(f"{kind}id", inner.get("id") if isinstance(inner, Mapping) else None)
    return value if isinstance(value, int) else None


def _settle_queries(run: Run, endpoint: str) -> None:
    """Count the unique queries too, unless the service refuses every query string: no user sends one."""
    unique = run.samples.pop(endpoint + UNIQUE, [])
    if any(s.ok for s in unique) or not any(s.ok for s in run.samples[endpoint]):
        run.samples[endpoint] += unique


async def read_back(run: Run) -> Freshness | None:
    """Make a session, read it twice, delete it, read it again at once: only a cache still has it.

    None when there is nothing to say of R8; what it shows of R12 and R13 goes to the run's problems.
    """
    if run.ledger.refusal or (number := await run.post()) is None:
        return None
    path = f"{LISTS['R11']}/{number}"
    ask, timeout = run.wire.ask, run.plan.timeout
    plain = Call("R8", "GET", path)
    if (await ask(plain, timeout=timeout)).error or (await ask(plain, timeout=timeout)).error:
        run.problems["R12"].append(f"session {number} was accepted, but GET {path} does not have it")
        return None
    if not await run.delete(number):
        return None
    if (await ask(plain, timeout=timeout)).error:
        return Freshness(Fresh.PROVEN, "a session deleted is gone with the next request")
    if (await ask(plain._replace(path=f"{path}?fresh={secrets.token_hex(8)}"), timeout=timeout)).error:
        return Freshness(Fresh.CACHED, "a session deleted is still there, though not under a query of its own")
    run.problems["R13"].append(f"DELETE {path} was accepted, but GET {path} still has it")
    return None
