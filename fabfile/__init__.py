"""The menu of `fab`. The tasks are in menu/, their work is in flows/ and rollout/.

Exit codes of every task: 0 done, 1 failed, 2 differences found, 3 locked, 4 unreachable, 5 rolled
back, 130 interrupted.
"""

from __future__ import annotations

from invoke import Collection

from .engine.terminal import accept_any_encoding, end_with_reader
from .menu import drills, incidents, on_call, releases, seeing, service

# Before `fab --list` prints.
accept_any_encoding()
end_with_reader()

namespace = Collection(
    releases.deploy,
    releases.preflight,
    releases.plan,
    releases.releases,
    releases.rollback,
    on_call.status,
    seeing.history,
    seeing.logs,
    seeing.top,
    on_call.runbook,
    on_call.dashboard,
    on_call.drain,
    on_call.undrain,
    on_call.trust,
    service.check,
)
namespace.add_collection(
    Collection("app", discover=service.app_discover, restart=service.app_restart)
)
namespace.add_collection(drills.namespace, "drill")
namespace.add_collection(incidents.namespace, "incident")
