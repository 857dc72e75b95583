"""Runs and their traces: one line of JSON per change, one folder per run, nothing secret in
either."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from fabfile.engine import journal
from fabfile.engine.journal import Run, append_lines
from fabfile.engine.secret import Secret


def test_an_entry_says_who_did_what_when(tmp_path: Path) -> None:
    run = Run("deploy", tmp_path, "ticket 7", who="anna@desk", id="r1")
    entry = json.loads(run.entry("changed", "file /etc/x", "write «x» ✓", seconds=1.5))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry.pop("time"))
    assert entry == {
        "run": "r1",
        "who": "anna@desk",
        "task": "deploy",
        "event": "changed",
        "step": "file /etc/x",
        "reason": "ticket 7",
        "schema": 2,
        "message": "write «x» ✓",
        "seconds": 1.5,
    }


def test_an_entry_is_one_line_without_secrets(tmp_path: Path) -> None:
    Secret("journal-secret")
    line = Run("deploy", tmp_path).entry("failed", "x", "two\nlines with journal-secret")
    assert "\n" not in line
    assert "journal-secret" not in line


def test_ids_sort_by_time_and_differ(tmp_path: Path) -> None:
    first, second = Run("deploy", tmp_path), Run("deploy", tmp_path)
    assert first.id != second.id
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{6}", first.id)


@pytest.mark.parametrize(("sudo_user", "who"), [("anna", "anna@"), ("", "root@")])
def test_the_operator_is_who_typed_it(
    monkeypatch: pytest.MonkeyPatch, sudo_user: str, who: str
) -> None:
    monkeypatch.setenv("SUDO_USER", sudo_user)
    monkeypatch.setenv("LOGNAME", "root")
    assert journal.operator_name().startswith(who)


def test_a_run_folder_is_made_at_first_use_for_its_owner_only(tmp_path: Path) -> None:
    Secret("note-secret")
    run = Run("deploy", tmp_path / "runs", id="r1")
    assert not (tmp_path / "runs").exists()
    run.note("text", "as it is, note-secret")
    run.note("data.json", {"ü": [1, "note-secret"]})
    assert run.path == tmp_path / "runs/r1-deploy"
    assert (run.path / "text").read_text() == "as it is, ••••••\n"
    assert json.loads((run.path / "data.json").read_text()) == {"schema": 2, "ü": [1, "••••••"]}
    assert run.path.stat().st_mode & 0o777 == 0o700


def test_a_run_goes_on_without_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """/dev/full gives "no space left" to every write, and write() does not name the file."""
    run = Run("deploy", tmp_path, id="r1")
    run.make_path("report.json").symlink_to("/dev/full")
    for _ in range(2):
        run.note("report.json", {"exit": 0})
    run.note("plan.json", {"exit": 0})
    assert json.loads((run.path / "plan.json").read_text())["exit"] == 0
    assert capsys.readouterr().err.splitlines() == [
        f"! {run.path}/report.json: no space left on device",
        "  why  the run goes on; its folder on this machine lacks files",
        f"  next df -h {run.path}; df -i {run.path}",
    ]


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("")
    Run("deploy", tmp_path / "runs").note("plan.json", {})
    err = capsys.readouterr().err
    assert "plan.json: not a directory" in err
    assert f"findmnt -T {tmp_path}\n" in err, "the nearest folder that exists"


def test_appending_is_one_script() -> None:
    assert append_lines() == ""
    script = append_lines('{"a": 1}', "it's $HOME")
    encoded = script.split("BASE64'\n")[1].split("\nBASE64")[0]
    assert base64.b64decode(encoded) == b'{"a": 1}\nit\'s $HOME\n'
    assert ">>/var/log/runbook/journal.jsonl" in script
