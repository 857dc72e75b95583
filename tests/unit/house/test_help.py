"""`--help` after any task of `fab` and `inv` shows that task's help, also where the task wants a
name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fabric.main import Fab
from invoke import Collection, Exit, Program, Task
from places import PROJECT

import fabfile
import tasks
from lab.executor import MenuExecutor


def named(menu: Collection, prefix: str = "") -> dict[str, Task]:
    found = {f"{prefix}{name.replace('_', '-')}": task for name, task in menu.tasks.items()}
    for name, inner in menu.collections.items():
        found |= named(inner, f"{prefix}{name}.")
    return found


MENUS = {"fab": fabfile.namespace, "inv": tasks.namespace}
TASKS = [(program, name) for program, menu in MENUS.items() for name in named(menu)]


@pytest.fixture(autouse=True)
def _helps() -> Iterator[None]:
    """Invoke takes a task's helps away as it reads them; other tests want to see them."""
    helps = [(task, dict(task.help)) for menu in MENUS.values() for task in named(menu).values()]
    yield
    for task, help in helps:
        task.help = help


def call(program: str, *typed: str) -> int | None:
    """Run the menu in this process; its exit code."""
    if program == "fab":
        menu = Fab(name="fab", namespace=fabfile.namespace)
    else:
        menu = Program(
            name="inv", binary="inv", namespace=tasks.namespace, executor_class=MenuExecutor
        )
    try:
        menu.run([program, *typed])
    except SystemExit as ended:
        return int(ended.code or 0)
    except Exit as ended:
        return int(ended.code)
    return None


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize(("program", "name"), TASKS, ids=lambda part: part)
def test_help_after_a_task_is_its_help(
    capsys: pytest.CaptureFixture[str], program: str, name: str, flag: str
) -> None:
    code = call(program, name, flag)
    out, err = capsys.readouterr()
    assert code == 0
    assert err == ""
    assert f" {name} " in out.splitlines()[0], out
    assert "Docstring:" in out
    assert "Options:" in out


def test_an_option_in_the_place_of_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("inv", "lab.power-off", "--now") == 1
    assert (
        capsys.readouterr().err
        == "lab.power-off has no option --now\n  next: inv --help lab.power-off\n"
    )


def test_a_file_that_cannot_be_written_is_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call("inv", "lab.status", "--json", str(tmp_path / "none" / "x.json")) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{tmp_path}/none/x.json: no such file or directory"
    assert [line.split(":")[0].strip() for line in said[1:]] == ["why it matters", "next"]


def test_inv_itself_answers() -> None:
    """invoke.yaml names the executor."""
    inv = Path(sys.executable).with_name("inv")
    for words in ((str(inv), "lab.ssh"), (sys.executable, "-m", "lab", "ssh")):
        done = subprocess.run(
            [*words, "--help"], cwd=PROJECT, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "Open a shell on a host, as the user ops" in done.stdout
