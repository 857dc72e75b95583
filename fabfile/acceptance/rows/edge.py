"""The rows of the edge, R14-R16; each verdict is a pure function of what was seen."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...settings.bingo import SERVICE
from ...traffic.stats import most_allowed, percentile_of
from ..cache_age import OLDEST, Ages, clock_offset, judge_ages
from ..cache_probe import PATH, CacheSeen
from ..edge_probe import EdgeEvidence
from ..http3 import FIRST
from ..row import Figures, Row, Verdict, judge_figures, not_tried, show_ms
from ..same_answers import HTTP, HTTPS
from ..tls import certificate_problems, days_left
from ..tls_profile import PROFILE

FAST, MOST_SLOW = SERVICE.cache.within_seconds, 1 - SERVICE.cache.within_share
"""R16: seconds, and the share of requests that may take as long."""

TLS = ("R14", "https, and http", "the same, no redirect")
HTTP3 = ("R15", "HTTP/3", "200 over QUIC, offered")
CACHE = ("R16", f"GET {PATH}", "75 % < 1 s, ≤ 60 s old")
PLAN = "fab plan"
CERTS = "inv certs.issue, then fab deploy"


def edge_rows(seen: EdgeEvidence | None, why: str) -> list[Row]:
    """R14 and R15; `why` they were not tried, when nothing was seen."""
    if seen is None:
        return [not_tried(*TLS, why), not_tried(*HTTP3, why)]
    return [tls_row(seen), http3_row(seen)]


def tls_row(seen: EdgeEvidence) -> Row:
    """R14: both answer, the same, neither pushes to the other; the certificate and the protocols
    are in order."""
    secure, shakes = seen.secure, seen.shakes
    over = [sample for sample in seen.same.samples if sample.arm == HTTPS]
    figures = Figures.of(over)
    if closed := next((shake for shake in shakes if shake.error), None):
        why = f"{secure.address} does not answer ({closed.error}), asked for {closed.name}"
        return Row(*TLS, Verdict.FAILED, why, PLAN, figures)
    bad = list(dict.fromkeys(_certificate_problem(seen)))
    wrong = [
        *bad,
        *_answer_leaks(seen),
        *(f"not {PROFILE}: {issue}" for issue in seen.issues or ()),
    ]
    verdict, errors = judge_figures(figures, 0.01, timed=False, proof=False)
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
    if wrong:
        return Row(
            *TLS, Verdict.FAILED, "; ".join(wrong), CERTS if bad else PLAN, figures, 0.01, more=more
        )
    if seen.issues is None:
        return Row(
            *TLS,
            Verdict.UNPROVEN,
            f"the TLS profile: {seen.unjudged}",
            "",
            figures,
            0.01,
            more=more,
        )
    return Row(*TLS, Verdict.HELD, "", "", figures, 0.01, notes=_tls_notes(seen), more=more)


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
        return not_tried(*HTTP3, "http3 = false in the site file")
    figures = Figures.of(seen.quic)
    verdict, why = judge_figures(figures, 0.0, timed=False, proof=False)
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
        "alt_svc": sorted(seen.same.alt_svc[HTTPS]),
    }
    if wrong:
        return Row(*HTTP3, Verdict.FAILED, "; ".join(wrong), PLAN, figures, 0.0, more=more)
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
    return Row(*HTTP3, Verdict.HELD, "", "", figures, 0.0, notes=[f"{first}; {second}"], more=more)


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
    for told in sorted(seen.same.alt_svc[HTTPS]):
        ports = re.findall(r'(?:^|[ ,])h3=":(\d+)"', told)
        if str(wanted) not in ports:
            said = f"says {told!r}" if told else "has no Alt-Svc"
            yield f'HTTP/3 is not offered: an https answer {said}, wanted h3=":{wanted}"'
    for told in sorted(filter(None, seen.same.alt_svc[HTTP])):
        yield f"plain http offers {told!r}: it must stay http"


def cache_row(seen: CacheSeen, *, proof: bool) -> Row:
    """R16: fast for most, never old, and only GET is answered from the cache."""
    figures = Figures.of(seen.samples)
    verdict, errors = judge_figures(figures, 0.01, timed=False, proof=False)
    slow = sum(sample.latency >= FAST for sample in seen.samples)
    ages = judge_ages(seen.plain, seen.unique, seen.posted, clock_offset(seen.pings))
    wrong = [errors] if verdict is not Verdict.HELD else []
    if slow > MOST_SLOW * figures.n:
        wrong.append(f"{slow} of {figures.n} took 1 s or more: is the answer kept at all?")
    if ages.surely > OLDEST:
        wrong.append(f"an answer was {max(ages.ages):.0f} s old (by {' and '.join(ages.evidence)})")
    wrong += _post_problem(seen, ages)
    more = _cache_figures(seen, ages, slow, figures.n)
    if wrong:
        return Row(
            *CACHE,
            Verdict.FAILED,
            "; ".join(wrong),
            f"{PLAN}, and look at the edges' cache",
            figures,
            0.01,
            more=more,
        )
    doubts = []
    if proof and slow > (most := most_allowed(figures.n, MOST_SLOW)):
        doubts.append(
            f"{slow} of {figures.n} took 1 s or more: at most {max(most, 0)} would prove ≤ 25 %"
        )
    if not ages.evidence or ages.by_headers:
        said = ", only headers do" if ages.by_headers else ""
        doubts.append(f"the answers do not show how old they are{said}")
    verdict = Verdict.UNPROVEN if doubts else Verdict.HELD
    return Row(
        *CACHE,
        verdict,
        "; ".join(doubts),
        "",
        figures,
        0.01,
        notes=_cache_notes(seen, ages, slow),
        more=more,
    )


def _post_problem(seen: CacheSeen, ages: Ages) -> Iterator[str]:
    """POST must reach the app."""
    kept = {answer.digest for answer in (*seen.plain, *seen.unique)}
    usual = (
        percentile_of(sorted(answer.done - answer.sent for answer in seen.unique), 0.5)
        if seen.unique
        else 0.0
    )
    fast = [
        answer for answer in seen.posted if usual > 0.1 and answer.done - answer.sent < usual / 4
    ]
    if seen.marks:
        yield f"POST {PATH} is answered from the cache ({seen.marks[0]})"
    elif ages.differ and any(answer.digest in kept for answer in seen.posted):
        yield f"POST {PATH} is answered from the cache: its body had been seen before"
    elif fast:
        yield (
            f"POST {PATH} is answered from the cache: in {show_ms(fast[0].done - fast[0].sent)},"
            f" the app takes {show_ms(usual)}"
        )


def _cache_figures(seen: CacheSeen, ages: Ages, slow: int, n: int) -> dict[str, object]:
    parts = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99}
    pattern = seen.pattern
    return {
        "share_under_1s": round(1 - slow / n, 4) if n else None,
        "oldest_s": round(max(ages.ages), 2) if ages.evidence and ages.ages else None,
        "age_s": (
            {name: round(ages.at(share) or 0.0, 2) for name, share in parts.items()}
            if ages.evidence
            else None
        ),
        "evidence": list(ages.evidence),
        "longest_idle_s": round(seen.longest, 1),
        "pattern": {
            "seconds": pattern.seconds,
            "longest_gap_s": pattern.longest,
            "seed": pattern.seed,
        },
    }


def _cache_notes(seen: CacheSeen, ages: Ages, slow: int) -> list[str]:
    times = sorted(sample.latency for sample in seen.samples)
    quick = (
        f"{len(times) - slow} of {len(times)} under 1 s, p75 {show_ms(percentile_of(times, 0.75))}"
    )
    old = (
        f"the oldest answer {max(ages.ages):.1f} s (by {' and '.join(ages.evidence)})"
        if ages.evidence
        else "age unknown"
    )
    notes = [f"{quick}; {old}; longest idle {seen.longest:.0f} s (seed {seen.pattern.seed})"]
    if seen.longest <= OLDEST:
        notes.append(
            f"answers after more than {seen.longest:.0f} s without a request were not tried: fab"
            " check --cache-minutes 10"
        )
    return notes
