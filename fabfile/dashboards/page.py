"""The dashboards' page, and the small server on this machine that shows it: files of ours, and
Prometheus' answers through an ssh forward. A browser that shows it asks no other host."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ..settings.project import PROJECT
from ..settings.service import Service
from ..settings.template import render_template
from .catalogue import MARKS, list_dashboards

QUESTIONS = ("/api/v1/query", "/api/v1/query_range", "/api/v1/alerts")
"""All that a browser may ask Prometheus through the page: nothing that changes anything."""

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing is loaded from any other host. (dygraphs sets styles inline.)"""

ASK_SECONDS = 30
"""Longer than Prometheus needs for a week of figures."""


def page_files(service: Service, site: str, library: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every file of the page, by its path. `library` is dygraphs: its script and its style
    sheet."""
    data = {
        "DASHBOARDS": [asdict(dashboard) for dashboard in list_dashboards(service)],
        "MARKS": [asdict(mark) for mark in MARKS],
    }
    values = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in data.items())
    source = PROJECT / "configs/dashboard"
    return {
        "/": render_template("dashboard/page.html", site=site).encode(),
        "/dashboards.js": values.encode(),
        "/dashboard.js": (source / "dashboard.js").read_bytes(),
        "/dashboard.css": (source / "dashboard.css").read_bytes(),
        **{f"/lib/{name}": content for name, content in library.items()},
    }


def make_server(port: int, files: Mapping[str, bytes], prometheus: int) -> ThreadingHTTPServer:
    """A server on this machine's loopback; `prometheus` is the port of this machine that
    leads to it.

    Raises:
        OSError: the port is taken.
    """
    handler = partial(DashboardHandler, files, prometheus)
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


class DashboardHandler(BaseHTTPRequestHandler):
    """Answers a browser."""

    protocol_version = "HTTP/1.1"
    server_version = "runbook"
    sys_version = ""

    def __init__(
        self, files: Mapping[str, bytes], prometheus: int, *args: object, **options: object
    ) -> None:
        self.files, self.prometheus = files, prometheus
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """A file of the page, or a question to Prometheus."""
        path = self.path.partition("?")[0]
        if path in self.files:
            kind = KINDS[path.rpartition(".")[2]] if "." in path else KINDS["html"]
            self._answer(HTTPStatus.OK, f"{kind}; charset=utf-8", self.files[path])
        elif path in QUESTIONS:
            self._ask_prometheus()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    def _ask_prometheus(self) -> None:
        asked = http.client.HTTPConnection("127.0.0.1", self.prometheus, timeout=ASK_SECONDS)
        try:
            asked.request("GET", self.path)
            response = asked.getresponse()
            self._answer(response.status, "application/json", response.read())
        except (OSError, http.client.HTTPException) as error:
            # A lost ssh connection: the page says so, and keeps what it shows.
            reason = json.dumps({"status": "error", "error": str(error)})
            self._answer(HTTPStatus.BAD_GATEWAY, "application/json", reason.encode())
        finally:
            asked.close()

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No line for each request: a page asks dozens of times in five seconds."""
