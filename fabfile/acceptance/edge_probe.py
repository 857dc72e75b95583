"""Probe the edge: TLS handshakes, the same answers over http and https, HTTP/3 with two clients."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..engine.addresses import is_ip
from ..engine.errors import RunbookError
from ..traffic.client import Client
from ..traffic.sample import Sample
from .host_facts import CurlAnswer, NodeFacts
from .http3 import ask_over_quic
from .run_state import CheckRun
from .same_answers import ProtocolComparison, compare_protocols
from .tls import Handshake, Secure, shake_hands
from .tls_profile import profile_issues


@dataclass
class EdgeEvidence:
    """What https and HTTP/3 are judged by.

    Attributes:
        secure: the service over TLS.
        handshakes: one for each name that the certificate must cover.
        comparison: the answers over http and https.
        profile_issues: deviations from the TLS profile; None if it could not be checked.
        profile_unchecked: why the TLS profile could not be checked.
        quic: requests over HTTP/3 from this machine.
        curl: the answer over HTTP/3 to a host's curl; None if no host could ask.
        curl_missing: why no host could ask.
    """

    secure: Secure
    handshakes: Sequence[Handshake] = ()
    comparison: ProtocolComparison = field(default_factory=ProtocolComparison)
    profile_issues: Sequence[str] | None = None
    profile_unchecked: str = ""
    quic: Sequence[Sample] = ()
    curl: CurlAnswer | None = None
    curl_missing: str = ""

    @property
    def requests(self) -> int:
        """How many requests were made."""
        by_curl = 1 if self.curl else 0
        return len(self.comparison.samples) + len(self.quic) + by_curl


async def probe_edge(
    run: CheckRun, secure: Secure, tls_client: Client, facts: NodeFacts | None
) -> EdgeEvidence:
    """Run the checks one after the other, without load."""
    evidence = EdgeEvidence(secure)
    evidence.handshakes = [
        await asyncio.to_thread(shake_hands, secure, name) for name in secure.certificate_names
    ]
    if evidence.handshakes[0].error:
        evidence.profile_unchecked = "there was no handshake"
    else:
        evidence.comparison = await compare_protocols(run, tls_client)
        run.watch.phase("the TLS profile", 0)
        try:
            evidence.profile_issues = await asyncio.to_thread(profile_issues, secure)
        except RunbookError as error:
            evidence.profile_unchecked = error.problem
    if secure.http3:
        plan = run.plan
        run.watch.phase("HTTP/3", plan.quic_connections * plan.quic_each)
        evidence.quic = await ask_over_quic(run, secure)
        await asyncio.to_thread(_ask_with_curl, evidence, run.program.health.live.path, facts)
    return evidence


def _ask_with_curl(evidence: EdgeEvidence, path: str, facts: NodeFacts | None) -> None:
    """Ask with a second client, on a host: this machine's curl may not support HTTP/3."""
    if facts is None:
        evidence.curl_missing = "needs the hosts"
        return
    secure = evidence.secure
    url = f"https://{secure.server_name}:{secure.port}{path}"
    address = secure.host if is_ip(secure.host) else ""
    try:
        evidence.curl = facts.curl_http3(url, address)
    except RunbookError as error:
        evidence.curl_missing = error.problem
        return
    if evidence.curl is None:
        evidence.curl_missing = "no host has a curl that supports HTTP/3"
