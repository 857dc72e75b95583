"""Drills of the database, the edges and the runbook's own tasks, in the order in which they run."""

from __future__ import annotations

from ...control.haproxy import HAPROXY_UNIT
from ...control.nginx import NGINX_UNIT, REFRESHER_UNIT
from ...engine.errors import OK, ROLLED_BACK
from ...roles import postgres
from ..app_rules import apps_left_alone, every_app_restarted
from ..errors import NotPossible
from ..faults import hosts, tasks
from ..faults.fault import Power
from ..model import STEADY, Drill, Fault
from ..rules import (
    answered_within,
    ended_with,
    failed_at_most,
    fault_was_felt,
    gap_within,
    never_too_old,
    no_database_needed,
    no_failures,
    noticed_within,
    recovered_within,
)
from ..target import DrillTarget

HALF_DEAD = (
    fault_was_felt(0.1),
    failed_at_most(20),
    answered_within(3),
    gap_within(1),
    recovered_within(10),
    apps_left_alone,
)
"""The allowed cost of a hung daemon on the serving edge: 20 requests are a third of a second at
60 requests per second."""


def _refresher_stopped(target: DrillTarget) -> Fault:
    if not target.settings.program.caches:
        raise NotPossible(
            "no endpoint of this service has a cache", "the edges have no refresher to stop", ""
        )
    return hosts.unit_stopped(target, target.serving_edge, REFRESHER_UNIT)


SERVICE_DRILLS = (
    Drill(
        "db-restarted",
        "A restart of the database costs only requests that need it, and no app is restarted"
        " for it.",
        lambda target: hosts.unit_restarted(
            target, target.database, postgres.postgres_unit(target.settings)
        ),
        (no_database_needed, gap_within(10), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "db-killed",
        "A database that is killed is back within 10 s, and no app is restarted for it.",
        lambda target: hosts.unit_killed(
            target, target.database, postgres.postgres_unit(target.settings)
        ),
        (no_database_needed, gap_within(10), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "db-exhausted",
        "While the database refuses connections, requests that need none are served, and no app is"
        " restarted.",
        hosts.connections_refused,
        (no_database_needed, fault_was_felt(1), recovered_within(10), apps_left_alone),
        load=STEADY,
        hold=10,
    ),
    Drill(
        "db-starved",
        "After a database was far too slow for a while, all recovers within 10 s: retries do not"
        " overload it.",
        lambda target: hosts.starved_unit(
            target, target.database, postgres.postgres_unit(target.settings)
        ),
        (fault_was_felt(0.8), recovered_within(10), apps_left_alone),
        hold=20,
    ),
    Drill(
        "haproxy-killed",
        "An edge whose balancer is killed serves again, or the other edge does, within 3 s.",
        lambda target: hosts.unit_killed(target, target.serving_edge, HAPROXY_UNIT),
        (gap_within(3), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "nginx-killed",
        "An edge whose nginx is killed serves again within 1 s.",
        lambda target: hosts.unit_killed(target, target.serving_edge, NGINX_UNIT),
        (gap_within(1), recovered_within(10), apps_left_alone),
    ),
    Drill(
        "haproxy-hung",
        "An edge whose balancer hangs serves again within 1 s; at most 20 requests fail.",
        lambda target: hosts.unit_hung(target, target.serving_edge, HAPROXY_UNIT),
        HALF_DEAD,
        load=STEADY,
    ),
    Drill(
        "nginx-hung",
        "An edge whose nginx hangs serves again within 1 s; at most 20 requests fail.",
        lambda target: hosts.unit_hung(target, target.serving_edge, NGINX_UNIT),
        HALF_DEAD,
        load=STEADY,
    ),
    Drill(
        "edge-off",
        "When the serving edge loses power, the other edge serves within 0.7 s.",
        lambda target: Power(target.serving_edge),
        (gap_within(0.7), noticed_within(5), recovered_within(60), apps_left_alone),
        hold=15,
    ),
    Drill(
        "edge-cut",
        "When the serving edge is cut off, the other edge serves within 0.7 s.",
        lambda target: hosts.cut_host(
            target, target.serving_edge, silent=target.front.moving_address
        ),
        (gap_within(0.7), noticed_within(5), recovered_within(60), apps_left_alone),
        hold=15,
    ),
    Drill(
        "refresher-dead",
        "Without its refresher an edge still gives no answer that is older than a minute.",
        _refresher_stopped,
        (no_failures, never_too_old),
        ("R16",),
        load=STEADY,
        hold=70,
    ),
    Drill(
        "deploy-under-load",
        "A deploy that restarts every node fails no request.",
        tasks.deploy_under_load,
        (no_failures, every_app_restarted, ended_with(OK, "fab deploy")),
        ("R1", "R18"),
        locks=False,
    ),
    Drill(
        "bad-release",
        "A release with slow reads fails the gate and never reaches users.",
        tasks.bad_release,
        (no_failures, ended_with(ROLLED_BACK, "fab deploy")),
        ("R1", "R18"),
        locks=False,
    ),
    Drill(
        "certificate-rotation",
        "A new certificate on both edges fails no request.",
        tasks.renew_certificate,
        (no_failures, ended_with(OK, "inv certs.renew"), apps_left_alone),
        ("R1", "R14"),
        locks=False,
    ),
    Drill(
        "clock-wrong",
        "A node whose clock is 90 s ahead still serves, and no answer gets too old.",
        lambda target: hosts.clock_wrong(target, target.victim),
        (no_failures, never_too_old),
        ("R16", "R21"),
        hold=15,
    ),
)
