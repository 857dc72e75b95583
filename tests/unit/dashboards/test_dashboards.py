"""The dashboards as data, their page, and the same for Grafana."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations

import pytest
from places import PROJECT
from samples import PROGRAM

from fabfile.dashboards.catalogue import MARKS, list_dashboards
from fabfile.dashboards.grafana import COLUMNS, UNITS, dashboard_json, provisioning
from fabfile.dashboards.model import WINDOW
from fabfile.dashboards.page import QUESTIONS, make_server, page_files
from fabfile.dashboards.service_board import endpoint_bound, shown_endpoints

DASHBOARDS = list_dashboards(PROGRAM)
LIBRARY = {"dygraph.min.js": b"// charts", "dygraph.min.css": b"/* charts */"}
QUERIES = [
    *(tile.query for board in DASHBOARDS for tile in board.tiles),
    *(one.query for board in DASHBOARDS for graph in board.graphs for one in graph.series),
    *(mark.query for mark in MARKS),
]


def test_each_endpoint_of_a_requirement_has_a_graph_with_its_bound() -> None:
    graphs = {graph.title: graph for board in DASHBOARDS for graph in board.graphs}
    assert len(shown_endpoints(PROGRAM)) > 8
    for endpoint in shown_endpoints(PROGRAM):
        assert graphs[endpoint.title].bound == endpoint_bound(PROGRAM, endpoint)


def test_the_kept_answer_has_a_bound_of_its_own() -> None:
    bounds = {one.name: endpoint_bound(PROGRAM, one) for one in PROGRAM.endpoints}
    assert bounds[PROGRAM.of_kind("cached")[0].name] == PROGRAM.caches[0].within_seconds
    assert bounds[PROGRAM.of_kind("health")[0].name] == PROGRAM.load.p90_ms / 1000


def test_a_bound_in_percent_is_a_share() -> None:
    bounds = {
        tile.title: (tile.bad_above, tile.bad_below)
        for board in DASHBOARDS
        for tile in board.tiles
        if tile.unit == "%"
    }
    assert len(bounds) > 1
    assert all(0 <= bound <= 1 for pair in bounds.values() for bound in pair if bound is not None)


@pytest.mark.parametrize("query", QUERIES)
def test_brackets_of_a_query_match(query: str) -> None:
    for left, right in ("()", "[]", "{}"):
        assert query.count(left) == query.count(right)
    assert not re.search(r"\{\{|\}\}", query)


def test_nothing_names_a_path_of_the_service_by_hand() -> None:
    sources = [*PROJECT.glob("fabfile/dashboards/*.py"), *PROJECT.glob("configs/dashboard/*")]
    paths = {one.prefix.rstrip("/") for one in PROGRAM.endpoints} - {""}
    for source in sources:
        text = source.read_text()
        assert [path for path in paths if path in text] == [], source


def test_the_page_loads_nothing_from_another_host() -> None:
    files = page_files(PROGRAM, "lab0", LIBRARY)
    for path, content in files.items():
        assert not re.search(rb"(src|href)=.?(https?:)?//|@import|url\(", content), path
    wanted = re.findall(r'(?:src|href)="([^"]+)"', files["/"].decode())
    assert {f"/{name}" for name in wanted if ":" not in name} == set(files) - {"/"}


def test_the_page_gets_dashboards_and_marks_as_json() -> None:
    script = page_files(PROGRAM, "lab0", LIBRARY)["/dashboards.js"].decode()
    values = dict(re.findall(r"(?m)^const (\w+) = (.*);$", script))
    assert [one["name"] for one in json.loads(values["DASHBOARDS"])] == [
        board.name for board in DASHBOARDS
    ]
    assert len(json.loads(values["MARKS"])) == len(MARKS)


@pytest.fixture
def prometheus() -> Iterator[int]:
    """What stands for Prometheus: it answers with the path it was asked. Its port."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "success", "data": self.path}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def page(prometheus: int) -> Iterator[str]:
    """The page's own server; its address."""
    files = page_files(PROGRAM, "lab0", LIBRARY)
    with make_server(0, files, prometheus) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_every_file_is_served_with_its_kind(page: str) -> None:
    for path in page_files(PROGRAM, "lab0", LIBRARY):
        with urllib.request.urlopen(page + path) as answer:
            kind = {"js": "javascript", "css": "css"}.get(path.rpartition(".")[2], "html")
            assert kind in answer.headers["Content-Type"]
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", QUESTIONS)
def test_questions_go_on_to_prometheus(page: str, path: str) -> None:
    with urllib.request.urlopen(f"{page}{path}?query=up") as answer:
        assert json.load(answer)["data"] == f"{path}?query=up"


@pytest.mark.parametrize("path", ["/api/v1/admin/tsdb/snapshot", "/-/quit", "/../etc/passwd"])
def test_nothing_else_of_prometheus_is_reached(page: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(page + path)
    assert caught.value.code == 404


def test_a_lost_prometheus_is_an_answer_with_the_reason() -> None:
    files = page_files(PROGRAM, "lab0", LIBRARY)
    with make_server(0, files, 9) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}{QUESTIONS[0]}?query=up"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(address)
        server.shutdown()
    assert caught.value.code == 502
    assert "refused" in json.load(caught.value)["error"]


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
def test_grafana_gets_the_same(board: object) -> None:
    document = dashboard_json(board, MARKS)  # type: ignore[arg-type]
    panels = document["panels"]
    assert [panel["title"] for panel in panels] == [
        one.title
        for one in (*board.tiles, *board.graphs)  # type: ignore[attr-defined]
    ]
    assert len({panel["id"] for panel in panels}) == len(panels)
    text = json.dumps(document)
    assert WINDOW not in text
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in panels} <= set(UNITS.values())
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y
        assert one["x"] + one["w"] <= COLUMNS


def test_grafana_finds_prometheus_by_the_name_that_panels_use() -> None:
    (source,) = provisioning()["datasources/runbook.yaml"]["datasources"]
    panel = dashboard_json(DASHBOARDS[0], MARKS)["panels"][0]
    assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
