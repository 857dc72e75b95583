"""What the tool waits for until users have left an edge, with stand-ins for journal, sockets and
systemd."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from fabfile.settings.template import render_template


class Tool:
    """The tool, and the files that its stand-ins print."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.watched = folder, folder / "watched"
        self.journal, self.sockets, self.reloads = (
            folder / name for name in ("journal", "sockets", "reloads")
        )
        for name, body in {
            "journalctl": f"cat {self.journal}",
            "ss": f"cat {self.sockets}",
            "systemctl": f'echo "$@" >>{self.reloads}; : >{self.sockets}',
            "pgrep": "echo 0; exit 1",
        }.items():
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)
        for path in (self.journal, self.sockets):
            path.write_text("")
        text = render_template("balancer/edge-leave", watched=self.watched, tag="t", ports=[80, 1])
        (folder / "edge-leave").write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(self.folder / "edge-leave"), *words],
            env={"PATH": f"{self.folder}:/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


@pytest.mark.parametrize(
    ("journal", "ok", "words"),
    [
        ("10.0.0.5 503\n10.0.0.5 503\n", True, ""),
        ("10.0.0.5 200\n10.0.0.5 503\n10.0.0.5 503\n", True, ""),
        ("10.0.0.5 503\n10.0.0.5 503\n10.0.0.6 503\n", False, "got 1 answers with 503, not 2"),
        ("10.0.0.5 503\n10.0.0.5 503\n10.0.0.6 200\n", False, "got 0 answers with 503, not 2"),
        ("", False, "no health check has arrived"),
    ],
)
def test_every_sender_of_health_checks_must_take_note(
    tool: Tool, journal: str, ok: bool, words: str
) -> None:
    tool.journal.write_text(journal)
    begin = time.monotonic()
    done = tool.run("noticed", "503", "2", "0.4", "0.6")
    assert (done.returncode == 0) is ok, done.stderr
    assert words in done.stderr
    assert time.monotonic() - begin >= 0.4, "it passed before the balancer's interval x fall"
    assert not tool.watched.exists(), "nginx would go on logging"


def test_it_waits_until_no_new_connection_arrives(tool: Tool) -> None:
    def arrive() -> None:
        for number in range(8):
            with tool.sockets.open("a") as file:
                file.write(f"ESTAB 0 0 10.0.0.11:80 10.0.0.5:{number}\n")
            time.sleep(0.1)

    threading.Thread(target=arrive).start()
    begin = time.monotonic()
    assert tool.run("quiet", "0.5", "20").returncode == 0
    assert time.monotonic() - begin > 1.1, "it did not see the later connections"


def test_connections_that_go_on_arriving_are_a_failure(tool: Tool) -> None:
    stop = threading.Event()

    def arrive() -> None:
        number = 0
        while not stop.wait(0.05):
            number += 1
            tool.sockets.write_text(f"TIME-WAIT 0 0 10.0.0.11:80 10.0.0.5:{number}\n")

    thread = threading.Thread(target=arrive)
    thread.start()
    try:
        assert tool.run("quiet", "0.5", "1.5").returncode == 1
    finally:
        stop.set()
        thread.join()


def test_a_reload_closes_idle_connections(tool: Tool) -> None:
    tool.sockets.write_text("0 0 10.0.0.11:80 10.0.0.5:1\n")
    (tool.folder / "edge-leave").write_text(
        (tool.folder / "edge-leave").read_text().replace("polite=5", "polite=1")
    )
    done = tool.run("settle", "10")
    assert (done.stdout, done.returncode) == ("0\n", 0)
    assert tool.reloads.read_text() == "reload nginx.service\n"
