"""The step that shows in a plan whether a release has passed the health gate on a node."""

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
    """The release has passed the health gate on this node since the app's last restart.

    The step only announces the gate in a plan; a rollout runs the gate, because the node must be
    drained while the other nodes serve.
    """

    unit: str
    release: str

    @property
    def name(self) -> str:
        """`gate ID`."""
        return f"gate {self.release}"

    @property
    def notification(self) -> str:
        """The notification of a step after which the release must pass the gate again."""
        return f"gate:{self.unit}"

    @property
    def proof_file(self) -> str:
        """The file on the host that records that the release passed the gate."""
        return f"{ROOT}/releases/{self.release}/{PROVEN}"

    def probe(self) -> str:
        """Print `proven` when the proof file exists, and `pending` when the gate is pending."""
        return (
            f"[ -s {self.proof_file} ] && echo proven\n"
            f"[ -e {PENDING}/{q(self.unit)}.gate ] && echo pending\ntrue"
        )

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """Add the gate that earlier steps of the plan make pending."""
        if self.notification in planned:
            return Reading(f"{seen.out}\npending", seen.code)
        return seen

    def is_proven(self, seen: Reading) -> bool:
        """Whether the release has passed the gate and no gate is pending."""
        words = seen.out.split()
        return "proven" in words and not self.is_pending(seen)

    def is_pending(self, seen: Reading) -> bool:
        """Whether something changed since the release last passed the gate."""
        return "pending" in seen.out.split()

    def decide(self, seen: Reading) -> Change | None:
        """Announce the gate for a release that is not proven; the change has no commands."""
        if self.is_proven(seen):
            return None
        return Change(f"pass release {self.release} through the gate", ())

    def mark_pending_script(self) -> str:
        """Script that records that the gate is pending on this node.

        It runs before the app is touched, so a killed rollout cannot skip the gate.
        """
        return record_pending((self.notification,))

    def record_proof_script(self, facts: Mapping[str, str]) -> str:
        """Script that writes the proof file with `facts` and removes the pending gate."""
        new_file = q(f"{self.proof_file}.new")
        text = json.dumps({"release": self.release, **facts}) + "\n"
        return (
            f"{embed_bytes(text.encode(), to=new_file)}\nsync {new_file}\n"
            f"mv -f {new_file} {self.proof_file}\n"
            f"rm -f {PENDING}/{q(self.unit)}.gate\n"
        )


def proven_step(settings: Settings) -> ReleaseProven:
    """The step for the release that the site file pins."""
    return ReleaseProven(app_unit(settings), settings.app.sha256[:12])
