"""A release is proven on a node: the part of the gate that a plan can show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..engine.shell import Reading, embed_bytes, q
from ..engine.step import PENDING, Change, Step, record_pending
from ..settings.paths import PROVEN, ROOT, app_unit
from ..settings.settings import Settings


@dataclass(frozen=True)
class ReleaseProven(Step):
    """The release has passed the gate on this node, since its last restart.

    Stands in a plan for the gate, which only a rollout can do: the node must be out of service, and
    the others must serve.
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
        return f"{ROOT}/releases/{self.release}/{PROVEN}"

    def probe(self) -> str:
        """Whether the note is there, and whether a restart still owes the gate."""
        return (
            f"[ -s {self.note} ] && echo proven\n[ -e {PENDING}/{q(self.unit)}.gate ] && echo"
            " owed\ntrue"
        )

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
    return ReleaseProven(app_unit(settings), settings.app.sha256[:12])
