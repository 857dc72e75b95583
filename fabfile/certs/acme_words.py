"""What an ACME authority answers, in the words of this project. Pure: the network is in
`acme_client`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ..engine.errors import RunbookError, Unreachable

KEPT = "nothing was installed; the edges keep their present certificate"
"""Why a refused order does no harm."""

AGAIN = "inv certs.renew"

_ADVICE = {
    "dns": "dig {name}   (it must lead to the edges, also from the internet)",
    "connection": (
        "let TCP 80 in from everywhere to the address of {name}; curl"
        " http://{name}/.well-known/acme-challenge/"
    ),
    "unauthorized": "dig {name}   (all its addresses must lead to the edges)",
    "incorrectResponse": "dig {name}   (all its addresses must lead to the edges)",
    "caa": "dig CAA {name}   (it must allow this authority)",
    "rejectedIdentifier": "take {name} out of tls.names and service, or choose another authority",
    "unsupportedIdentifier": "take {name} out of tls.names and service",
}
"""What to do when the authority refuses a name, by the code of its error (RFC 8555, 6.7)."""


@dataclass(frozen=True)
class AcmeRefusal:
    """An error of the authority.

    Attributes:
        code: its last word, such as `rateLimited`; empty if there is none.
        detail: the authority's own words.
        name: the name that it concerns; empty if it concerns the whole order.
        retry_at: not before this time; None if the authority names none.
    """

    code: str
    detail: str
    name: str = ""
    retry_at: datetime | None = None


def explain_refusal(host: str, refusal: AcmeRefusal, account: str) -> RunbookError:
    """The error for what the authority `host` refused.

    Args:
        host: the authority.
        refusal: its error.
        account: the file with our account.
    """
    words = quote_words(refusal.detail) or refusal.code or "no reason"
    later = _name_time(refusal.retry_at)
    if refusal.code == "rateLimited":
        when = f"after {later}" if later else "later, the authority names the limit above"
        return RunbookError(
            f"{host} takes no more orders for now: {words}", KEPT, f"{AGAIN}, {when}"
        )
    if refusal.name:
        advice = _ADVICE.get(refusal.code, "dig {name}").format(name=refusal.name)
        return RunbookError(
            f"{host} does not certify {refusal.name}: {words}", KEPT, f"{advice}; then {AGAIN}"
        )
    if refusal.code in ("unauthorized", "accountDoesNotExist"):
        return RunbookError(
            f"{host} refuses the account of this site: {words}",
            KEPT,
            f"mv {account} {account}.old, then {AGAIN}   (it makes a new account)",
        )
    if refusal.code == "externalAccountRequired":
        return RunbookError(
            f"{host} wants an account that was made on its web page",
            f"this runbook makes its account itself; {KEPT}",
            "set tls.acme.directory to another authority, or use tls.certificate",
        )
    return RunbookError(
        f"{host} refuses the order: {words}",
        KEPT,
        f"{AGAIN}, {f'after {later}' if later else 'later'}",
    )


def quote_words(text: str) -> str:
    """Words of a server in one line: without control characters, at most 300 characters."""
    line = " ".join(re.sub(r"[^\x20-\x7e]+", " ", text).split())
    return line if len(line) <= 300 else f"{line[:299]}…"


def read_retry_after(text: str, now: datetime) -> datetime | None:
    """The time that a Retry-After header names, as seconds or as a date; None without it."""
    if text.strip().isdecimal():
        return now + timedelta(seconds=min(int(text), 10**8))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def choose_answering(results: dict[str, str | RunbookError]) -> Sequence[str]:
    """Return the edges that answer the authority's question.

    An edge that is down is left out, for users and the authority do not reach it either.

    Args:
        results: by edge: `answers`, `down` (nginx does not run), or another answer than the
            token; or the error of an edge that cannot be reached.

    Raises:
        RunbookError: an edge gives another answer, or none answers, or an edge that can be reached
            could not be asked.
    """
    answering = [edge for edge, result in results.items() if result == "answers"]
    for edge, result in results.items():
        if isinstance(result, RunbookError) and not isinstance(result, Unreachable):
            raise result
        if isinstance(result, str) and result not in ("answers", "down"):
            raise RunbookError(
                f"{edge} does not answer the authority's question: {quote_words(result)}",
                "the authority may ask any edge, so nothing was ordered",
                "fab deploy   (it sets up nginx), then inv certs.issue",
            )
    if not answering:
        errors = [error for error in results.values() if isinstance(error, RunbookError)]
        raise (
            errors[0]
            if errors
            else RunbookError(
                f"nginx does not run on {' and '.join(results)}",
                "the authority asks the edges whether the name is ours, so nothing was ordered",
                "fab deploy   (it sets up nginx), then inv certs.issue",
            )
        )
    return answering


def _name_time(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""
