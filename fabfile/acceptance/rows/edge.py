"""The rows of https and HTTP/3, R14 and R15. Pure functions of what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...settings.load import PromisedLoad
from ...settings.requirements import HTTP3, same_over_https
from ..edge_probe import EdgeEvidence
from ..http3 import FIRST_ANSWER
from ..row import Figures, Row, Verdict, judge_figures, not_tried, show_ms
from ..same_answers import OVER_HTTP, OVER_HTTPS
from ..tls import EXPIRED, certificate_problems, days_left
from ..tls_profile import PROFILE

PLAN = "fab plan"
CERTS = "inv certs.issue, then fab deploy"
HSTS = "fab plan; if it shows no difference, switch the header off in the program"

SHOWN_DIFFERENCES = 2
"""How many differences between http and https the row names; more rarely help."""


def edge_rows(load: PromisedLoad, evidence: EdgeEvidence | None, *, why_none: str) -> list[Row]:
    """R14 and R15; `why_none` is the reason if there is no evidence."""
    if evidence is None:
        return [not_tried(same_over_https(load), why_none), not_tried(HTTP3, why_none)]
    return [tls_row(load, evidence), http3_row(evidence)]


def tls_row(load: PromisedLoad, evidence: EdgeEvidence) -> Row:
    """R14: https gives the same answers as http, neither redirects to the other, and certificate
    and TLS profile are in order."""
    secure, handshakes = evidence.secure, evidence.handshakes
    over_https = [s for s in evidence.comparison.samples if s.arm == OVER_HTTPS]
    requirement = same_over_https(load)
    figures, share = Figures.of(over_https), requirement.error_share
    if failed := next((handshake for handshake in handshakes if handshake.error), None):
        why = f"{secure.address} does not answer for {failed.name} ({failed.error})"
        return Row(requirement, Verdict.FAILED, why, PLAN, figures=figures)
    # Each handshake shows the same certificate, so its problems appear once for each name.
    certificate = list(dict.fromkeys(_certificate_problems(evidence)))
    wrong = [*certificate, *_comparison_problems(evidence)]
    wrong += [f"not {PROFILE}: {issue}" for issue in evidence.profile_issues or ()]
    verdict, errors = judge_figures(figures, share, proof=False)
    if verdict is not Verdict.HELD:
        wrong.append(f"over https {errors}")
    more = _tls_figures(evidence, certificate)
    judged = Row(requirement, Verdict.HELD, figures=figures, share=share, more=more)
    if wrong:
        only_hsts = bool(evidence.comparison.hsts) and len(wrong) == 1
        command = CERTS if certificate else HSTS if only_hsts else PLAN
        return replace(judged, verdict=Verdict.FAILED, why="; ".join(wrong), next=command)
    if evidence.profile_issues is None:
        why = f"the TLS profile was not checked: {evidence.profile_unchecked}"
        return replace(judged, verdict=Verdict.UNPROVEN, why=why)
    return replace(judged, notes=[_tls_note(evidence)])


def _certificate_problems(evidence: EdgeEvidence) -> Iterator[str]:
    """What is wrong with the certificates that were shown.

    A self-signed certificate is allowed if no authority is known.
    """
    bundle = evidence.secure.bundle
    for handshake in evidence.handshakes:
        problems = certificate_problems(handshake.leaf, [handshake.name])
        yield from problems
        # An expired certificate fails the verification too; one problem is enough.
        expired = any(EXPIRED in problem for problem in problems)
        if bundle and handshake.distrust and not expired:
            yield (
                f"the certificate was not issued by the authority in {bundle.name}:"
                f" {handshake.distrust}"
            )


def _comparison_problems(evidence: EdgeEvidence) -> Iterator[str]:
    """What is wrong with the answers."""
    comparison = evidence.comparison
    if comparison.redirects:
        yield f"redirected: {comparison.redirects[0]}"
    for difference in comparison.differences[:SHOWN_DIFFERENCES]:
        yield f"answers differ: {difference}"
    if comparison.hsts:
        yield (
            f"Strict-Transport-Security is sent ({comparison.hsts[0]}): browsers will refuse http"
        )


def _tls_figures(evidence: EdgeEvidence, certificate: list[str]) -> dict[str, Any]:
    """The figures for the JSON; `certificate` are the certificate's problems."""
    first, issues = evidence.handshakes[0], evidence.profile_issues
    return {
        "address": evidence.secure.address,
        "certificate": {
            "days_left": days_left(first.leaf),
            "verified": not first.distrust,
            "problems": certificate,
        },
        "http2": first.alpn == "h2",
        "profile": {
            "name": PROFILE,
            "compliant": issues == [],
            "issues": list(issues or ()),
        },
    }


