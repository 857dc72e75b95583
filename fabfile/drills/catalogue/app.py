"""Drills of the app and its nodes, in the order in which they run: hypothesis, fault, load and
rules."""

from __future__ import annotations

from ..app_rules import (
    apps_left_alone,
    drained_first,
    never_both_at_once,
    one_node_left_once,
    restarted_at_most,
)
from ..errors import NotPossible
from ..faults import app, hosts
from ..faults.fault import Power
from ..model import STEADY, Drill, Fault
from ..overload_rules import dip_within, refused_fast, served_in_time
from ..rules import (
    fault_was_felt,
    few_failed_posts,
    gap_within,
    no_failed_gets,
    no_failures,
    noticed_within,
    only_posts_in_flight,
    recovered_within,
    within_budget,
)
from ..target import DrillTarget

HEALED = 15.0
"""Seconds in which an app that starts fast has recovered (R2 allows 60)."""
AT_ONCE = (no_failed_gets, few_failed_posts, within_budget)
"""R1 for a fault that is noticed at once, because connections break."""
INVISIBLE = (no_failed_gets, only_posts_in_flight, within_budget)
"""R1 for a fault that is noticed only when answers are missing or wrong."""
HEALS = (recovered_within(HEALED), dip_within(HEALED), restarted_at_most(1))
"""R2 for one app at the peak load, and the allowed cost: what one node cannot take waits in the
balancer."""
BOTH = ("R1", "R2")


def _log_full(target: DrillTarget) -> Fault:
    if not target.facts.logs:
        raise NotPossible(
            "discovery has found no log file of the app",
            "the drill cannot fill its disk",
            "fab deploy",
        )
    return app.LogFull(target.victim, target.facts.logs[0].rpartition("/")[0])


APP_DRILLS = (
    Drill(
        "app-killed",
        "An app that is killed starts again at once; only a POST that was in flight can fail.",
        lambda target: app.killed_app(target, target.victim),
        (*AT_ONCE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-hung",
        "An app that hangs is taken out by the balancers and restarted by its healer.",
        lambda target: app.hung_app(target, target.victim),
        (*INVISIBLE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-500",
        "An app that answers 500 to everything is taken out by the balancers and restarted by its"
        " healer.",
        lambda target: app.poison_app(target, "ill", target.victim),
        (*INVISIBLE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-leak",
        "An app that leaks is drained and restarted before its memory is used up.",
        lambda target: app.poison_app(target, "leak", target.victim),
        (
            *INVISIBLE,
            drained_first,
            recovered_within(60),
            dip_within(HEALED),
            restarted_at_most(1),
        ),
        BOTH,
        patience=75,
    ),
    Drill(
        "app-panic",
        "An app that panics starts again at once.",
        lambda target: app.poison_app(target, "panic", target.victim),
        (*AT_ONCE, *HEALS),
        BOTH,
    ),
    Drill(
        "app-slow",
        "A node that runs at a tenth of its speed gets fewer requests; none fails.",
        lambda target: app.slow_app(target, target.victim),
        (*INVISIBLE, fault_was_felt(0.3), recovered_within(60)),
        load=STEADY,
        hold=15,
    ),
    Drill(
        "node-off",
        "Users notice neither a node that loses power nor its return.",
        lambda target: Power(target.victim),
        (*INVISIBLE, noticed_within(5), recovered_within(60)),
        load=STEADY,
        hold=15,
    ),
    Drill(
        "node-cut",
        "Users notice neither a node that is cut off from the network nor its return.",
        lambda target: hosts.cut_host(target, target.victim),
        (*INVISIBLE, noticed_within(5), recovered_within(60)),
        load=STEADY,
        hold=15,
    ),
    Drill(
        "node-rejected",
        "Users do not notice a node that refuses connections.",
        lambda target: hosts.reject_calls(target, target.victim),
        (*INVISIBLE, noticed_within(5), recovered_within(60)),
        load=STEADY,
        hold=15,
    ),
    Drill(
        "both-killed",
        "Both apps killed at once serve again within 10 s, and the waiting requests do not kill"
        " them.",
        lambda target: app.killed_app(target, *target.apps),
        (gap_within(10), recovered_within(HEALED), restarted_at_most(1)),
        ("R2",),
    ),
    Drill(
        "both-ill",
        "Both apps ill at once are restarted one after the other.",
        lambda target: app.poison_app(target, "ill", *target.apps),
        (never_both_at_once, gap_within(30), recovered_within(60), restarted_at_most(1)),
        ("R2",),
        patience=90,
    ),
    Drill(
        "slow-start",
        "An app that hangs, and then takes 30 s to start, is back within a minute; only a POST"
        " that was in flight can fail.",
        lambda target: app.slow_to_start(target, app.hung_app(target, target.victim)),
        (*INVISIBLE, recovered_within(60), restarted_at_most(1)),
        BOTH,
        load=STEADY,
        patience=75,
    ),
    Drill(
        "log-disk-full",
        "An app that cannot write its log still serves.",
        _log_full,
        (no_failures, recovered_within(30)),
        ("R1", "R22"),
        hold=15,
    ),
    Drill(
        "healer-killed",
        "A healer that is killed comes back, and restarts an app that hung meanwhile.",
        lambda target: app.healer_killed(target, target.victim),
        (*INVISIBLE, recovered_within(20)),
        BOTH,
    ),
    Drill(
        "recycle",
        "A node that has reached its age is drained and restarted without a failed request.",
        lambda target: app.old_app(target, target.victim),
        (no_failures, drained_first, recovered_within(60)),
    ),
    Drill(
        "both-old",
        "Nodes that reach their maximum age together are restarted one after the other, even if a"
        " start takes 30 s.",
        lambda target: app.slow_to_start(
            target, app.old_app(target, *target.two_apps(), youngest=110)
        ),
        (
            no_failures,
            drained_first,
            never_both_at_once,
            recovered_within(110),
            restarted_at_most(1),
        ),
        ("R1",),
        load=STEADY,
        patience=120,
    ),
    Drill(
        "one-node-alone",
        "One node alone at the peak load serves what it can, and later refuses the excess at once.",
        lambda target: hosts.drained_node(target, target.victim),
        (served_in_time(after=HEALED), refused_fast(1.0), one_node_left_once, apps_left_alone),
        ("R1", "R3"),
        hold=35,
    ),
)
