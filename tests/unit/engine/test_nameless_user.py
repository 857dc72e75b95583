"""A user id without a line in /etc/passwd (containers, CI): Python 3.13 has no name for it, and
Fabric asks for one at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import PROJECT

PYTHON_313 = """
import getpass, os, pwd, site, sys
def unknown(uid):
    raise KeyError(uid)
def getuser():
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return pwd.getpwuid(os.getuid())[0]
    except KeyError as error:
        raise OSError("No username set in the environment") from error
getpass.getuser = getuser
if sys.argv[1] == "nameless":
    pwd.getpwuid = unknown
site.addsitedir(sys.argv[2])
import fabric
print(fabric.Config().user, getuser(), os.getuid())
from fabfile.engine.journal import operator_name
print(operator_name().partition("@")[0])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The site-packages of a venv, as `./run setup` leaves it."""
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{tmp_path}'\n")
    python.chmod(0o755)
    script = f". {PROJECT}/run >/dev/null; name_unnamed_user"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)
    assert len(list(tmp_path.glob("*.pth"))) == 1
    return tmp_path


def names(folder: Path, who: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PYTHON_313, who, str(folder)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("environment", [{}, {"USERNAME": ""}])
def test_a_user_without_a_name_is_called_by_his_number(
    folder: Path, environment: dict[str, str]
) -> None:
    config, user, number, operator = names(folder, "nameless", **environment)
    assert config == user == operator == number


def test_a_name_in_the_environment_counts(folder: Path) -> None:
    assert names(folder, "nameless", USER="anna")[:2] == ["anna", "anna"]


def test_a_user_with_a_name_keeps_it(folder: Path) -> None:
    config, user, _, operator = names(folder, "named")
    assert config == user == operator
    assert not user.isdigit()
