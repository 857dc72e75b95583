"""Check at the end of a deploy that the service works, with the checks of `fab status`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from ..control.site_front import find_front
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.problem import Problem
from ..engine.waiting import wait_until
from ..health import entrance
from ..health.overview import read_site, select_problems
from ..settings.reach import open_fleet
from ..settings.settings import Settings

SETTLE_SECONDS = 10.0
"""Seconds that the service gets to settle after a change: the checks need 4 to see an edge again,
and an app that died needs 3 to start."""


class Verification(NamedTuple):
    """What is wrong at the end of a deploy, and how many ssh sessions it took to find out."""

    errors: list[RunbookError]
    sessions: int


def verify(settings: Settings, nodes: Sequence[Node], *, failed: bool) -> Verification:
    """Find what is down on `nodes`, or between them and other hosts.

    Waits up to SETTLE_SECONDS until all is well, and longer where a balancer of the provider must
    take note first. After a deploy that `failed` it reads the hosts only once and reports only
    causes, because they may be why the deploy failed.
    """
    names = {node.name for node in nodes}
    with open_fleet(settings, related_hosts(settings, nodes), readonly=True) as fleet:
        found: list[tuple[str, Problem]] = []

        def is_well() -> bool:
            found[:] = select_problems(names, *read_site(settings, fleet))
            return not found

        patience = SETTLE_SECONDS + find_front(settings).notice_seconds
        wait_until(is_well, seconds=0 if failed else patience, every=0.5)
        wanted = [(host, problem) for host, problem in found if problem.cause or not failed]
        return Verification([_error(host, problem) for host, problem in wanted], fleet.sessions)


class EntranceCheck:
    """Checks from this machine whether users are served, in the background.

    It runs while the hosts are surveyed, so a deploy without changes does not take longer.
    """

    def __init__(self, settings: Settings, nodes: Sequence[Node]) -> None:
        self.settings = settings
        self.edges = settings.inventory.having("edge")
        self._problems: Future[list[Problem]] | None = None
        if self.edges and set(self.edges) <= set(nodes):
            pool = ThreadPoolExecutor(1)
            self._problems = pool.submit(entrance.find_entrance_problems, settings)
            pool.shutdown(wait=False)

    def has_doubts(self, serving: Sequence[str]) -> bool:
        """Whether users are not served, or not by as many edges as they should be.

        Args:
            serving: the edges that serve.
        """
        if self._problems is None:
            return False
        return bool(self._problems.result()) or not find_front(self.settings).is_served(
            len(serving)
        )


def related_hosts(settings: Settings, nodes: Sequence[Node]) -> list[Node]:
    """`nodes` and the hosts that matter for them: always the edges, the app nodes behind an edge,
    and the database behind an app node."""
    roles = {role for node in nodes for role in node.roles}
    related = {"edge"}
    if "edge" in roles:
        related.add("app")
    if "app" in roles:
        related.add("postgres")
    return [node for node in settings.inventory.nodes if node in nodes or set(node.roles) & related]


def _error(host: str, problem: Problem) -> RunbookError:
    return RunbookError(
        f"{host}: {problem.message}" if host else problem.message,
        "found at the end of the deploy by the checks of fab status: until this is fixed, the"
        " service is degraded",
        problem.next,
    )
