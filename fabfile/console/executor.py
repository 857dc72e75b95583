"""Run `fab -H a,b TASK` as one call that gets all hosts. fabric.yaml names this executor.

Fabric's own executor makes one call per host, stops at the first failure and has no summary.
"""

from __future__ import annotations

from typing import Any

import fabric
import invoke
from invoke.exceptions import Exit


class RolloutExecutor(fabric.Executor):  # type: ignore[misc]
    """Puts the names given by -H into `c.config.hosts`, and calls each task once."""

    def expand_calls(self, calls: list[Any], apply_hosts: bool = True) -> list[Any]:
        """The calls without a copy for each host: the hosts are in the configuration.

        Raises:
            Exit: a shell command was given (`fab -H a -- COMMAND`).
        """
        given = self.core[0].args.hosts.value or ""
        self.config.hosts = [name.strip() for name in given.split(",") if name.strip()]
        if self.core.remainder:
            raise Exit(
                "this runbook runs tasks, not shell commands; for a shell on a host use ssh (in the"
                " lab: inv lab.ssh NAME)",
                1,
            )
        expanded: list[Any] = invoke.Executor.expand_calls(self, calls)
        return expanded
