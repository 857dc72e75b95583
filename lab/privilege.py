"""Running single functions as root; the rest of the lab runs as the calling user."""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from .errors import LabError
from .shell import succeeds

P = ParamSpec("P")
R = TypeVar("R")


def as_root(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function run as root: directly if this is root, else in a process under `sudo -n`.

    Its arguments and its result must be JSON values.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if os.geteuid() == 0:
            return function(*args, **kwargs)
        result: R = _call_through_sudo(function.__module__, function.__qualname__, [args, kwargs])
        return result

    return wrapper


def _call_through_sudo(module: str, name: str, arguments: object) -> Any:
    if not succeeds("sudo", "-n", "true"):
        raise LabError(
            "this user is not root, and sudo asks for a password or is not installed",
            "hosts need root: mounts, a bridge, containers",
            "run it as root, or allow this user password-less sudo",
        )
    program = [sys.executable, "-m", __name__, module, name, json.dumps(arguments)]
    done = subprocess.run(
        ["sudo", "-n", "env", *_environment(), *program],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = done.stdout.splitlines()
    if not lines:
        raise LabError(
            "the part that sudo runs ended early", "its result is unknown", "run it again"
        )
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise LabError(*answer["error"])
    return answer["result"]


def _environment() -> list[str]:
    """What the part that sudo runs needs to know, as `KEY=VALUE`."""
    here = Path(__file__).resolve().parent.parent
    proxies = [
        f"{key}={os.environ[key]}" for key in ("http_proxy", "https_proxy") if key in os.environ
    ]
    return [
        f"LAB={os.environ.get('LAB', '0')}",
        f"PYTHONPATH={here}",
        "PYTHONDONTWRITEBYTECODE=1",
        *proxies,
    ]


def _run_function(module: str, name: str, arguments: str) -> None:
    """Run one function (this process is root) and print its result as the last line."""
    args, kwargs = json.loads(arguments)
    try:
        answer = {"result": getattr(importlib.import_module(module), name)(*args, **kwargs)}
    except LabError as error:
        answer = {"error": [error.problem, error.why, error.next, error.code]}
    print(json.dumps(answer))


if __name__ == "__main__":
    _run_function(*sys.argv[1:4])
