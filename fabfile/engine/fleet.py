"""Work on several hosts in parallel, with one link per host and errors collected per host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from . import interrupt
from .errors import RunbookError
from .host import Node
from .link import Link

T = TypeVar("T")


class Fleet:
    """The links to the hosts of a task; use as a context manager.

    A link opens at its first use. All links are closed together.
    """

    def __init__(self, nodes: Iterable[Node], connect: Callable[[Node], Link]) -> None:
        """`connect` makes the link to a host, without opening it."""
        self.nodes = tuple(nodes)
        self.links = {node.name: connect(node) for node in self.nodes}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *exc: object) -> None:
        for link in self.links.values():
            link.close()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def link(self, node: Node) -> Link:
        """The link to `node`."""
        return self.links[node.name]

    def node(self, name: str) -> Node:
        """The host called `name`."""
        return next(node for node in self.nodes if node.name == name)

    def having(self, *roles: str) -> tuple[Node, ...]:
        """The hosts of this fleet that have at least one of `roles`."""
        return tuple(node for node in self.nodes if set(roles) & set(node.roles))

    def leave_out(self, names: Iterable[str]) -> None:
        """Forget these hosts: nothing more is done on them. Their links are closed."""
        gone = set(names)
        self.nodes = tuple(node for node in self.nodes if node.name not in gone)
        for name in gone & set(self.links):
            self.links.pop(name).close()

    def each(
        self, work: Callable[[Node], T], nodes: Iterable[Node] | None = None
    ) -> dict[str, T | RunbookError]:
        """Run `work` for every host of `nodes` (default: all) in parallel.

        Returns, by host name, the result of `work` or the RunbookError that it raised.
        """
        chosen = tuple(self.nodes if nodes is None else nodes)
        if not chosen:
            return {}

        def catch_error(node: Node) -> T | RunbookError:
            try:
                return work(node)
            except RunbookError as error:
                return error

        contexts = [copy_context() for _ in chosen]  # for the purpose in scripts.py
        with ThreadPoolExecutor(len(chosen)) as pool:
            try:
                return dict(
                    zip(
                        (node.name for node in chosen),
                        pool.map(
                            lambda node, context: context.run(catch_error, node), chosen, contexts
                        ),
                        strict=True,
                    )
                )
            except KeyboardInterrupt:
                # Aborted: the workers still wait for their hosts. A closed link ends their wait.
                if not interrupt.step_may_finish():
                    for node in chosen:
                        self.links[node.name].close()
                raise

    @property
    def sessions(self) -> int:
        """ssh sessions (channels) opened so far, all hosts together."""
        return sum(link.sessions for link in self.links.values())


def failed_hosts(results: Mapping[str, object]) -> dict[str, RunbookError]:
    """The failures among the results of `Fleet.each`."""
    return {name: result for name, result in results.items() if isinstance(result, RunbookError)}


def raise_first(results: Mapping[str, object]) -> None:
    """Raise the first failure among the results of `Fleet.each`, if there is one."""
    for error in failed_hosts(results).values():
        raise error
