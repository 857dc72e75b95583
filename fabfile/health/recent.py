"""What happened last on a host: a deploy or rollback, and what the healer did."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.host import Node
from ..engine.journal import HOST_JOURNAL
from ..engine.problem import HealthCheck
from ..engine.shell import Reading
from ..roles.healer import HEALER_UNIT
from ..settings.settings import Settings

PROBE = f"""printf 'deploy=%s\\n' "$(tail -n 500 {HOST_JOURNAL} 2>/dev/null |
  grep -E '"task": "(deploy|rollback)"' | tail -n 1)"
printf 'act=%s\\n' "$(timeout 1 journalctl -q --no-pager -o short-unix -u {HEALER_UNIT} \\
  --since -24h --grep ' (done|failed)' -n 1 2>/dev/null)"
true"""
"""Read-only shell text that prints the journal's last line of a deploy, and the healer's last
act of a day."""


def recent_checks(settings: Settings, node: Node) -> Sequence[HealthCheck]:
    """Return a check that judges nothing, and has facts for `fab status`."""
    return [HealthCheck("recent", PROBE, lambda reading: [], read_recent)]


def read_recent(reading: Reading) -> dict[str, str]:
    """Return the facts `deploy` (a line of JSON) and `act` (`SECONDS SENTENCE`), where there are
    any."""
    facts = {}
    for line in reading.out.splitlines():
        key, _, value = line.partition("=")
        if key == "deploy" and value:
            facts["deploy"] = value
        elif key == "act" and value:
            # "1795912397.123 node1 python3[123]: restart done (hang): …"
            moment, _, rest = value.partition(" ")
            facts["act"] = f"{moment} {rest.partition(']: ')[2]}"
    return facts
