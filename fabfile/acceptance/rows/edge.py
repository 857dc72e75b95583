"""The rows of https and HTTP/3; each verdict is a pure function of what was seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ...settings.requirements import HTTP3, HTTPS
from ..edge_probe import EdgeEvidence
from ..http3 import FIRST
from ..row import Figures, Row, Verdict, judge_figures, not_tried, show_ms
from ..same_answers import OVER_HTTP, OVER_HTTPS
from ..tls import certificate_problems, days_left
from ..tls_profile import PROFILE

PLAN = "fab plan"
CERTS = "inv certs.issue, then fab deploy"


def edge_rows(seen: EdgeEvidence | None, why: str) -> list[Row]:
    """R14 and R15; `why` they were not tried, when nothing was seen."""
    if seen is None:
        return [not_tried(HTTPS, why), not_tried(HTTP3, why)]
    return [tls_row(seen), http3_row(seen)]


def tls_row(seen: EdgeEvidence) -> Row:
    """R14: both answer, the same, neither pushes to the other; the certificate and the protocols
    are in order."""
    secure, shakes = seen.secure, seen.shakes
    over = [sample for sample in seen.same.samples if sample.arm == OVER_HTTPS]
    figures = Figures.of(over)
    if closed := next((shake for shake in shakes if shake.error), None):
        why = f"{secure.address} does not answer ({closed.error}), asked for {closed.name}"
        return Row(HTTPS, Verdict.FAILED, why, PLAN, figures=figures)
    bad = list(dict.fromkeys(_certificate_problem(seen)))
    wrong = [
        *bad,
        *_answer_leaks(seen),
        *(f"not {PROFILE}: {issue}" for issue in seen.issues or ()),
    ]
    share = HTTPS.error_share
    verdict, errors = judge_figures(figures, share, timed=False, proof=False)
    if verdict is not Verdict.HELD:
        wrong.append(f"over https {errors}")
    more = {
        "address": secure.address,
        "certificate": {
            "days_left": days_left(shakes[0].leaf),
            "verified": not shakes[0].distrust,
            "problems": bad,
        },
        "http2": shakes[0].alpn == "h2",
        "profile": {
            "name": PROFILE,
            "compliant": seen.issues == [],
            "issues": list(seen.issues or ()),
        },
    }
    judged = Row(HTTPS, Verdict.HELD, figures=figures, share=share, more=more)
    if wrong:
        return replace(
            judged,
            verdict=Verdict.FAILED,
            why="; ".join(wrong),
            next=CERTS if bad else PLAN,
        )
    if seen.issues is None:
        why = f"the TLS profile: {seen.unjudged}"
        return replace(judged, verdict=Verdict.UNPROVEN, why=why)
    return replace(judged, notes=_tls_notes(seen))


def _certificate_problem(seen: EdgeEvidence) -> Iterator[str]:
    """What is wrong with any certificate that was shown. Without an authority of our own,
    self-signed is allowed."""
    for shake in seen.shakes:
        found = certificate_problems(shake.leaf, [shake.name])
        yield from found
        if seen.secure.bundle and shake.distrust and not any(" expired " in text for text in found):
            yield (
                f"the certificate was not issued by the authority in {seen.secure.bundle.name}:"
                f" {shake.distrust}"
            )


def _answer_leaks(seen: EdgeEvidence) -> Iterator[str]:
    """What answers give away."""
    same = seen.same
    yield from (f"it redirects {said[0]}" for said in [same.redirects] if said)
    yield from (f"answers differ: {said}" for said in same.different[:2])
    yield from (
        f"Strict-Transport-Security is sent ({said[0]}): browsers will refuse http"
        for said in [same.hsts]
        if said
    )


def _tls_notes(seen: EdgeEvidence) -> list[str]:
    first = seen.shakes[0]
    trust = f"verified for {', '.join(seen.secure.wanted)}"
    if first.distrust:
        trust = f"not verified, no authority is known ({first.distrust})"
    http2 = "HTTP/2 is offered" if first.alpn == "h2" else "HTTP/2 is not offered"
    return [
        f"the certificate is {trust}, {days_left(first.leaf)} days left; {PROFILE}: compliant;"
        f" {http2}"
    ]


def http3_row(seen: EdgeEvidence) -> Row:
    """R15: a real client gets 200 over QUIC, a second one too where there is one, and https
    (only) offers it."""
    secure = seen.secure
    if not secure.http3:
        return not_tried(HTTP3, "http3 = false in the site file")
    figures = Figures.of(seen.quic)
    verdict, why = judge_figures(figures, HTTP3.error_share, timed=False, proof=False)
    wrong = [] if verdict is Verdict.HELD else [_no_quic(seen, why)]
    curl = seen.curl
    if curl and (curl.status != 200 or curl.protocol != "3"):
        said = curl.error or f"status {curl.status} over HTTP/{curl.protocol}"
        wrong.append(f"{curl.version} --http3-only on {curl.host}: {said}")
    wrong += _alt_svc_problem(seen)
    firsts = [sample.latency for sample in seen.quic if sample.ok and sample.arm == FIRST]
    more = {
        "first_answers_ms": [round(1000 * seconds, 1) for seconds in firsts],
        "curl": (
            {
                "host": curl.host,
                "version": curl.version,
                "status": curl.status,
                "tries": curl.tries,
            }
            if curl
            else seen.curl_why
        ),
        "alt_svc": sorted(seen.same.alt_svc[OVER_HTTPS]),
    }
    judged = Row(HTTP3, Verdict.HELD, figures=figures, share=HTTP3.error_share, more=more)
    if wrong:
        return replace(judged, verdict=Verdict.FAILED, why="; ".join(wrong), next=PLAN)
    first = (
        f"{len(firsts)} connections by aioquic, their first answers within {show_ms(max(firsts))}"
    )
    again = (
        f" (at try {curl.tries}: it loses some answers itself)" if curl and curl.tries > 1 else ""
    )
    second = (
        f"200 by {curl.version} on {curl.host}{again}"
        if curl
        else f"no second client: {seen.curl_why}"
    )
    return replace(judged, notes=[f"{first}; {second}"])


def _no_quic(seen: EdgeEvidence, why: str) -> str:
    """Nothing at all over UDP is most often a firewall."""
    if any(sample.status for sample in seen.quic) or not seen.quic:
        return f"over QUIC {why}"
    tcp = not any(shake.error for shake in seen.shakes)
    guess = f", though TLS over TCP works: {seen.secure.port}/udp blocked?" if tcp else ""
    return f"no answer over QUIC ({seen.quic[0].error}){guess}"


def _alt_svc_problem(seen: EdgeEvidence) -> Iterator[str]:
    """Alt-Svc on every https answer, with the right port, and on no http answer."""
    wanted = seen.secure.port
    for told in sorted(seen.same.alt_svc[OVER_HTTPS]):
        ports = re.findall(r'(?:^|[ ,])h3=":(\d+)"', told)
        if str(wanted) not in ports:
            said = f"says {told!r}" if told else "has no Alt-Svc"
            yield f'HTTP/3 is not offered: an https answer {said}, wanted h3=":{wanted}"'
    for told in sorted(filter(None, seen.same.alt_svc[OVER_HTTP])):
        yield f"plain http offers {told!r}: it must stay http"
