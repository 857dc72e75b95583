"""Read the releases on an app node: which are installed, which runs, and which passed the gate."""

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
    """A release on an app node. Times are UTC."""

    id: str
    installed: str
    """When the binary was installed."""
    size: int
    """Bytes of the binary."""
    current: bool
    """Whether this release runs."""
    proven: str
    """When the release last passed the gate on this node; empty if never."""


def releases_probe(settings: Settings) -> str:
    """Read-only shell text that prints the releases on a node; `parse_releases` reads its
    output."""
    binary = q(binary_name(settings))
    return (
        f"cd {ROOT}/releases 2>/dev/null || exit 0\nnow=$(readlink ../current)\n"
        f'for id in *; do\n  [ -f "$id/"{binary} ] || continue\n'
        f'  [ "$now" = "releases/$id" ] && runs=current || runs=-\n'
        f'  printf \'%s %s %s %s %s\\n\' "$id" "$(date -u -r "$id/"{binary}'
        ' +%Y-%m-%dT%H:%M:%SZ)" '
        f'"$(stat -c %s "$id/"{binary})" "$runs" "$(tr -d \'\\n\' 2>/dev/null'
        f' <"$id/{PROVEN}")"\ndone; true'
    )


def parse_releases(out: str) -> list[InstalledRelease]:
    """Parse the output of `releases_probe`; the newest release comes first."""
    installed_releases = []
    for line in out.splitlines():
        id, installed, size, runs, proven = [*line.split(" ", 4), ""][:5]
        installed_releases.append(
            InstalledRelease(
                id,
                installed,
                size=int(size),
                current=runs == "current",
                proven=_parse_proven(proven),
            )
        )
    return sorted(installed_releases, key=lambda release: release.installed, reverse=True)


def _parse_proven(text: str) -> str:
    """The time in a proof file. A file that a full disk truncated counts as no proof."""
    try:
        return str(json.loads(text)["proven"])
    except (ValueError, KeyError, TypeError):
        return ""


def read_releases(link: Link, settings: Settings) -> list[InstalledRelease]:
    """The releases on `link`'s host, the newest first.

    Raises:
        Unreachable: the host does not answer.
    """
    return parse_releases(link.read([releases_probe(settings)])[0].out)


def current_release(installed: Sequence[InstalledRelease]) -> str:
    """The id of the release that runs; empty on a node without one."""
    return next((release.id for release in installed if release.current), "")


def previous_release(nodes: Mapping[str, Sequence[InstalledRelease]], bad: str) -> str:
    """The release to roll back to from `bad`; empty when there is none.

    It is installed on all of `nodes`, and of these releases it passed the gate last, on any node.
    """
    if not nodes:
        return ""
    ids = [{release.id for release in installed} for installed in nodes.values()]
    on_all = set.intersection(*ids) - {bad}
    proven = [
        (release.proven, release.id)
        for installed in nodes.values()
        for release in installed
        if release.proven and release.id in on_all
    ]
    return max(proven)[1] if proven else ""
