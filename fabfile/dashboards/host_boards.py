"""The dashboards of app nodes and edges: who serves, what waits, and how the hosts are."""

from __future__ import annotations

from ..settings.bounds import CLOCK_SECONDS
from ..settings.service import Service
from .model import HOST, WINDOW, Dashboard, Graph, Series, Tile, curve
from .service_board import shown_endpoints


def nodes_dashboard() -> Dashboard:
    """Who serves, and why the others do not."""
    up = 'haproxy_server_status{proxy="health",state="UP"}'
    return Dashboard(
        "nodes",
        "App nodes",
        "Who serves, and if not, why?",
        (
            Tile("nodes up", "", f"count(max by (server) ({up}) == 1) or vector(0)", bad_below=1),
            Tile(
                "drained",
                "",
                "count(count by (name) (runbook_drained_since_seconds)) or vector(0)",
                bad_above=0,
            ),
            Tile(
                "restarts by healers, 1 hour",
                "",
                "round(sum(increase(runbook_healer_restarts_total[1h]))) or vector(0)",
            ),
        ),
        _nodes_graphs(),
    )


def _nodes_graphs() -> tuple[Graph, ...]:
    up = 'haproxy_server_status{proxy="health",state="UP"}'
    return (
        curve(
            "Up, as the edges see it",
            "",
            "{{server}}",
            f"max by (server) ({up})",
            steps=True,
            most=1,
        ),
        curve(
            "Restarts by healers, by cause",
            "",
            "{{host}} {{cause}}",
            f"sum by ({HOST}, cause) (increase(runbook_healer_restarts_total[{WINDOW}]))",
        ),
        curve(
            "Answers by node",
            "/s",
            "{{server}}",
            "sum by (server) (rate(haproxy_server_http_responses_total"
            f'{{proxy=~"ep_.*",server!~"panic-.*"}}[{WINDOW}]))',
        ),
        curve(
            "Errors by node",
            "/s",
            "{{server}}",
            "sum by (server) (rate(haproxy_server_http_responses_total"
            f'{{proxy=~"ep_.*",server!~"panic-.*",code="5xx"}}[{WINDOW}]))',
        ),
        curve(
            "Memory of the app",
            "B",
            "{{host}}",
            "runbook_app_resident_bytes",
        ),
        curve(
            "Age of the app",
            "s",
            "{{host}}",
            "runbook_app_age_seconds",
        ),
        *_host_graphs(),
    )


def _host_graphs() -> tuple[Graph, ...]:
    """What every host has."""
    busy = f'1 - avg by ({HOST}) (rate(node_cpu_seconds_total{{mode="idle"}}[{WINDOW}]))'
    memory = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
    space = f"max by ({HOST}) (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)"
    inodes = f"max by ({HOST}) (1 - node_filesystem_files_free / node_filesystem_files)"
    return (
        curve(
            "Processor of each host",
            "%",
            "{{host}}",
            busy,
            most=1,
        ),
        curve(
            "Memory of each host",
            "%",
            "{{host}}",
            memory,
            most=1,
        ),
        Graph(
            "Fullest file system of each host",
            "%",
            (Series("{{host}} space", space), Series("{{host}} inodes", inodes)),
            bound=0.9,
            most=1,
        ),
        curve(
            "Clock of each host, offset",
            "s",
            "{{host}}",
            "abs(node_time_seconds - timestamp(node_time_seconds))",
            bound=CLOCK_SECONDS,
        ),
    )


def edges_dashboard(service: Service) -> Dashboard:
    """Which edges serve, and what waits."""
    backends = '{proxy=~"ep_.*"}'
    return Dashboard(
        "edges",
        "Edges",
        "Which edges serve, and what waits?",
        (
            Tile(
                # Exactly one edge holds a floating address. Behind a balancer of the provider any
                # number of edges may serve, so the second query is 1 if any does.
                "address served (1 is right)",
                "",
                "sum(runbook_holds_address) or (sum(runbook_edge_serves) > bool 0)",
                bad_above=1,
                bad_below=1,
            ),
            Tile("in the queue", "", f"sum(haproxy_backend_current_queue{backends})"),
        ),
        _edges_graphs(service),
    )


def _edges_graphs(service: Service) -> tuple[Graph, ...]:
    backends = '{proxy=~"ep_.*"}'
    return (
        curve(
            "Serves users",
            "",
            "{{host}}",
            "runbook_holds_address or runbook_edge_serves",
            steps=True,
            most=1,
        ),
        curve(
            "Requests by edge",
            "/s",
            "{{host}}",
            f"sum by ({HOST}) (rate(edge_requests_total[{WINDOW}]))",
        ),
        curve(
            "Waiting for a node",
            "",
            "{{host}}",
            f"sum by ({HOST}) (haproxy_backend_current_queue{backends})",
        ),
        Graph(
            "Asked a second time",
            "/s",
            (
                Series(
                    "{{host}} retried",
                    f"sum by ({HOST}) (rate(haproxy_backend_retry_warnings_total"
                    f"{backends}[{WINDOW}]))",
                ),
                Series(
                    "{{host}} on another node",
                    f"sum by ({HOST}) (rate(haproxy_backend_redispatch_warnings_total"
                    f"{backends}[{WINDOW}]))",
                ),
            ),
        ),
        curve(
            "Answers by status",
            "/s",
            "{{code}}",
            f"sum by (code) (rate(edge_requests_total[{WINDOW}]))",
        ),
        curve(
            "Requests at one time, by node",
            "",
            "{{server}}",
            'sum by (server) (haproxy_server_current_sessions{proxy=~"ep_.*",server!~"panic-.*"})',
            bound=float(service.limits.in_flight * len(shown_endpoints(service))),
        ),
    )
