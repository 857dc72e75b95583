"""What was done: one act of a person or of a healer, and how acts are put together and chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DONE = "done"
FAILED = "failed"
UNFINISHED = "not finished"
NO_CHANGE = "no change"
NOT_KNOWN = "not known"

HEALER = "healer"
"""Who acts when no person does; also its task."""


@dataclass(frozen=True)
class PastAct:
    """One run of a task, one act of a healer, or one command by hand. The names of the fields are
    keys in the JSON of `fab history`."""

    time: float
    """When it began, in seconds since 1970."""
    who: str
    task: str
    hosts: tuple[str, ...]
    result: str
    """DONE, FAILED, UNFINISHED, NO_CHANGE or NOT_KNOWN."""
    text: str = ""
    """What it changed, or why it failed."""
    reason: str = ""
    """What the operator gave as `--reason`."""
    run: str = ""
    """The id of the run; empty for a healer and by hand."""


def select_acts(
    acts: Iterable[PastAct],
    *,
    hosts: Sequence[str] = (),
    since: float = 0,
    task: str = "",
    failed: bool = False,
) -> list[PastAct]:
    """Return the acts that match every filter, oldest first. Pure.

    Args:
        acts: the acts, in any order.
        hosts: keep acts on one of these hosts; empty: on any.
        since: keep acts from this moment on, in seconds since 1970.
        task: keep this task, also `drill` for each drill; empty: any.
        failed: keep only what failed or did not finish.
    """
    return sorted(
        (
            act
            for act in acts
            if act.time >= since
            and (not hosts or set(hosts) & set(act.hosts))
            and (not task or act.task == task or act.task.startswith(f"{task}."))
            and (not failed or act.result in (FAILED, UNFINISHED))
        ),
        key=lambda act: act.time,
    )
