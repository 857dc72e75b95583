"""Whether https answers as http does (R14), ignoring what differs from one answer to the next:
times and hosts' numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..traffic.calls import SINGLE, database_call, operation_call, ping_call, single_call
from ..traffic.client import Client, Request, Response
from ..traffic.sample import Sample
from .run_state import CheckRun

ROUNDS = 3
"""Times each question is asked each way: enough to meet both nodes."""

NOWHERE = "/there-is-no-such-path"
OVER_HTTP, OVER_HTTPS = "http", "https"


class Shape(NamedTuple):
    """What an answer is, apart from digits."""

    status: int
    kind: str
    body: bytes


@dataclass
class Sameness:
    """What both ways have answered: their samples (the arm says which way), and the headers that
    matter."""

    samples: list[Sample] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)
    hsts: list[str] = field(default_factory=list)
    alt_svc: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def answer_shape(answer: Response) -> Shape:
    """Digits become 0 (several become one): times, ids of hosts, sizes."""
    kind = answer.headers.get("Content-Type", "").replace(" ", "").lower()
    return Shape(answer.status, kind, re.sub(rb"\d+(\.\d+)?", b"0", answer.head))


def same_questions(run: CheckRun) -> list[Request]:
    """One of each kind of answer; what is large, slow, cached or changes data is left out."""
    rows = [
        single_call(endpoint, run.rng.randint(1, run.ranges[endpoint].top), named=False)
        for endpoint in SINGLE
    ]
    others = [Request("R14", "GET", path) for path in ("/", NOWHERE)]
    return [
        call._replace(endpoint="R14")
        for call in (*others, ping_call(), database_call(), *rows, operation_call(0))
    ]


async def compare_protocols(run: CheckRun, secure: Client) -> Sameness:
    """Ask every question each way in turn. No answer, or a server's error, counts as an error."""
    told = Sameness()
    run.watch.phase("https and http compared", 2 * ROUNDS * len(same_questions(run)))
    for call in same_questions(run):
        seen: dict[str, list[Response]] = {OVER_HTTP: [], OVER_HTTPS: []}
        for _ in range(ROUNDS):
            for way, wire in ((OVER_HTTP, run.wire), (OVER_HTTPS, secure)):
                answer = await wire.ask(call, timeout=run.plan.timeout)
                _keep_answer(run, told, way, call, answer)
                seen[way].append(answer)
        if said := describe_difference(f"{call.method} {call.path}", seen):
            told.different.append(said)
    return told


def _keep_answer(run: CheckRun, told: Sameness, way: str, call: Request, answer: Response) -> None:
    """Its sample, in which every answer is right but a server's error, and what its headers say."""
    error = answer.error if not 200 <= answer.status < 500 else ""
    sample = Sample(
        endpoint=call.endpoint,
        intended=answer.sent,
        woke=answer.sent,
        sent=answer.sent,
        done=answer.done,
        status=answer.status,
        error=error,
        mark=answer.mark,
        arm=way,
    )
    told.samples.append(sample)
    run.watch.saw(sample)
    where = f"{way} {call.method} {call.path}"
    if answer.headers.get("Strict-Transport-Security"):
        told.hsts.append(where)
    if 300 <= answer.status < 400:
        told.redirects.append(f"{where} to {answer.headers.get('Location', 'nowhere')}")
    if answer.status:
        told.alt_svc[way].add(answer.headers.get("Alt-Svc", ""))


def describe_difference(question: str, seen: Mapping[str, list[Response]]) -> str:
    """What differs, in words, when no answer of one way is like any of the other; empty when one
    is.

    Nodes may answer in two ways (one names its host), so one match is enough; no answer at all is
    no difference.
    """
    shapes = {
        way: {answer_shape(answer) for answer in answers if answer.status}
        for way, answers in seen.items()
    }
    if not shapes[OVER_HTTP] or not shapes[OVER_HTTPS] or shapes[OVER_HTTP] & shapes[OVER_HTTPS]:
        return ""
    one, other = (min(shapes[way]) for way in (OVER_HTTP, OVER_HTTPS))
    for part, a, b in zip(("status", "content type"), one[:2], other[:2], strict=True):
        if a != b:
            return f"{question} has {part} {a} over http, {b} over https"
    return f"{question} has another body over https than over http"
