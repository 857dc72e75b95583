"""What is seen of the edge: TLS, the same answers over http and https, HTTP/3 by two clients."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..engine.addresses import is_ip
from ..engine.errors import RunbookError
from ..settings.bingo import SERVICE
from ..traffic.client import Client
from ..traffic.sample import Sample
from .host_facts import CurlAnswer, NodeFacts
from .http3 import ask_over_quic
from .run_state import CheckRun
from .same_answers import Sameness, compare_protocols
from .tls import Handshake, Secure, shake_hands
from .tls_profile import profile_issues


@dataclass
class EdgeEvidence:
    """What https and HTTP/3 are judged by. `issues` is None when the TLS profile could not be
    judged, for `unjudged`.

    `curl` is None when no host's curl knows HTTP/3; `curl_why` when it could not be asked.
    """

    secure: Secure
    shakes: Sequence[Handshake] = ()
    same: Sameness = field(default_factory=Sameness)
    issues: Sequence[str] | None = None
    unjudged: str = ""
    quic: Sequence[Sample] = ()
    curl: CurlAnswer | None = None
    curl_why: str = ""

    @property
    def requests(self) -> int:
        """How many were made."""
        return len(self.same.samples) + len(self.quic) + (self.curl is not None)


async def look_at_edge(
    run: CheckRun, secure: Secure, wire: Client, facts: NodeFacts | None
) -> EdgeEvidence:
    """Run the checks one by one, without load. `wire` is the client over TLS."""
    seen = EdgeEvidence(secure)
    seen.shakes = [await asyncio.to_thread(shake_hands, secure, name) for name in secure.wanted]
    if seen.shakes[0].error:
        seen.unjudged = "nothing to judge"
    else:
        seen.same = await compare_protocols(run, wire)
        run.watch.phase("the TLS profile", 0)
        try:
            seen.issues = await asyncio.to_thread(profile_issues, secure)
        except RunbookError as error:
            seen.unjudged = error.problem
    if secure.http3:
        run.watch.phase("HTTP/3", run.plan.quic_connections * run.plan.quic_each)
        seen.quic = await ask_over_quic(secure, run.plan.quic_connections, run.plan.quic_each)
        await asyncio.to_thread(_ask_curl, seen, facts)
    return seen


def _ask_curl(seen: EdgeEvidence, facts: NodeFacts | None) -> None:
    """The second client, on a host: this machine's curl may know no HTTP/3."""
    if facts is None:
        seen.curl_why = "needs the hosts"
        return
    secure = seen.secure
    address = secure.host if is_ip(secure.host) else ""
    try:
        seen.curl = facts.curl_http3(
            f"https://{secure.called}:{secure.port}{SERVICE.health.path}", address
        )
        seen.curl_why = "" if seen.curl else "no host has a curl that knows HTTP/3"
    except RunbookError as error:
        seen.curl_why = error.problem
