"""Acceptance: does the service do what its requirements ask, as seen by its users over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .facts import CurlAnswer, DatabaseFacts, LogBound, NodeFacts
from .plan import FULL, QUICK, Plan, with_cache_for
from .tls import Secure

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "FULL",
    "QUICK",
    "CurlAnswer",
    "DatabaseFacts",
    "LogBound",
    "NodeFacts",
    "Plan",
    "Secure",
    "check",
    "with_cache_for",
]


def check(
    address: str,
    *,
    quick: bool = False,
    json_path: str | None = None,
    facts: NodeFacts | None = None,
    secure: Secure | None = None,
    console: Console | None = None,
    plan: Plan | None = None,
) -> int:
    """Measure the service at `address` and show the verdicts; 0 when all held (or could not be tried), else 1.

    Args:
        address: `http://HOST[:PORT]` or `HOST[:PORT]`.
        quick: half a minute instead of some; see `plan` for what each still proves.
        json_path: where the figures go for machines; `-` is standard output, and all else then goes to standard error.
        facts: who can look at the hosts for R15, R18, R20 and R22.
        secure: the same service over TLS, for R14 and R15; they are not tried without it.
        console: where people look; standard output if not given.
        plan: other sizes than `quick` chooses.

    Raises:
        Unreachable: nothing answers at the address (exit code 4).
        RunbookError: the address is none, or the JSON cannot be written.
    """
    import asyncio

    from rich.console import Console

    from .export import refuse_bad_path, write_json
    from .report import show
    from .run import measure
    from .view import LiveView

    screen = Console(stderr=True) if json_path == "-" else console or Console()
    if json_path:
        refuse_bad_path(json_path)
    with LiveView(screen) as view:
        outcome = asyncio.run(measure(address, plan or (QUICK if quick else FULL), view, facts, secure))
    show(outcome, screen)
    if json_path:
        write_json(outcome, json_path)
    return 0 if outcome.ok else 1
