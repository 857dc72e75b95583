"""The scripts and the healer ask a program whose pages need headers, a method or a look at the
body: a real server answers here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from other_sites import BARE_FACTS, JOBS, NOWHERE, site_of
from samples import GATE, NODES

from fabfile.roles import healer
from fabfile.roles.app import app_steps
from fabfile.roles.gate_calls import HEADERS
from fabfile.rollout.gate import judge_gate
from fabfile.settings.paths import TOOLS
from fabfile.steps.file import File
from healer.config import parse_config
from healer.model import Ping
from healer.probe import ping_app

STATE, ITEM = "GET /api/v1.0/state", "POST /api/tool/item"
GOOD = {STATE: (200, '{"read_only": no}'), ITEM: (200, '{"id": 1}')}


@contextmanager
def program(answers: dict[str, tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """A server with these answers by call, 404 to others; its port, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            call = f"{self.command} {self.path}"
            asked.append(f"{call} {self.headers.get('Accept', '')} {content}".rstrip())
            status, body = answers.get(call, (404, "no such page"))
            if call == ITEM and status == 200 and "error" not in body:
                body = content
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


def script(name: str, folder: Path) -> Path:
    """A script of the app node, with the file of headers in `folder`."""
    steps = app_steps(site_of(JOBS), NOWHERE, BARE_FACTS, NODES[2])
    files = {step.path: step for step in steps if isinstance(step, File)}
    assert files[HEADERS].mode == 0o600
    (folder / "headers").write_text(files[HEADERS].content)
    (folder / name).write_text(
        files[f"{TOOLS}/{name}"].content.replace(HEADERS, str(folder / "headers"))
    )
    return folder / name


PAGES = {
    "right": (GOOD[STATE], True, Ping.OK),
    "another right status": ((204, '"read_only":'), True, Ping.OK),
    "a page for every path": ((200, "<html>"), False, Ping.WRONG),
    "a text that must not be there": ((200, '"read_only": $ {\\'), False, Ping.WRONG),
    "at its limit": ((429, "slow down"), False, Ping.BUSY),
    "broken": ((500, '"read_only":'), False, Ping.WRONG),
}


@pytest.mark.parametrize("case", PAGES)
def test_whether_the_process_is_well(case: str, tmp_path: Path) -> None:
    answer, ready, ping = PAGES[case]
    conf = next(
        step.content
        for step in healer.healer_steps(site_of(JOBS), NODES[2], BARE_FACTS)
        if isinstance(step, File) and step.path == healer.CONFIG
    )
    with program({STATE: answer}) as (port, asked):
        command = ["bash", str(script("app-ready", tmp_path)), str(port), "/", "1"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode == 0) is ready, done.stderr
        assert ping_app(parse_config(conf)._replace(port=port))[0] is ping
    assert set(asked) == {f"{STATE} application/json"}


GATE_CASES = {
    "right": (GOOD, ""),
    "an error with status 200": (
        GOOD | {ITEM: (200, 'error\\"')},
        "POST /api/tool/item 200 with a wrong body (must be 200)",
    ),
    "not the asked row": (
        GOOD | {"GET /api/jobs/1": (200, '{"id":2,')},
        "GET /api/jobs/{id} 200 with a wrong body (must be 200)",
    ),
    "no health page": (GOOD | {STATE: (200, "<html>")}, "GET /api/v1.0/state 200 with a wrong"),
}


@pytest.mark.parametrize("case", GATE_CASES)
def test_what_the_gate_asks_and_says(case: str, tmp_path: Path) -> None:
    answers, said = GATE_CASES[case]
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho ActiveState=active MainPID=1\n")
    (tmp_path / "systemctl").chmod(0o755)
    words = ["live", "database", "item", "job", "--", "item", "job"]
    with program(answers) as (port, asked):
        command = ["bash", str(script("app-gate", tmp_path)), "jobs.service", str(port)]
        done = subprocess.run(
            [*command, "8", "50", "400000", *words],
            capture_output=True,
            text=True,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        )
    failed = judge_gate(JOBS, done.stdout, GATE).failed
    assert str(failed or "").startswith(said), done.stdout + done.stderr
    assert bool(failed) == bool(said)
    assert f'{ITEM} application/json {{"id": 1}}' in asked
    assert "GET /api/jobs/1 application/json" in asked  # with the header of every sample request
