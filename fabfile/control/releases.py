"""The releases that lie on an app node: which there are, which runs, and which was proven there
(`fab releases`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..engine.link import Link
from ..engine.shell import q
from ..settings.paths import PROVEN, ROOT, binary_name
from ..settings.settings import Settings


@dataclass(frozen=True)
class InstalledRelease:
    """A release on a node. `proven` is when it last passed the gate there (UTC), empty if it
    never did."""

    id: str
    installed: str
    size: int
    """Bytes of the binary."""
    current: bool
    proven: str


def releases_probe(settings: Settings) -> str:
    """Read-only shell text that prints the node's releases, for `parse_releases`."""
    binary = q(binary_name(settings))
    return (
        f"cd {ROOT}/releases 2>/dev/null || exit 0\nnow=$(readlink ../current)\n"
        f'for one in *; do\n  [ -f "$one/"{binary} ] || continue\n'
        f'  [ "$now" = "releases/$one" ] && runs=current || runs=-\n'
        f'  printf \'%s %s %s %s %s\\n\' "$one" "$(date -u -r "$one/"{binary}'
        ' +%Y-%m-%dT%H:%M:%SZ)" '
        f'"$(stat -c %s "$one/"{binary})" "$runs" "$(tr -d \'\\n\' 2>/dev/null'
        f' <"$one/{PROVEN}")"\ndone; true'
    )


def parse_releases(out: str) -> list[InstalledRelease]:
    """The releases in the output of `releases_probe`, newest first."""
    kept = []
    for line in out.splitlines():
        id, installed, size, runs, proven = [*line.split(" ", 4), ""][:5]
        kept.append(
            InstalledRelease(id, installed, int(size), runs == "current", _parse_proven(proven))
        )
    return sorted(kept, key=lambda one: one.installed, reverse=True)


def _parse_proven(text: str) -> str:
    """When; a note that a full disk cut off proves nothing."""
    try:
        return str(json.loads(text)["proven"])
    except (ValueError, KeyError, TypeError):
        return ""


def releases_on(link: Link, settings: Settings) -> list[InstalledRelease]:
    """The releases that lie on `link`'s host.

    Raises:
        Unreachable: it does not answer.
    """
    return parse_releases(link.read([releases_probe(settings)])[0].out)


def current_release(kept: Sequence[InstalledRelease]) -> str:
    """The id of the release that runs; empty on a node that has none."""
    return next((one.id for one in kept if one.current), "")


def previous_release(nodes: Mapping[str, Sequence[InstalledRelease]], bad: str) -> str:
    """Where to go back to from `bad`: of the releases that lie on all of `nodes`, the one last
    proven on any; empty: none."""
    if not nodes:
        return ""
    on_all = set.intersection(*({one.id for one in kept} for kept in nodes.values())) - {bad}
    proven = [
        (one.proven, one.id)
        for kept in nodes.values()
        for one in kept
        if one.proven and one.id in on_all
    ]
    return max(proven)[1] if proven else ""
