"""What one can do with the lab: the functions that tasks, tests and drills call.

    up() down() reset() check()       the whole lab, or some hosts; check: can a lab exist here?
    power_off(name) power_on(name)    a power failure, and its end
    pin(kind)                         another release of the stand-in, good or bad
    cut(name) heal(name)              the network cable pulled, and plugged in again

All of them work as root or through sudo, and act on the lab that the environment variable LAB
names.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import container, disk, image, mirror, mounts, network, preflight, releases, sitefile, ssh
from .build import BuildError, build
from .errors import LabError
from .lock import held
from .names import HOSTS, STATE, Lab, chosen, current
from .privilege import as_root
from .shell import say

STAND_IN = {"deaths": "real", "scale": "1.0"}
DEFAULTS = {**STAND_IN, "bookworm": ""}


@contextmanager
def _alone() -> Iterator[Lab]:
    """The current lab, with nobody else changing it."""
    lab = current()
    os.umask(0o022)  # the hosts' own users must be able to enter the folders we make
    with held(STATE / f"{lab.number}.lock", f"another command on lab {lab.number}"):
        yield lab


def up(
    names: list[str] | None = None,
    deaths: str | None = None,
    scale: float | None = None,
    bookworm: list[str] | None = None,
) -> None:
    """Make the lab stand: build what is missing, repair what is half done, leave alone what is
    right.

    Args:
        names: some of the hosts; by default those of every lab. Those of an earlier call stay.
        deaths: how the stand-in dies by itself: real, off, or a mean time in seconds. Kept if not
            given.
        scale: factor on its row counts. Kept if not given.
        bookworm: hosts that are Debian 12, the others are 13; one that was the other gets a fresh
            disk. Kept if not given.
    """
    given = {"deaths": deaths, "scale": None if scale is None else str(scale)}
    given["bookworm"] = None if bookworm is None else " ".join(chosen(bookworm) if bookworm else [])
    wanted = chosen(names or [*HOSTS, *current().made()])
    _up(wanted, {key: value for key, value in given.items() if value is not None}, _binary())


def _binary() -> str:
    """The stand-in, built by the user who asks, not by root."""
    slow = threading.Timer(1, say, ["stand-in: building it (once; about a minute)"])
    slow.start()
    try:
        return str(build())
    except BuildError as error:
        raise LabError(
            f"The stand-in binary could not be built: {error}",
            "It is what the lab's hosts are there to serve.",
            "./run demo installs what its build needs and goes on from there",
        ) from None
    finally:
        slow.cancel()


@as_root
def _up(names: list[str], settings: dict[str, str], binary: str) -> None:
    with _alone() as lab:
        began = time.monotonic()
        preflight.check(lab)
        if lab.folder.exists() and not container.all_running(lab):
            say("What is left of an earlier lab is removed first.")
            _remove(lab)
        wanted = _settings(lab) | settings
        roots = {name: image.ready(_suite(wanted, name)) for name in names}
        disk.ensure_writable(lab)
        sitefile.make_secrets(lab, names)
        network.up(lab)
        changed = _store_settings(lab, settings)
        booted = [name for name in names if _ensure_running(lab, name, roots[name])]
        for name in lab.made():
            if name not in booted and changed:
                disk.write_settings(lab, name, _of_stand_in(lab))
        sitefile.pin_host_keys(lab, lab.made())
        ssh.wait(lab, names)
        sitefile.take_binary(lab, Path(binary))
        sitefile.write(lab, lab.made(), _settings(lab)["deaths"])
        say(
            f"lab {lab.number}: {', '.join(names)} answer ssh ({len(booted)} booted,"
            f" {time.monotonic() - began:.1f} s)"
        )


def _settings(lab: Lab) -> dict[str, str]:
    path = lab.folder / "settings.json"
    return DEFAULTS | (json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})


def _of_stand_in(lab: Lab) -> dict[str, str]:
    return {key: value for key, value in _settings(lab).items() if key in STAND_IN}


def _suite(settings: dict[str, str], name: str) -> str:
    return "bookworm" if name in settings["bookworm"].split() else mirror.SUITE


def _store_settings(lab: Lab, given: dict[str, str]) -> bool:
    """Store them; whether anything is other than before."""
    before = _settings(lab)
    (lab.folder / "settings.json").write_text(json.dumps(before | given), encoding="utf-8")
    return before | given != before


def _ensure_running(lab: Lab, name: str, root: Path) -> bool:
    """Boot the host unless it runs (then plug it in, if it was cut off); whether it had to.

    A host of another release than `root` gets a fresh disk.
    """
    fits = name in lab.made() and image.suite_of(disk.image_of(lab, name)) == image.suite_of(root)
    if fits and container.init_pid(lab, name):
        network.set_cable(lab, name, "up")
        return False
    container.power_off(lab, name)  # of a half-dead one
    if fits:
        disk.attach(lab, name)
    else:
        disk.make(lab, name, root, _of_stand_in(lab))
    container.start(lab, name)
    return True


@as_root
def check() -> None:
    """
    Raises:
        LabError: no lab can be made on this machine, and why.
    """
    preflight.check(current())


@as_root
def down() -> None:
    """Remove the lab: processes, mounts, network, forwarding setting, state. The image cache
    stays."""
    with _alone() as lab:
        stood = lab.folder.exists() or bool(container.known(lab))
        _remove(lab)
        say(f"lab {lab.number}: {'removed' if stood else 'was not up'}")
    if not any(STATE.iterdir()):
        STATE.rmdir()


def _remove(lab: Lab) -> None:
    lab.site.unlink(missing_ok=True)
    for name in container.known(lab):
        container.power_off(lab, name)
    container.remove_lab_cgroup(lab)
    network.down(lab)
    for folder in lab.folder.glob("hosts/*"):
        disk.forget(lab, folder.name)
    mounts.unmount_below(lab.folder)
    if lab.folder.exists():
        mounts.remove(lab.folder)


@as_root
def reset(names: list[str] | None = None) -> None:
    """Give hosts (default: all of the lab) a fresh disk and boot them again, with the same keys
    and settings."""
    with _alone() as lab:
        which = chosen(names, lab.made())
        for name in which:
            root = image.ready(_suite(_settings(lab), name))
            container.power_off(lab, name)
            disk.make(lab, name, root, _of_stand_in(lab))
            container.start(lab, name)
        ssh.wait(lab, which)
        say(f"lab {lab.number}: {', '.join(which)} fresh and up")


@as_root
def power_off(name: str) -> None:
    """End the host as a power failure does. Its disk stays. Harmless if it is off."""
    with _alone() as lab:
        chosen([name], lab.made())
        container.power_off(lab, name)


@as_root
def power_on(name: str) -> None:
    """Boot the host from its disk and wait until it answers ssh. Harmless if it runs."""
    with _alone() as lab:
        chosen([name], lab.made())
        if not container.init_pid(lab, name):
            container.power_off(lab, name)
            disk.attach(lab, name)
            container.start(lab, name)
        ssh.wait(lab, [name])


def pin(kind: str) -> str:
    """Make the site file pin a release of the stand-in of this kind (see releases.py); its id."""
    if kind not in releases.KINDS:
        known = ", ".join(releases.KINDS)
        raise LabError(
            f"There is no kind of release called {kind}.",
            f"There are {known}.",
            "inv lab.release good",
        )
    return _pin(kind, _binary())


@as_root
def _pin(kind: str, binary: str) -> str:
    with _alone() as lab:
        if not lab.site.exists():
            raise LabError(
                "The lab is not up.", "Its site file is what pins a release.", "inv lab.up"
            )
        return sitefile.pin(lab, releases.make(Path(binary), lab.folder, kind))


@as_root
def cut(name: str) -> None:
    """Pull the host's network cable. It runs on, nobody reaches it."""
    _set_cable(name, "down")


@as_root
def heal(name: str) -> None:
    """Plug it in again."""
    _set_cable(name, "up")


def _set_cable(name: str, state: str) -> None:
    with _alone() as lab:
        chosen([name], lab.made())
        if not network.has_cable(lab, name):
            raise LabError(
                f"{name} is off.",
                "Only a running host has a network cable.",
                f"Start it first: inv lab.up --hosts {name}",
            )
        network.set_cable(lab, name, state)
