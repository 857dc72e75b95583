"""The dashboards of a site, made from its `Service` value: no endpoint and no bound is written by
hand."""

from __future__ import annotations

from ..settings.service import Service
from .database_board import database_dashboard
from .host_boards import edges_dashboard, nodes_dashboard
from .model import HOST, Dashboard, GraphMark
from .service_board import cache_dashboard, service_dashboard


def list_dashboards(service: Service) -> tuple[Dashboard, ...]:
    """Every dashboard, in the order of the menu."""
    return (
        service_dashboard(service),
        nodes_dashboard(),
        edges_dashboard(service),
        *([database_dashboard(service)] if service.database else []),
        cache_dashboard(service),
    )


MARKS = (
    GraphMark("run", "{{task}}", "max by (task) (runbook_run_seconds)"),
    GraphMark(
        "healer",
        "healer {{host}}: {{cause}}",
        f"sum by ({HOST}, cause) (runbook_healer_restarts_total)",
    ),
    GraphMark("address", "address on {{host}}", f"max by ({HOST}) (runbook_holds_address)"),
)
"""Deploys and drills, what healers did, and moves of the address."""
