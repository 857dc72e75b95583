"""The status of the site: each host, and the problems that only all hosts together show.

`fab status` uses it, and a deploy at its end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.problem import Problem
from ..settings.settings import Settings
from . import entrance, network
from .host import HostStatus, read_host, unreachable_host
from .verdict import find_address_problem, find_split_views


def read_site(settings: Settings, fleet: Fleet) -> tuple[list[HostStatus], list[Problem]]:
    """Return the status of each host of `fleet`, and the problems of the site.

    It reads all hosts at once, each in a single session. A problem that a host reports about
    another is left out if the network between them explains it.
    """
    all_edges = set(settings.inventory.having("edge")) <= set(fleet.nodes)
    with ThreadPoolExecutor(1) as pool:
        # This machine calls the service while it reads the hosts, so that both take place at once.
        outside = pool.submit(entrance.find_entrance_problems, settings) if all_edges else None
        seen = fleet.each(lambda node: read_host(settings, fleet, node))
        hosts = [
            unreachable_host(settings, name, result) if isinstance(result, RunbookError) else result
            for name, result in seen.items()
        ]
        site = find_site_problems(settings, hosts, outside.result() if outside else [])
    drop_explained(hosts, site)
    return hosts, [*site, *(alert for host in hosts for alert in host.alerts)]


def drop_explained(hosts: Sequence[HostStatus], site: Sequence[Problem]) -> None:
    """Drop what hosts report about a host whose trouble is explained: by a problem of the site, or
    because it does not answer. Pure but for `hosts`."""
    explained = {name for problem in site if problem.cause for name in problem.about}
    explained |= {host.host for host in hosts if not host.reachable}
    for host in hosts:
        host.problems = [
            problem
            for problem in host.problems
            if problem.cause or not problem.about or not explained.issuperset(problem.about)
        ]


def find_site_problems(
    settings: Settings, hosts: Sequence[HostStatus], outside: Sequence[Problem]
) -> list[Problem]:
    """Return the problems that only all `hosts` together show, then those of `outside`. Pure.

    `outside` are the problems that this machine has when it calls the service.
    """
    views = {host.host: host.network for host in hosts if host.reachable}
    found = network.find_network_problems(
        settings, views, unreachable=[host.host for host in hosts if not host.reachable]
    )
    found += find_split_views({host.host: host.servers for host in hosts if host.edge})
    edges = [host.edge for host in hosts if host.edge]
    if edges and len(edges) == len(settings.inventory.having("edge")):
        address = find_address_problem(settings.edge.address, edges)
        found += [address] if address else []
        if address and not any(edge.serves for edge in edges):
            return found  # no edge can answer: do not repeat it for each port
    return [*found, *outside]


def select_problems(
    names: Collection[str], hosts: Sequence[HostStatus], site: Sequence[Problem]
) -> Iterator[tuple[str, Problem]]:
    """Yield what is down on the hosts called `names`, or between them and others, with the name of
    the host that reports it (empty for the site)."""
    for problem in site:
        if problem.down and set(problem.about) & set(names):
            yield "", problem
    for host in hosts:
        for problem in host.problems:
            if problem.down and set(problem.about or (host.host,)) & set(names):
                yield host.host, problem
