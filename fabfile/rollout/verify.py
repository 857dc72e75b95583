"""The end of a deploy: the site as `fab status` sees it. Steps that all succeeded are no service
yet."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.problem import Problem
from ..engine.waiting import wait_until
from ..health import entrance
from ..health.overview import read_site, select_problems
from ..settings.reach import open_fleet
from ..settings.settings import Settings

SETTLE = 10.0
"""Seconds that what was just changed gets to be well: an edge needs 4 to be seen again, an app
that died 3 to start."""


class Verification(NamedTuple):
    """What is wrong at the end, and the sessions it took to see it."""

    errors: list[RunbookError]
    sessions: int


def verify(settings: Settings, nodes: Sequence[Node], *, failed: bool) -> Verification:
    """What is down on `nodes`, or between them and others. Waits until all is well, for SETTLE
    seconds at most.

    After a deploy that `failed` it asks once, and only for causes: they may be why it failed.
    """
    names = {node.name for node in nodes}
    with open_fleet(settings, concerned(settings, nodes), readonly=True) as fleet:
        found: list[tuple[str, Problem]] = []

        def is_well() -> bool:
            found[:] = select_problems(names, *read_site(settings, fleet))
            return not found

        wait_until(is_well, seconds=0 if failed else SETTLE, every=0.5)
        wanted = [(host, problem) for host, problem in found if problem.cause or not failed]
        return Verification([_error(host, problem) for host, problem in wanted], fleet.sessions)


class Outside:
    """Whether users are served, asked from this machine while the hosts are surveyed: it costs a
    deploy without work nothing."""

    def __init__(self, settings: Settings, nodes: Sequence[Node]) -> None:
        self.settings = settings
        self.edges = settings.inventory.having("edge")
        self._asked: Future[list[Problem]] | None = None
        if self.edges and set(self.edges) <= set(nodes):
            pool = ThreadPoolExecutor(1)
            self._asked = pool.submit(entrance.find_entrance_problems, settings)
            pool.shutdown(wait=False)

    def doubtful(self, holders: Sequence[str]) -> bool:
        """Whether users are not served, or not exactly one edge holds the floating address: a
        reason to ask all hosts more."""
        if self._asked is None:
            return False
        return bool(self._asked.result()) or (
            bool(self.settings.edge.address) and len(holders) != 1
        )


def concerned(settings: Settings, nodes: Sequence[Node]) -> list[Node]:
    """`nodes` and those that they have to do with: the edges, the app nodes behind edges, the
    database behind app nodes."""
    roles = {role for node in nodes for role in node.roles}
    also = (
        {"edge"}
        | ({"app"} if "edge" in roles else set())
        | ({"postgres"} if "app" in roles else set())
    )
    return [node for node in settings.inventory.nodes if node in nodes or set(node.roles) & also]


def _error(host: str, problem: Problem) -> RunbookError:
    return RunbookError(
        f"{host}: {problem.message}" if host else problem.message,
        "seen at the end of the deploy, as fab status sees it: until this is fixed the service is"
        " degraded",
        problem.next,
    )