def _tls_note(evidence: EdgeEvidence) -> str:
    first = evidence.handshakes[0]
    if first.distrust:
        trust = f"not verified, no authority is known ({first.distrust})"
    else:
        trust = f"verified for {', '.join(evidence.secure.certificate_names)}"
    http2 = "HTTP/2 is offered" if first.alpn == "h2" else "HTTP/2 is not offered"
    return (
        f"the certificate is {trust}, {days_left(first.leaf)} days left; {PROFILE}: compliant;"
        f" {http2}"
    )


def http3_row(evidence: EdgeEvidence) -> Row:
    """R15: clients get 200 over QUIC, and https alone offers HTTP/3."""
    if not evidence.secure.http3:
        return not_tried(HTTP3, "http3 = false in the site file")
    figures, share = Figures.of(evidence.quic), HTTP3.error_share
    verdict, why = judge_figures(figures, share, proof=False)
    wrong = [] if verdict is Verdict.HELD else [_quic_problem(evidence, why)]
    wrong += _curl_problems(evidence)
    wrong += _alt_svc_problems(evidence)
    more = _http3_figures(evidence)
    judged = Row(HTTP3, Verdict.HELD, figures=figures, share=share, more=more)
    if wrong:
        return replace(judged, verdict=Verdict.FAILED, why="; ".join(wrong), next=PLAN)
    return replace(judged, notes=[_http3_note(evidence)])


def _first_latencies(evidence: EdgeEvidence) -> list[float]:
    """Seconds until the first answer of each connection, handshake included."""
    return [s.latency for s in evidence.quic if s.ok and s.arm == FIRST_ANSWER]


def _http3_figures(evidence: EdgeEvidence) -> dict[str, Any]:
    """The figures for the JSON."""
    curl = evidence.curl
    by_curl: dict[str, Any] | str = evidence.curl_missing
    if curl:
        by_curl = {
            "host": curl.host,
            "version": curl.version,
            "status": curl.status,
            "tries": curl.tries,
        }
    return {
        "first_answers_ms": [round(1000 * time, 1) for time in _first_latencies(evidence)],
        "curl": by_curl,
        "alt_svc": sorted(evidence.comparison.alt_svc[OVER_HTTPS]),
    }


def _http3_note(evidence: EdgeEvidence) -> str:
    latencies, curl = _first_latencies(evidence), evidence.curl
    first = (
        f"{len(latencies)} connections by aioquic, their first answers within"
        f" {show_ms(max(latencies))}"
    )
    if curl is None:
        return f"{first}; no second client: {evidence.curl_missing}"
    retries = f" (at try {curl.tries}: curl itself loses some answers)" if curl.tries > 1 else ""
    return f"{first}; 200 by {curl.version} on {curl.host}{retries}"


def _quic_problem(evidence: EdgeEvidence, why: str) -> str:
    """Failed requests over QUIC. If none was answered, a firewall is the most likely cause."""
    if any(sample.status for sample in evidence.quic) or not evidence.quic:
        return f"over QUIC {why}"
    problem = f"no answer over QUIC ({evidence.quic[0].error})"
    if any(handshake.error for handshake in evidence.handshakes):
        return problem
    return f"{problem}, though TLS over TCP works: {evidence.secure.port}/udp blocked?"


def _curl_problems(evidence: EdgeEvidence) -> Iterator[str]:
    curl = evidence.curl
    if curl and (curl.status != 200 or curl.protocol != "3"):
        result = curl.error or f"status {curl.status} over HTTP/{curl.protocol}"
        yield f"{curl.version} --http3-only on {curl.host}: {result}"


def _alt_svc_problems(evidence: EdgeEvidence) -> Iterator[str]:
    """Every https answer must offer HTTP/3 on the right port, and no http answer may offer it."""
    port, alt_svc = evidence.secure.port, evidence.comparison.alt_svc
    for value in sorted(alt_svc[OVER_HTTPS]):
        if str(port) not in re.findall(r'(?:^|[ ,])h3=":(\d+)"', value):
            found = f"has Alt-Svc {value!r}" if value else "has no Alt-Svc"
            yield f'HTTP/3 is not offered: an https answer {found}, expected h3=":{port}"'
    for value in sorted(alt_svc[OVER_HTTP]):
        if value:
            yield f"plain http has Alt-Svc {value!r}: http must not lead to https"
