"""What is sent to the hosts can be seen: `--verbose` and scripts.log, without any secret."""

from __future__ import annotations

import base64
import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from fabfile.console.task import run_as_task
from fabfile.engine import script_log
from fabfile.engine.fleet import Fleet
from fabfile.engine.host import Node
from fabfile.engine.journal import Run
from fabfile.engine.script_log import ScriptLog, describe_script, hide_secrets
from fabfile.engine.scripts import SentScript, listen, print_script, purpose, report_script
from fabfile.engine.secret import Secret


def send_script(host: str, text: str, *, code: int = 0, out: str = "", err: str = "") -> None:
    """What a link does with a script."""
    with report_script(host, "run", text) as sent:
        sent.code, sent.out, sent.err = code, out, err


@contextmanager
def logged(folder: Path):  # type: ignore[no-untyped-def]
    """A run with a log; the log's path."""
    run = Run("deploy", folder)
    with ScriptLog(run):
        yield run.folder / f"{run.id}-deploy" / "scripts.log"


def test_an_entry_says_when_where_what_for_and_how_it_ended(tmp_path: Path) -> None:
    with logged(tmp_path) as path, purpose("file /etc/x"):
        send_script("node1", "echo hello\n", code=3, out="hello\n", err="oh\n")
    first, *rest = path.read_text().splitlines()
    assert first.startswith("== 20")
    assert " node1 · file /etc/x: run · exit 3 · 0.00 s" in first
    assert rest == ["echo hello", "-- stdout", "hello", "-- stderr", "oh", ""]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_script_that_ends_by_an_error_is_logged_with_it(tmp_path: Path) -> None:
    with (
        logged(tmp_path) as path,
        pytest.raises(OSError, match="the host closed it"),
        report_script("node1", "read 2 probes", "true"),
    ):
        raise OSError("the host closed it")
    assert "node1 · read 2 probes · no exit code" in path.read_text()
    assert "-- stderr\nthe host closed it\n" in path.read_text()


def test_nothing_sent_leaves_no_folder(tmp_path: Path) -> None:
    with logged(tmp_path / "runs"):
        pass
    assert not (tmp_path / "runs").exists()


def test_after_the_run_nothing_is_logged(tmp_path: Path) -> None:
    with logged(tmp_path) as path:
        send_script("node1", "one")
    send_script("node1", "two")
    assert "two" not in path.read_text()


SECRET = "hunter2-of-the-log"


@pytest.mark.parametrize(
    "text",
    [
        f"PGPASSWORD={SECRET} psql",
        f"echo {SECRET}",
        "the file: " + base64.b64encode(f"x{SECRET}".encode()).decode(),
        "cat <<'BASE64'\n"
        + base64.b64encode(f"long {'x' * 60} {SECRET}\n".encode()).decode()
        + "\nBASE64",
        f"x SCRAM-SHA-256$4096:{SECRET}$abc:def",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
    ],
)
def test_no_secret_survives(text: str) -> None:
    Secret(SECRET)
    shown = hide_secrets(text)
    assert SECRET not in shown
    assert base64.b64encode(SECRET.encode()).decode()[4:12] not in shown


def test_a_password_that_we_never_knew_is_hidden() -> None:
    assert "elder" not in hide_secrets("password: elder-sesame\n")


def test_hashes_and_paths_stay_readable() -> None:
    text = f"sha256 {'0a1b' * 16} /srv/app/releases/0a1b0a1b0a1b/LICENSE AllowStreamLocalForwarding"
    assert hide_secrets(text) == text


def test_long_texts_are_cut_in_the_middle() -> None:
    Secret(SECRET)
    half = script_log.TEXT_BYTES // 2
    text = f"begin\n{'a' * (half - 11)}{SECRET}\n{'b' * 80}\n" * 9 + f"{SECRET}\nthe end"
    _, rest = describe_script(SentScript("node1", "run", "true", out=text))
    assert len(rest) < script_log.TEXT_BYTES + 200
    assert "characters left out" in rest
    assert "begin" in rest
    assert "the end" in rest
    assert SECRET[:4] not in rest, "a line that holds a secret is not cut into pieces"


def test_a_log_that_is_full_keeps_the_first_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script_log, "FILE_BYTES", 300)
    with logged(tmp_path) as path:
        for number in range(9):
            send_script("node1", f"script {number} {'x' * 80}")
    lines = path.read_text().splitlines()
    assert sum(line.startswith("== ") for line in lines) == 9
    assert 0 < sum(line.startswith("script ") for line in lines) < 4


def test_entries_of_many_threads_do_not_mix(tmp_path: Path) -> None:
    with logged(tmp_path) as path, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: send_script(f"n{n}", f"{n} " * 2000, out=f"{n}"), range(200)))
    entries = path.read_text().split("== ")[1:]
    assert len(entries) == 200
    for entry in entries:
        host = entry.split()[1]
        assert entry.count(f"{host[1:]} ") >= 2000
        assert entry.rstrip().endswith(f"-- stdout\n{host[1:]}")


@pytest.mark.parametrize("place", ["open", "write"])
def test_a_full_disk_does_not_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """/dev/full gives "no space left" to every write; a folder that is a file, to every open."""
    run = Run("deploy", tmp_path)
    if place == "write":
        run.make_path("scripts.log").symlink_to("/dev/full")
    else:
        (tmp_path / f"{run.id}-deploy").write_text("")
    with ScriptLog(run):
        for _ in range(3):
            send_script("node1", "true")
    err = capsys.readouterr().err
    assert err.count("scripts.log: ") == 1
    assert ("no space left on device" in err) == (place == "write")
    assert "the run goes on" in err


def test_without_a_listener_a_script_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_log, "describe_script", None)  # would raise if it were called
    send_script("node1", "true")


def test_workers_of_a_fleet_know_what_they_work_for() -> None:
    fleet = Fleet([Node(name, name, ()) for name in ("a", "b")], lambda node: None)  # type: ignore[arg-type,return-value]
    seen: list[SentScript] = []
    with listen(seen.append), purpose("drain an edge"):
        fleet.each(lambda node: send_script(node.name, "true"))
    assert {(sent.host, sent.purpose) for sent in seen} == {
        ("a", "drain an edge: run"),
        ("b", "drain an edge: run"),
    }


def test_verbose_prints_a_line_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    @run_as_task
    def body(c: object, verbose: bool = False) -> int:
        with purpose(f"file /etc/{SECRET}"):
            send_script("node1", "true", code=7)
        return 0

    Secret(SECRET)
    body(None, verbose=True)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "node1      0.00 s  exit 7        file /etc/••••••: run\n")
    body(None, verbose=False)
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_status_line_stays_whole(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    """On a terminal the line goes through rich, above the status; into a file it goes as it is."""
    screen, errors = Terminal(), Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    console = Console(file=screen, force_terminal=True, width=100)
    with console.status("work …"):
        threads = [
            threading.Thread(target=print_script, args=(SentScript(f"node{n}", "run", "", code=0),))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    there, elsewhere = (screen, errors) if is_terminal else (errors, screen)
    assert all(f"node{n}      0.00 s  exit 0        run\n" in there.getvalue() for n in range(4))
    assert "exit 0" not in elsewhere.getvalue()
