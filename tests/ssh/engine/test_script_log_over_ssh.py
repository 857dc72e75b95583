"""A script that really ran on a host is found in the log of its run, without the secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sshhost import Host, fab
from sshsteps import Marker

from fabfile.engine.converge import Converger
from fabfile.engine.errors import RunbookError
from fabfile.engine.journal import Run
from fabfile.engine.link import Link
from fabfile.engine.script_log import ScriptLog
from fabfile.engine.secret import Secret
from fabfile.steps.file import File


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("deploy", tmp_path)


def log_of(run: Run) -> str:
    return (run.path / "scripts.log").read_text()


def test_a_script_and_its_answer_are_in_the_log(link: Link, run: Run) -> None:
    secret = Secret("sesame-of-the-script")
    with ScriptLog(run):
        link.run(f"echo said {secret.reveal()}; echo loud {secret.reveal()} >&2")
        assert link.run("exit 5", check=False).code == 5
        with pytest.raises(RunbookError):
            link.run("false")
        link.read(["echo a probe"])
        assert list(link.follow("echo one; echo two", silence=5)) == ["one", "two"]
    log = log_of(run)
    assert secret.reveal() not in log
    for part in (
        f"{link.name} · run · exit 0 ·",
        "echo said ••••••",
        "-- stdout\nsaid ••••••",
        "-- stderr\nloud ••••••",
        f"{link.name} · run · exit 5 ·",
        f"{link.name} · run · exit 1 ·",
        f"{link.name} · read 1 probe · exit 0 ·",
        f"{link.name} · follow · exit 0 ·",
    ):
        assert part in log


def test_a_step_names_its_scripts(link: Link, run: Run, host: Host) -> None:
    """A file's content is not in the log, neither the new one nor the one that was read."""
    old, new = "token = elder-sesame\n", Secret("new-sesame")
    (host.files / "tmp/settings").write_text(old)
    steps = [File("/tmp/settings", f"token = {new.reveal()}\n"), Marker("it", "touch /run/it")]
    with ScriptLog(run):
        Converger(link, run, on_outcome=lambda outcome: None, progress=lambda text: None).apply(
            steps
        )
    log = log_of(run)
    assert (host.files / "tmp/settings").read_text() == f"token = {new.reveal()}\n"
    assert f"{host.name} · file /tmp/settings: run · exit 0 ·" in log
    assert f"{host.name} · marker it: run · exit 0 ·" in log
    assert "touch /run/it" in log
    for hidden in ("elder-sesame", new.reveal(), "dG9rZW4gPSB"):  # the last: base64 of "token = "
        assert hidden not in log


def test_a_host_that_is_lost_is_in_the_log(link: Link, run: Run) -> None:
    with ScriptLog(run), pytest.raises(RunbookError):
        link.run("kill -9 $PPID; sleep 9", timeout=3)
    assert "no exit code" in log_of(run) or "exit -1" in log_of(run)


def test_verbose_shows_what_a_plan_asks(site: Path) -> None:
    done = fab(site, "plan", "--verbose")
    line = done.stderr.splitlines()[0].split()
    assert (line[0], line[2:5], line[-1]) == ("one", ["s", "exit", "0"], "probes")
    assert fab(site, "plan").stderr == ""
