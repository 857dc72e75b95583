"""A deploy from a machine whose disk is full or read-only: the hosts get all of it, only the files
of the run are missing, and the report that was asked for is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from sshhost import Host
from sshsteps import journal

DEPLOY = """
from fabfile.console.json_file import write_json
from fabfile.console.task import run_as_task
from fabfile.engine.converge import Converger
from fabfile.engine.journal import Run
from fabfile.engine.lock import Lock
from fabfile.engine.script_log import ScriptLog
from sshsteps import Marker
folder = Path({folder!r})
steps = [Marker(n, "seq 9000; echo mark > /run/%s" % n) for n in "ab"]

@run_as_task
def task():
    run = Run("deploy", folder / "runs")
    run.note("plan.json", dict(steps=["a", "b"] * 900))
    with ScriptLog(run), Lock([link], run):
        show = lambda outcome: print(outcome.step, outcome.state.value, flush=True)
        Converger(link, run, on_outcome=show, progress=print).apply(steps)
    run.note("report.json", dict(exit=0))
    write_json(dict(exit=0), str(folder / "out.json"))

finish(task)
"""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("size=8k", "no space left on device"),
        ("nr_inodes=2", "no space left on device"),
        ("ro", "read-only file system"),
    ],
)
def test_a_run_goes_on_without_its_files(
    host: Host, tmp_path: Path, options: str, reason: str
) -> None:
    for name in "ab":
        (host.files / f"run/{name}").unlink(missing_ok=True)
    mount = f'mount -t tmpfs -o {options} none {tmp_path} && exec "$@"'
    child = host.child(
        DEPLOY.format(folder=str(tmp_path)), inside=["unshare", "--mount", "sh", "-c", mount, "sh"]
    )
    out, err = child.communicate(timeout=20)
    assert out == "marker a changed\nmarker b changed\n", err
    warning, _, _, error, why, _ = err.splitlines()
    assert warning.startswith(f"! {tmp_path}/runs/")
    assert warning.endswith(f": {reason}")
    assert error.lower() == f"✗ {tmp_path}/out.json cannot be written: {reason}"
    assert (why, child.returncode) == ("  why  the report is lost", 1)
    assert [entry["event"] for entry in journal(host)] == ["begin", "changed"] * 2
    assert not (host.files / "var/lib/runbook/lock").exists()
