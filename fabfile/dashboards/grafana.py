"""The same dashboards for those who run Grafana: one JSON document each, and the files that make
Grafana load them."""

from __future__ import annotations

from typing import Any

from .model import WINDOW, Dashboard, Graph, GraphMark, Tile

SCHEMA_VERSION = 39
"""Of Grafana's dashboard JSON; Grafana 10.4 and newer read it."""
SOURCE = {"type": "prometheus", "uid": "runbook"}
UNITS = {"/s": "reqps", "%": "percentunit", "s": "s", "B": "bytes", "d": "d", "": "short"}
COLUMNS = 24
TILE = (4, 4)
"""Width and height of a tile, in Grafana's grid."""
GRAPH = (8, 8)


def dashboard_json(dashboard: Dashboard, marks: tuple[GraphMark, ...]) -> dict[str, Any]:
    """The document that Grafana imports."""
    panels = [_tile_panel(tile) for tile in dashboard.tiles]
    panels += [_graph_panel(graph) for graph in dashboard.graphs]
    _place_panels(panels, len(dashboard.tiles))
    return {
        "uid": f"runbook-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.question,
        "tags": ["runbook"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_annotation(mark) for mark in marks]},
        "templating": {"list": []},
        "panels": panels,
    }


def provisioning() -> dict[str, Any]:
    """Grafana's provisioning: the file's path below /etc/grafana/provisioning, and its content."""
    return {
        "datasources/runbook.yaml": {
            "apiVersion": 1,
            "datasources": [
                {
                    "name": "runbook",
                    "uid": SOURCE["uid"],
                    "type": SOURCE["type"],
                    "access": "proxy",
                    "url": "http://127.0.0.1:9090",
                    "jsonData": {"timeInterval": "5s"},
                }
            ],
        },
        "dashboards/runbook.yaml": {
            "apiVersion": 1,
            "providers": [
                {
                    "name": "runbook",
                    "folder": "Runbook",
                    "type": "file",
                    "options": {"path": "/var/lib/grafana/dashboards/runbook"},
                }
            ],
        },
    }


def _query(text: str) -> str:
    return text.replace(WINDOW, "$__rate_interval")


def _target(query: str, legend: str, letter: str) -> dict[str, Any]:
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": _query(query),
        "legendFormat": legend,
    }


def _steps(above: float | None, below: float | None) -> list[dict[str, Any]]:
    """Colours: green where nothing is wrong, red beyond a bound."""
    steps: list[dict[str, Any]]
    if below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": below}]
        if above is not None:
            steps.append({"color": "red", "value": above + 1e-9})
        return steps
    steps = [{"color": "green", "value": None}]
    if above is not None:
        steps.append({"color": "red", "value": above})
    return steps


def _tile_panel(tile: Tile) -> dict[str, Any]:
    return {
        "type": "stat",
        "title": tile.title,
        "datasource": SOURCE,
        "targets": [_target(tile.query, "", "A")],
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
        "fieldConfig": {
            "defaults": {
                "unit": UNITS[tile.unit],
                "thresholds": {"mode": "absolute", "steps": _steps(tile.bad_above, tile.bad_below)},
            },
            "overrides": [],
        },
    }


def _graph_panel(graph: Graph) -> dict[str, Any]:
    custom: dict[str, Any] = {"lineInterpolation": "stepAfter" if graph.steps else "linear"}
    defaults: dict[str, Any] = {"unit": UNITS[graph.unit], "min": 0, "custom": custom}
    if graph.most is not None:
        defaults["max"] = graph.most
    if graph.bound is not None:
        custom["thresholdsStyle"] = {"mode": "line"}
        defaults["thresholds"] = {"mode": "absolute", "steps": _steps(graph.bound, None)}
    letters = map(chr, range(ord("A"), ord("Z")))
    return {
        "type": "timeseries",
        "title": graph.title,
        "datasource": SOURCE,
        "targets": [
            _target(series.query, series.legend, letter)
            for series, letter in zip(graph.series, letters, strict=False)
        ],
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }


def _annotation(mark: GraphMark) -> dict[str, Any]:
    return {
        "name": mark.kind,
        "enable": True,
        "datasource": SOURCE,
        "expr": f"changes(({mark.query})[1m:5s]) > 0",
        "titleFormat": mark.legend,
        "iconColor": "purple",
    }


def _place_panels(panels: list[dict[str, Any]], tiles: int) -> None:
    """Number the panels, and lay them out row by row: tiles first."""
    left, top, height = 0, 0, 0
    for number, panel in enumerate(panels):
        width, tall = TILE if number < tiles else GRAPH
        if left + width > COLUMNS or number == tiles:
            left, top = 0, top + height
        height = tall
        panel["id"] = number + 1
        panel["gridPos"] = {"x": left, "y": top, "w": width, "h": tall}
        left += width
