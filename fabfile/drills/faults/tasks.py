"""Tasks of the runbook under load: users must not notice them."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...engine.errors import OK, ROLLED_BACK, RunbookError
from ...settings.project import PROJECT
from ...settings.settings import Settings
from ..errors import NotPossible
from ..target import DrillTarget
from .fault import Task

MEGABYTES = 16
"""The drill's deploy raises app.memory_max by so much: a harmless change that restarts every
node."""


def _run_quietly(work: Callable[[], int]) -> int:
    """Run `work` without its output; return its exit code."""
    with contextlib.redirect_stdout(io.StringIO()):
        return work()


def _deploy_now(settings: Settings) -> int:
    from ...rollout.deploy import DeployOptions, deploy_hosts

    return _run_quietly(lambda: deploy_hosts(settings, [], DeployOptions(reason="drill")))


def deploy_under_load(target: DrillTarget) -> Task:
    """A deploy that restarts every app node, and afterwards one that reverts it."""

    def after(target: DrillTarget) -> None:
        if _deploy_now(target.settings) != OK:
            raise RunbookError(
                "the deploy that reverts the drill's change failed",
                "its memory limit stays",
                "fab deploy",
            )

    def work(target: DrillTarget) -> int:
        app = target.settings.app
        changed = replace(app, memory_max=f"{int(app.memory_max.rstrip('M')) + MEGABYTES}M")
        return _deploy_now(replace(target.settings, app=changed))

    if not target.lab:
        raise NotPossible(
            "a deploy restarts every node", "this drill runs only in a lab", "fab deploy"
        )
    if not target.settings.app.memory_max.removesuffix("M").isdecimal():
        raise NotPossible(
            "app.memory_max is not given in M", "the drill cannot raise it by 16 M", ""
        )
    return Task(work, after, restarted_apps=tuple(node.name for node in target.apps))


def renew_certificate(target: DrillTarget) -> Task:
    """A new certificate on both edges."""
    from ...rollout import certificates

    if target.settings.tls.certificate:
        raise NotPossible(
            "the certificate is provided by the site", "the runbook cannot renew it", ""
        )
    if target.settings.tls.acme and not target.lab:
        raise NotPossible(
            "each certificate counts against the limits of the public authority",
            "a site may order about five a week",
            "inv certs.renew --force   (a single renewal, without measuring)",
        )
    return Task(
        lambda target: _run_quietly(
            lambda: certificates.renew_certificate(
                target.settings, force=True, dry=False, json=None
            )
        )
    )


def bad_release(target: DrillTarget) -> Task:
    """A release whose /ping is fine and whose reads are slow: the gate must reject it."""
    stand_in = target.settings.program.lab.build and (PROJECT / "lab/releases.py").exists()
    if not target.lab or not stand_in:
        raise NotPossible(
            "there is no bad release", "only a lab can make one, from its stand-in", ""
        )

    def work(target: DrillTarget) -> int:
        from ...rollout.binary import file_sha256

        binary = _slow_release(target.settings)
        app = replace(
            target.settings.app, binary=str(binary), sha256=file_sha256(binary, target.settings)
        )
        return _deploy_now(replace(target.settings, app=app))

    def after(target: DrillTarget) -> None:
        # The good release is deployed again also after an abort, when there is no exit code.
        if target.exits != [ROLLED_BACK] and _deploy_now(target.settings) != OK:
            raise RunbookError(
                "the deploy of the good release failed", "the bad one may still serve", "fab deploy"
            )

    return Task(work, after)


def _slow_release(settings: Settings) -> Path:
    """The lab's binary with slow reads."""
    good, folder = settings.path.parent / settings.app.binary, settings.state / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "lab.releases", str(good), str(folder), "slow"]
    done = subprocess.run(
        argv, cwd=PROJECT, capture_output=True, text=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        raise RunbookError(
            "the lab made no bad release", done.stderr.strip()[-200:], "inv lab.status"
        )
    return Path(done.stdout.strip())
