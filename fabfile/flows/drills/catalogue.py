"""All drills, in the order in which `fab drill.all` makes them: hypothesis, fault, load, and what must hold."""

from __future__ import annotations

from ...engine.errors import OK, ROLLED_BACK
from ...roles import haproxy, nginx, postgres
from . import app_faults, faults, tasks
from .drill import PEAK, STEADY, Drill, Fault, NotPossible
from .rules import (
    apps_left_alone,
    dip_within,
    ended_with,
    few_failed_posts,
    gap_within,
    never_both_at_once,
    never_older_than,
    no_failed_gets,
    no_failures,
    only_posts_in_hand,
    recovered_within,
    refused_fast,
    restarted_at_most,
    served_in_time,
    stays_up,
    unhurt,
    within_budget,
)
from .stage import Stage

HEALED = 15.0
"""Seconds in which an app that starts fast is well again (R2 asks for 60)."""
LEAK, PANIC, ILL = 3, 4, 5
"""Poisoned operations: bits 32-35 of the number."""
AT_ONCE = (no_failed_gets, few_failed_posts, within_budget)
"""R1 for a loss that shows at once: the connection breaks."""
INVISIBLE = (no_failed_gets, only_posts_in_hand, within_budget)
"""R1 for a loss that shows only when answers stay out, or are wrong."""
NO_DATABASE = unhurt("R4", "R16")
"""Requests that need no database."""


HEALS = (recovered_within(HEALED), dip_within(HEALED, PEAK), restarted_at_most(1))
"""R2 for one app at PEAK, and what that may cost meanwhile."""
BOTH = ("R1", "R2")


def _log_full(stage: Stage) -> Fault:
    from .. import facts as knowledge

    known = knowledge.known(stage.settings)
    if known is None or not known.logs:
        raise NotPossible("nobody has discovered yet where the app logs", "", "fab deploy")
    return app_faults.LogFull(stage.victim, known.logs[0].rpartition("/")[0])


