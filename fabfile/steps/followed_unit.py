"""A systemd unit on an app node that does one long piece of work, like seeding. It survives a lost
connection and keeps its result, so the next run follows it and does not start it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.messages import quote_output
from ..engine.shell import Reading
from ..settings.reach import host_address
from ..settings.settings import Settings


class WorkState(StrEnum):
    """The state of such a unit."""

    ABSENT = "absent"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class FollowedUnit:
    """The unit `name`.service, which does `work`.

    `risk` says why an unclear state stops everything, `again` is the command that starts the work.
    """

    name: str
    work: str
    risk: str
    again: str

    def read_state(self, node: Link) -> WorkState:
        """The state of the unit on `node`; raises as `parse_state`."""
        return self.parse_state(node.name, node.read([self.state_probe()])[0])

    def state_probe(self) -> str:
        """Read-only shell text for `parse_state`."""
        return f"systemctl show -p LoadState,SubState,Result {self.name}.service"

    def parse_state(self, host: str, seen: Reading) -> WorkState:
        """Pure: the state of the unit from the output of `state_probe`.

        Raises:
            RunbookError: the output is not clear. What the caller does next cannot be undone, so a
            guess is not allowed.
        """
        state = dict(line.split("=", 1) for line in seen.out.splitlines() if "=" in line)
        found = state.get("LoadState"), state.get("SubState"), state.get("Result")
        match found:
            case _ if seen.code != 0 or None in found:
                pass
            case "loaded", "start" | "start-pre" | "start-post" | "running", _:
                return WorkState.RUNNING
            case "loaded", "exited", "success":
                return WorkState.FINISHED
            case "loaded", "failed", _:
                return WorkState.FAILED
            case "not-found" | "loaded", "dead", _:
                return WorkState.ABSENT
        raise RunbookError(
            f"{host}: the state of the {self.work} is not clear from"
            f" {quote_output(seen.out) or 'no answer'}",
            self.risk,
            f"on {host}: systemctl status {self.name}.service; when it has ended: {self.again}",
        )

    def read_end(self, node: Link) -> tuple[str, str]:
        """How the unit ended in systemd's words, and the last lines that its process printed."""
        probe = (
            f"systemctl show -p Result --value {self.name}.service; journalctl -u {self.name} -n 3"
            " -o cat --no-pager"
        )
        result, _, output = node.read([probe])[0].out.partition("\n")
        return result, quote_output(output)

    def stop_script(self) -> str:
        """Script that stops the unit and discards its result."""
        return (
            f"systemctl stop {self.name}.service 2>/dev/null; systemctl reset-failed"
            f" {self.name}.service 2>/dev/null; true\n"
        )


@contextmanager
def open_app_node(settings: Settings) -> Iterator[Link]:
    """A connection to the app node that does such work: the first one of the site file."""
    node = Link(host_address(settings, settings.inventory.first_having("app")))
    try:
        yield node
    finally:
        node.close()
