"""The whole site at one moment: every host asked, and what only all of them together show. For
`fab status`, and for a deploy's end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.problem import Problem
from ..settings.settings import Settings
from . import entrance, network
from .host import HostStatus, read_host, unreachable_host
from .verdict import address_problem


def ask_site(settings: Settings, fleet: Fleet) -> tuple[list[HostStatus], list[Problem]]:
    """Each host of `fleet`, and what is wrong with no single one of them. One session a host, all
    at once.

    What one host says of another is left out where the network between them explains it.
    """
    whole = set(settings.inventory.having("edge")) <= set(fleet.nodes)
    with ThreadPoolExecutor(1) as aside:
        outside = aside.submit(entrance.problems, settings) if whole else None
        seen = fleet.each(lambda node: read_host(settings, fleet, node))
        hosts = [
            unreachable_host(settings, name, result) if isinstance(result, RunbookError) else result
            for name, result in seen.items()
        ]
        site = site_problems(settings, hosts, outside.result() if outside else [])
    explained = {name for problem in site if problem.cause for name in problem.about}
    for host in hosts:
        host.problems = [
            one
            for one in host.problems
            if one.cause or not one.about or not explained.issuperset(one.about)
        ]
    return hosts, site


def site_problems(
    settings: Settings, hosts: Sequence[HostStatus], outside: Sequence[Problem]
) -> list[Problem]:
    """What only all `hosts` together show, then what users see from `outside`. Pure."""
    views = {host.host: host.network for host in hosts if host.reachable}
    found = network.problems(
        settings, views, lost=[host.host for host in hosts if not host.reachable]
    )
    edges = [host.edge for host in hosts if host.edge]
    if edges and len(edges) == len(settings.inventory.having("edge")):
        address = address_problem(settings.edge.address, edges)
        found += [address] if address else []
        if address and not any(edge.holds for edge in edges):
            return found  # nobody there who could answer: no need to say it for each port
    return [*found, *outside]


def concerning(
    names: Collection[str], hosts: Sequence[HostStatus], site: Sequence[Problem]
) -> Iterator[tuple[str, Problem]]:
    """What is down on the hosts called `names`, or between them and others, with the host that
    says it."""
    for problem in site:
        if problem.down and set(problem.about) & set(names):
            yield "", problem
    for host in hosts:
        for problem in host.problems:
            if problem.down and set(problem.about or (host.host,)) & set(names):
                yield host.host, problem