DRILLS = (
    Drill(
        "app-killed",
        "An app that is killed starts again at once; nobody but a POST it had in hand notices.",
        lambda stage: app_faults.killed(stage, stage.victim),
        (*AT_ONCE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-hung",
        "An app that hangs is left by the balancers and started anew by its healer.",
        lambda stage: app_faults.hung(stage, stage.victim),
        (*INVISIBLE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-500",
        "An app that answers 500 to everything is left by the balancers and started anew by its healer.",
        lambda stage: app_faults.poison(stage, ILL, stage.victim),
        (*INVISIBLE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-leak",
        "An app that leaks is drained and started anew before its memory is gone.",
        lambda stage: app_faults.poison(stage, LEAK, stage.victim),
        (*INVISIBLE, recovered_within(60), dip_within(HEALED, PEAK), restarted_at_most(1)),
        BOTH,
        patience=75,
    ),
    Drill(
        "app-panic",
        "An app that panics starts again at once.",
        lambda stage: app_faults.poison(stage, PANIC, stage.victim),
        (*AT_ONCE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-slow",
        "A node that runs at a tenth of its speed gets fewer requests; none fails.",
        lambda stage: app_faults.slow(stage, stage.victim),
        (*INVISIBLE, recovered_within(60)),
        rate=STEADY,
        hold=15,
    ),
    Drill(
        "node-off",
        "A node without power is missed by nobody, nor is its return noticed.",
        lambda stage: faults.Power(stage.victim),
        (*INVISIBLE, recovered_within(60)),
        rate=STEADY,
        hold=15,
    ),
    Drill(
        "node-cut",
        "A node cut off from the network is missed by nobody, nor is its return noticed.",
        lambda stage: faults.cut(stage, stage.victim),
        (*INVISIBLE, recovered_within(60)),
        rate=STEADY,
        hold=15,
    ),
    Drill(
        "node-rejected",
        "A node that refuses connections is missed by nobody.",
        lambda stage: faults.reject(stage, stage.victim),
        (*INVISIBLE, recovered_within(60)),
        rate=STEADY,
        hold=15,
    ),
    Drill(
        "both-killed",
        "Both apps killed at once serve again within 10 s, and do not die of the rush.",
        lambda stage: app_faults.killed(stage, *stage.apps),
        (gap_within(10), recovered_within(HEALED), restarted_at_most(1)),
        ("R2",),
    ),
    Drill(
        "both-ill",
        "Both apps ill at once are started anew one after the other.",
        lambda stage: app_faults.poison(stage, ILL, *stage.apps),
        (never_both_at_once, gap_within(30), recovered_within(60), restarted_at_most(1)),
        ("R2",),
        patience=90,
    ),
    Drill(
        "log-disk-full",
        "An app that cannot write its log serves on.",
        _log_full,
        (no_failures, recovered_within(10)),
        ("R1", "R22"),
        hold=15,
    ),
    Drill(
        "db-restarted",
        "A restart of the database costs only requests that need it, and no app is restarted for it.",
        lambda stage: faults.unit_restarted(stage, stage.database, postgres.service(stage.settings)),
        (NO_DATABASE, gap_within(10), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "db-killed",
        "A database that is killed is back within 10 s, and no app is restarted for it.",
        lambda stage: faults.unit_killed(stage, stage.database, postgres.service(stage.settings)),
        (NO_DATABASE, gap_within(10), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "db-exhausted",
        "While the database takes no connection, what needs none is served, and no app is restarted.",
        faults.connections_refused,
        (NO_DATABASE, recovered_within(10), apps_left_alone),
        rate=STEADY,
        hold=10,
    ),
    Drill(
        "haproxy-killed",
        "An edge whose balancer is killed serves again, or the other edge does, within 3 s.",
        lambda stage: faults.unit_killed(stage, stage.holder, haproxy.UNIT),
        (gap_within(3), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "nginx-killed",
        "An edge whose nginx is killed serves again within 1 s.",
        lambda stage: faults.unit_killed(stage, stage.holder, nginx.UNIT),
        (gap_within(1), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "edge-off",
        "When the edge that serves loses its power the other one has its address within 0.7 s.",
        lambda stage: faults.Power(stage.holder),
        (gap_within(0.7), recovered_within(60), apps_left_alone),
        hold=15,
    ),
    Drill(
        "edge-cut",
        "When the edge that serves is cut off the other one has its address within 0.7 s.",
        lambda stage: faults.cut(stage, stage.holder, silent=stage.settings.edge.address),
        (gap_within(0.7), recovered_within(60), apps_left_alone),
        hold=15,
    ),
    Drill(
        "healer-killed",
        "A healer that is killed comes back, and heals an app that hung meanwhile.",
        lambda stage: app_faults.healer_killed(stage, stage.victim),
        (*INVISIBLE, recovered_within(20)),
        BOTH,
    ),
    Drill(
        "refresher-dead",
        "Without its refresher an edge still gives no answer that is older than a minute.",
        lambda stage: faults.unit_stopped(stage, stage.holder, nginx.REFRESHER),
        (no_failures, never_older_than(60)),
        ("R16",),
        rate=STEADY,
        hold=70,
    ),
    Drill(
        "recycle",
        "A node that has reached its age is drained and started anew without a failed request.",
        lambda stage: app_faults.old(stage, stage.victim),
        (no_failures, recovered_within(60)),
    ),
    Drill(
        "deploy-under-load",
        "A deploy that restarts every node costs no request.",
        tasks.deploy_under_load,
        (no_failures, ended_with(OK, "fab deploy")),
        ("R1", "R18"),
        locks=False,
    ),
    Drill(
        "bad-release",
        "A release with slow reads is turned away by the gate, and no user meets it.",
        tasks.bad_release,
        (no_failures, ended_with(ROLLED_BACK, "fab deploy")),
        ("R1", "R18"),
        locks=False,
    ),
    Drill(
        "certificate-rotation",
        "A new certificate on both edges costs no request.",
        tasks.renew_certificate,
        (no_failures, ended_with(OK, "inv certs.renew"), apps_left_alone),
        ("R1", "R14"),
        locks=False,
    ),
    Drill(
        "clock-wrong",
        "A node whose clock is 90 s ahead serves on, and no answer gets older for it.",
        lambda stage: faults.clock_wrong(stage, stage.victim),
        (no_failures, never_older_than(60)),
        ("R16", "R21"),
        hold=15,
    ),
    Drill(
        "one-node-alone",
        "One node alone at 120 requests/s serves what fits, and after a while refuses the excess at once.",
        lambda stage: faults.drained(stage, stage.victim),
        (served_in_time(80, after=HEALED), refused_fast(1.0), stays_up, apps_left_alone),
        ("R1", "R3"),
        hold=35,
    ),
)
"""One app node takes 100 requests a second: what is asked at PEAK while one is gone must wait in the balancer."""

FOR_CHECK = ("app-killed", "app-hung", "app-500")
"""The few that `fab check` makes for R1 and R2."""

BY_NAME = {drill.name: drill for drill in DRILLS}
