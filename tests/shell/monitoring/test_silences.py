"""The scripts that set and lift a silence, run with a false amtool that writes down what it is
told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fabfile.control.silences import hosts_silence, lift_script, set_script

AMTOOL = """#!/bin/sh
case " $* " in *" query "*) cat "$FOLDER/known" ;; *) printf '%s|' "$@" >>"$FOLDER/told" ;; esac
"""


@pytest.fixture
def told(tmp_path: Path) -> dict[str, str]:
    """An environment in which amtool knows the silences of $FOLDER/known."""
    for name, text in (("amtool", AMTOOL), ("systemctl", "#!/bin/sh\nexit $ABSENT\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "known").write_text("")
    path = f"{tmp_path}:{os.environ['PATH']}"
    return {"PATH": path, "FOLDER": str(tmp_path), "ABSENT": "0"}


def run_script(script: str, env: dict[str, str]) -> str:
    """What amtool was told to change."""
    done = subprocess.run(["sh", "-eu"], input=script, env=env, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    written = Path(env["FOLDER"]) / "told"
    return written.read_text() if written.exists() else ""


def test_a_silence_names_its_hosts_and_its_end(told: dict[str, str]) -> None:
    said = run_script(set_script(hosts_silence("deploy it's 1", ["a", "b"], 60)), told)
    assert "|add|--author=deploy it's 1|" in said
    assert "|--duration=60s|host=~a|b|alertname!=drain-forgotten|" in said


def test_whoever_sets_it_again_ends_the_earlier_one(told: dict[str, str]) -> None:
    (Path(told["FOLDER"]) / "known").write_text("id-1\nid-2\n")
    said = run_script(set_script(hosts_silence("drain a", ["a"], 60)), told)
    assert said.index("expire|id-1") < said.index("expire|id-2") < said.index("add")


def test_lifting_ends_all_of_one_author(told: dict[str, str]) -> None:
    assert run_script(lift_script("drain a"), told) == ""
    (Path(told["FOLDER"]) / "known").write_text("id-1\n")
    assert "expire|id-1" in run_script(lift_script("drain a"), told)


def test_without_alertmanager_there_is_nothing_to_do(told: dict[str, str]) -> None:
    script = set_script(hosts_silence("drain a", ["a"], 60))
    assert run_script(script, {**told, "ABSENT": "3"}) == ""
