"""A balancer of the provider before the edges: it asks every edge for its health, and sends users
to each that is well. An edge leaves service by answering 503."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.channel import Result
from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.messages import describe_failure
from ..settings.edge import Edge
from ..settings.paths import CURL, TOOLS
from ..settings.settings import Settings
from .edge_drain import drain_edge_script, undrain_edge_script
from .front import Departure, Front
from .haproxy import EDGE_HEALTH, HAPROXY_PORT

LEAVE_TOOL = f"{TOOLS}/edge-leave"
PROBES_WATCHED = "/run/runbook-probes-watched"
"""While this file exists, nginx logs the balancer's health checks to the journal."""
PROBE_TAG = "edge_health"
"""The name of these lines in the journal."""

QUIET_SECONDS = 30
"""New connections must stop arriving within this time after the balancer has taken note."""

SETTLE_SECONDS = 35
"""The open connections must end within this time: the longest answer may take 30 s."""

SLACK_SECONDS = 10
"""The balancer's checks may be later than its settings say, by this time at most."""


class ExternalBalancer(Front):
    """Every edge that is well and not drained serves."""

    name = "the provider's balancer"
    words = ("serves", "does not serve")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = settings.edge.address
        edge = settings.edge
        # One more interval: a check may have been sent just before the answer changed.
        self.notice_seconds = edge.balancer_interval * (edge.balancer_rise + 1)

    def serving_probe(self) -> str:
        """Whether this edge tells the balancer that it can serve."""
        page = f"http://127.0.0.1:{self.settings.edge.health_port}{EDGE_HEALTH}"
        return f"/usr/bin/{CURL}127.0.0.1 -sf -o /dev/null --max-time 1.5 {page}"

    def unseen_probe(self, edge_address: str) -> str:
        """Whether the HAProxy of the other edge takes no connection from this edge."""
        # Not a port of users: a firewall may let in the balancer only.
        there = f"/dev/tcp/{edge_address}/{HAPROXY_PORT}"
        return f"! timeout 1 bash -c 'exec 3<>{there}' 2>/dev/null"

    def is_served(self, serving: int) -> bool:
        """Whether any edge serves."""
        return serving > 0

    def is_whole(self, serving: Sequence[bool]) -> bool:
        """Whether every edge serves."""
        return all(serving)

    def leave(self, departure: Departure) -> None:
        """Drain the edge, and wait until the balancer has taken note, no new connection arrives,
        and the open connections have ended.

        First it waits until the balancer has seen the other edges well: they may have come back a
        moment ago, and the balancer may not send them users yet.
        """
        giver, progress, edge = departure.giver, departure.progress, self.settings.edge
        link = departure.fleet.links[giver]
        for taker in departure.takers:
            progress(f"waiting until the balancer has seen {taker} well")
            self._wait_for_checks(departure.fleet.links[taker], 200, edge.balancer_rise)
        try:
            progress("answers 503 to the balancer's health checks; waiting for the balancer")
            drain = drain_edge_script(departure.why)
            self._wait_for_checks(link, 503, edge.balancer_fall, before=drain)
            progress("the balancer has taken note; waiting for new connections to stop")
            quiet = f"{LEAVE_TOOL} quiet {edge.balancer_interval:g} {QUIET_SECONDS}\n"
            if link.run(quiet, check=False, timeout=QUIET_SECONDS + 30).code:
                raise _still_arriving(giver)
            progress("no new connection arrives; waiting for the open connections to end")
            settle = f"{LEAVE_TOOL} settle {SETTLE_SECONDS}\n"
            left = link.run(settle, timeout=SETTLE_SECONDS + 30).out.strip()
            if left != "0":
                progress(f"{left} connections did not end within {SETTLE_SECONDS} s")
        except BaseException:
            departure.run_clean_up([giver], undrain_edge_script())
            raise

    def _wait_for_checks(self, link: Link, status: int, count: int, *, before: str = "") -> None:
        """Run the script `before`, then wait until the balancer has got `count` answers with
        `status`.

        Raises:
            RunbookError: it did not get them in time.
        """
        interval = self.settings.edge.balancer_interval
        most = interval * (count + 1) + SLACK_SECONDS
        script = f"{before}{LEAVE_TOOL} noticed {status} {count} {interval * count:g} {most:g}\n"
        result = link.run(script, check=False, timeout=most + 30)
        if result.code:
            raise _not_noticed(link.name, self.settings.edge, result, most)


def list_user_ports(edge: Edge) -> list[int]:
    """The TCP ports to which the balancer sends users: http, then https."""
    if edge.proxy_protocol:
        return [edge.proxy_port, edge.proxy_https_port]
    return [edge.port, edge.https_port]


def _not_noticed(name: str, edge: Edge, result: Result, seconds: float) -> RunbookError:
    return RunbookError(
        f"{name}: the provider's balancer did not take note within {seconds:.0f} s:"
        f" {describe_failure(result.out, result.err)}",
        "the balancer may still send users to the edge that would be worked on; the attempt was"
        " undone",
        "compare balancer, balancer_interval, balancer_fall and balancer_rise under [edge] with the"
        f" balancer's own health check (http, port {edge.health_port}, {EDGE_HEALTH}); then again",
    )


def _still_arriving(giver: str) -> RunbookError:
    return RunbookError(
        f"new connections still arrive at {giver} after {QUIET_SECONDS} s, though its health checks"
        " fail",
        "work on that edge now would reach the users; the attempt was undone",
        f"on {giver}: ss -tn state established; who connects there past the balancer, or does the"
        " balancer send users to edges that fail their checks?",
    )
