"""The answers to an authority's question whether a name is ours (http-01), on every edge."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence

from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.interrupt import protect_undo
from ..engine.shell import q
from ..roles.nginx import CHALLENGES
from ..settings.paths import CURL
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .acme_words import choose_answering, quote_words

PATH = "/.well-known/acme-challenge"
"""Where an authority asks (RFC 8555, 8.3)."""

FORGOTTEN_MINUTES = 60
"""An answer that is older was left by a run that was killed."""


@contextlib.contextmanager
def publish_answers(settings: Settings, answers: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """Let every edge that runs give `answers` (by token) while the block runs; yield their names.

    Each edge was asked by http, as the authority does, before the block begins.

    Raises:
        RunbookError: an edge gives another answer, or none answers.
    """
    with open_fleet(settings, settings.inventory.having("edge")) as fleet:
        results = fleet.each(lambda edge: _publish_on(fleet, edge, settings.edge.port, answers))
        reached = [edge for edge in fleet if isinstance(results[edge.name], str)]
        try:
            yield choose_answering(results)
        finally:
            with protect_undo():
                fleet.each(lambda edge: _remove_from(fleet, edge, answers), reached)


def publish_script(address: str, port: int, answers: Mapping[str, str]) -> str:
    """Script that writes the answers on an edge, then asks the edge itself for each.

    It prints `answers`, or `down` if nginx does not listen, or the answer that is wrong.
    """
    folder = f"{CHALLENGES}{PATH}"
    lines = [
        "set -eu; umask 022",
        f"mkdir -p {folder}; find {folder} -type f -mmin +{FORGOTTEN_MINUTES} -delete",
    ]
    for token, answer in answers.items():
        lines += [
            f"printf %s {q(answer)} >{folder}/{token}",
            f"got=$({CURL}{address} -sS --max-time 5 http://{address}:{port}{PATH}/{token} 2>&1)"
            " || { code=$?",
            # 7: nobody listens. Users do not reach this edge, so the authority does not either.
            '  if [ "$code" = 7 ]; then echo down; else printf %s "$got"; fi; exit 0; }',
            f'[ "$got" = {q(answer)} ] || {{ printf "%.200s" "$got"; exit 0; }}',
        ]
    return "\n".join([*lines, "echo answers"])


def _publish_on(fleet: Fleet, edge: Node, port: int, answers: Mapping[str, str]) -> str:
    if bad := [token for token in answers if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", token)]:
        # It becomes a file name on the hosts.
        raise RunbookError(
            f"the authority names a token that cannot be right: {quote_words(bad[0])}",
            "nothing was written",
            "set tls.acme.directory to another authority",
        )
    result = fleet.link(edge).run(publish_script(edge.address, port, answers))
    return result.out.strip() or "an empty answer"


def _remove_from(fleet: Fleet, edge: Node, answers: Mapping[str, str]) -> None:
    files = " ".join(f"{CHALLENGES}{PATH}/{token}" for token in answers)
    fleet.link(edge).run(f"rm -f {files}")
