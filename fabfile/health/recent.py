"""What happened last on a host: a deploy or rollback, and what the healer did."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.host import Node
from ..engine.journal import HOST_JOURNAL
from ..engine.problem import HealthCheck
from ..engine.shell import Reading
from ..records.host_acts import healer_script, parse_act
from ..settings.settings import Settings

PROBE = f"""printf 'deploy=%s\\n' "$(tail -n 500 {HOST_JOURNAL} 2>/dev/null |
  grep -E '"task": "(deploy|rollback)"' | tail -n 1)"
printf 'act=%s\\n' "$({healer_script("-24h", lines=1, seconds=1)})"
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
        elif key == "act" and (act := parse_act("", value)):
            facts["act"] = f"{act.time} {act.text}"
    return facts
