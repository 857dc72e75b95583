"""The releases that lie on an app node: which there are, which runs, and which was proven there (`fab releases`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..engine.link import Link
from ..engine.shell import Reading, embed_bytes, q
from ..engine.step import PENDING, Change, Step, record_pending
from ..roles import app
from ..settings.settings import Settings
from ..steps.release import PROVEN


@dataclass(frozen=True)
class InstalledRelease:
    """A release on a node. `proven` is when it last passed the gate there (UTC), empty if it never did."""

    id: str
    installed: str
    size: int
    """Bytes of the binary."""
    current: bool
    proven: str


def releases_probe(settings: Settings) -> str:
    """Read-only shell text that prints the node's releases, for `parse_releases`."""
    binary = q(app.binary_name(settings))
    return (
        f"cd {app.ROOT}/releases 2>/dev/null || exit 0\nnow=$(readlink ../current)\n"
        f'for one in *; do\n  [ -f "$one/"{binary} ] || continue\n'
        f'  [ "$now" = "releases/$one" ] && runs=current || runs=-\n'
        f'  printf \'%s %s %s %s %s\\n\' "$one" "$(date -u -r "$one/"{binary} +%Y-%m-%dT%H:%M:%SZ)" '
        f'"$(stat -c %s "$one/"{binary})" "$runs" "$(tr -d \'\\n\' 2>/dev/null <"$one/{PROVEN}")"\ndone; true'
    )


def parse_releases(out: str) -> list[InstalledRelease]:
    """The releases in the output of `releases_probe`, newest first."""
    kept = []
    for line in out.splitlines():
        id, installed, size, runs, proven = [*line.split(" ", 4), ""][:5]
        kept.append(InstalledRelease(id, installed, int(size), runs == "current", _parse_proven(proven)))
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
    """Where to go back to from `bad`: of the releases that lie on all of `nodes`, the one last proven on any; empty: none."""
    if not nodes:
        return ""
    on_all = set.intersection(*({one.id for one in kept} for kept in nodes.values())) - {bad}
    proven = [(one.proven, one.id) for kept in nodes.values() for one in kept if one.proven and one.id in on_all]
    return max(proven)[1] if proven else ""


@dataclass(frozen=True)
class ReleaseProven(Step):
    """The release has passed the gate on this node, since its last restart.

    Stands in a plan for the gate, which only a rollout can do: the node must be out of service, and the others must serve.
    """

    unit: str
    release: str

    @property
    def name(self) -> str:
        """`gate ID`."""
        return f"gate {self.release}"

    @property
    def owed(self) -> str:
        """What a restart owes besides itself: a look at the app before users get it."""
        return f"gate:{self.unit}"

    @property
    def note(self) -> str:
        """The file that says it was proven."""
        return f"{app.ROOT}/releases/{self.release}/{PROVEN}"

    def probe(self) -> str:
        """Whether the note is there, and whether a restart still owes the gate."""
        return f"[ -s {self.note} ] && echo proven\n[ -e {PENDING}/{q(self.unit)}.gate ] && echo owed\ntrue"

    def foresee(self, seen: Reading, owed: Iterable[str]) -> Reading:
        """With the restarts that earlier steps of a plan will owe."""
        return Reading(f"{seen.out}\nowed", seen.code) if self.owed in owed else seen

    def decide(self, seen: Reading) -> Change | None:
        """To the gate, when it is not proven or was restarted since."""
        if "owed" not in seen.out.split() and "proven" in seen.out.split():
            return None
        return Change(f"pass release {self.release} through the gate", ())

    def owe(self) -> str:
        """Script that records, before anything is touched, that this node owes the gate."""
        return record_pending((self.owed,))

    def settle(self, facts: Mapping[str, str]) -> str:
        """Script that notes what was proven; nothing is owed any more."""
        beside = q(f"{self.note}.new")
        text = json.dumps({"release": self.release, **facts}) + "\n"
        return (
            f"{embed_bytes(text.encode(), to=beside)}\nsync {beside}\nmv -f {beside} {self.note}\n"
            f"rm -f {PENDING}/{q(self.unit)}.gate\n"
        )


def proven_step(settings: Settings) -> ReleaseProven:
    """The gate of the pinned release."""
    return ReleaseProven(app.app_unit(settings), settings.app.sha256[:12])
