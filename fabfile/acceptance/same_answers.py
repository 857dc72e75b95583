"""Compare the answers over https and over http (R14), apart from times and the numbers of hosts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..settings.requirements import HTTPS
from ..traffic.client import Client, Request, Response
from ..traffic.sample import Sample
from .run_state import CheckRun

ROUNDS = 3
"""How often each request is made over each protocol: enough to reach both nodes."""

MISSING_PATH = "/there-is-no-such-path"
OVER_HTTP, OVER_HTTPS = "http", "https"


class AnswerShape(NamedTuple):
    """An answer without its digits."""

    status: int
    content_type: str
    body: bytes


@dataclass
class ProtocolComparison:
    """The answers over both protocols, and the headers that matter.

    Attributes:
        samples: every request; its `arm` is the protocol.
        differences: answers that differ, in words.
        redirects: answers that redirect to the other protocol, with their target.
        hsts: requests whose answer had Strict-Transport-Security.
        alt_svc: the values of Alt-Svc by protocol; an empty value is a missing header.
    """

    samples: list[Sample] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)
    hsts: list[str] = field(default_factory=list)
    alt_svc: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def answer_shape(answer: Response) -> AnswerShape:
    """What must be the same over both protocols. Every number in the body becomes 0, because
    times, sizes and the ids of hosts change from one answer to the next."""
    content_type = answer.headers.get("Content-Type", "").replace(" ", "").lower()
    return AnswerShape(answer.status, content_type, re.sub(rb"\d+(\.\d+)?", b"0", answer.head))


def requests_to_compare(run: CheckRun) -> list[Request]:
    """One request for each kind of answer, without what is large, slow, cached or a write."""
    asked = [
        run.calls.make(endpoint)
        for endpoint in run.calls.load_endpoints()
        if endpoint.request_method == "GET" or not endpoint.database
    ]
    pages = [Request(HTTPS, "GET", path) for path in ("/", MISSING_PATH)]
    requests = [*pages, run.calls.live_call(), *asked]
    return [request._replace(endpoint=HTTPS) for request in requests]


async def compare_protocols(run: CheckRun, tls_client: Client) -> ProtocolComparison:
    """Make each request over http and https in turn, and compare the answers.

    No answer and a status of 500 or more count as errors.
    """
    comparison = ProtocolComparison()
    requests = requests_to_compare(run)
    clients = {OVER_HTTP: run.client, OVER_HTTPS: tls_client}
    run.watch.phase("https and http compared", len(clients) * ROUNDS * len(requests))
    for request in requests:
        answers: dict[str, list[Response]] = {protocol: [] for protocol in clients}
        for _ in range(ROUNDS):
            for protocol, client in clients.items():
                answer = await client.ask(request, timeout=run.plan.timeout)
                sample = _make_sample(request, answer, protocol)
                comparison.samples.append(sample)
                run.watch.saw(sample)
                _keep_headers(comparison, protocol, request, answer)
                answers[protocol].append(answer)
        if difference := describe_difference(f"{request.method} {request.path}", answers):
            comparison.differences.append(difference)
    return comparison


def _make_sample(request: Request, answer: Response, protocol: str) -> Sample:
    """A sample that counts a 4xx as right: MISSING_PATH must get one."""
    return Sample(
        endpoint=request.endpoint,
        intended=answer.sent,
        woke=answer.sent,
        sent=answer.sent,
        done=answer.done,
        status=answer.status,
        error="" if 200 <= answer.status < 500 else answer.error,
        mark=answer.mark,
        arm=protocol,
    )


def _keep_headers(
    comparison: ProtocolComparison, protocol: str, request: Request, answer: Response
) -> None:
    source = f"{protocol} {request.method} {request.path}"
    if answer.headers.get("Strict-Transport-Security"):
        comparison.hsts.append(source)
    target = answer.headers.get("Location", "")
    if 300 <= answer.status < 400 and _is_other_protocol(protocol, target):
        comparison.redirects.append(f"{source} to {target}")
    if answer.status:
        comparison.alt_svc[protocol].add(answer.headers.get("Alt-Svc", ""))


def _is_other_protocol(protocol: str, target: str) -> bool:
    """Whether a redirect leads from http to https, or back. Others are the program's own affair."""
    scheme, separator, _ = target.partition("://")
    return bool(separator) and scheme.lower() != protocol


def describe_difference(request: str, answers: Mapping[str, Sequence[Response]]) -> str:
    """How the answers to one request differ between the protocols; empty if they do not.

    One common shape is enough, because nodes may answer differently (one shows the name of its
    host). A body that changes with every answer (it has a token) is not compared. A protocol
    without any answer is no difference: the missing answers count as errors.
    """
    shapes = {
        protocol: {answer_shape(answer) for answer in some if answer.status}
        for protocol, some in answers.items()
    }
    if any(len(shapes[protocol]) == len(some) > 2 for protocol, some in answers.items()):
        shapes = {
            protocol: {shape._replace(body=b"") for shape in some}
            for protocol, some in shapes.items()
        }
    over_http, over_https = shapes[OVER_HTTP], shapes[OVER_HTTPS]
    if not over_http or not over_https or over_http & over_https:
        return ""
    plain, secure = min(over_http), min(over_https)
    if plain.status != secure.status:
        return f"{request} has status {plain.status} over http, {secure.status} over https"
    if plain.content_type != secure.content_type:
        return (
            f"{request} has content type {plain.content_type} over http, {secure.content_type} over"
            " https"
        )
    return f"{request} has another body over https than over http"
