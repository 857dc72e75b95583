"""The functions of the lab that tasks, tests and drills call.

    up() down() reset()                 the whole lab, or some hosts
    check_machine()                     whether a lab can run on this machine
    power_off(name) power_on(name)      a power failure, and its end
    pin_release(name)                   another release of the program, good or bad

All of them run as root or through sudo. The environment variable LAB chooses the lab.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from . import (
    balancer,
    container,
    disk,
    image,
    mirror,
    network,
    preflight,
    programs,
    sitefile,
    ssh,
)
from .errors import LabError
from .lock import lock_lab
from .names import STATE, Lab, choose_hosts, current_lab
from .privilege import as_root
from .removal import remove_lab
from .shell import report

STAND_IN = {"deaths": "real", "scale": "1.0"}
DEFAULTS = {**STAND_IN, "bookworm": "", "cloud_init": "", "service": programs.DEFAULT}


def up(
    names: list[str] | None = None,
    deaths: str | None = None,
    scale: float | None = None,
    bookworm: list[str] | None = None,
    cloud_init: bool | None = None,
    service: str | None = None,
    extra: list[str] | None = None,
) -> None:
    """Bring the lab up: build what is missing, repair what is half done, keep what is right.

    Args:
        names: some of the hosts; by default those that the program needs. Hosts of an earlier call
            stay.
        deaths: how often the stand-in crashes: real, off, or a mean time in seconds. By default
            unchanged.
        scale: factor on the stand-in's row counts. By default unchanged.
        bookworm: hosts with Debian 12; the others have Debian 13. A host that changes its release
            gets a fresh disk. By default unchanged.
        cloud_init: whether cloud-init sets the hosts up at their first boot. By default unchanged.
        service: the program, a folder of services/ or the path of another. By default unchanged.
        extra: hosts besides these.
    """
    given: dict[str, str] = {}
    if deaths is not None:
        given["deaths"] = deaths
    if scale is not None:
        given["scale"] = str(scale)
    if bookworm is not None:
        given["bookworm"] = " ".join(choose_hosts(bookworm) if bookworm else [])
    if cloud_init is not None:
        given["cloud_init"] = "yes" if cloud_init else ""
    lab = current_lab()
    given["service"] = programs.find_folder(service) if service else _read_settings(lab)["service"]
    program = programs.read_program(given["service"])
    wanted = choose_hosts([*(names or [*program.hosts, *lab.made()]), *(extra or [])])
    _up_as_root(wanted, given, programs.get_binary(program))


@as_root
def _up_as_root(names: list[str], settings: dict[str, str], binary: str) -> None:
    with lock_lab() as lab:
        began = time.monotonic()
        preflight.check_machine(lab)
        if lab.folder.exists() and not container.list_running_hosts(lab):
            report("removing what is left of an earlier lab")
            remove_lab(lab)
        _refuse_other_program(lab, settings["service"])
        wanted = _read_settings(lab) | settings
        roots = {name: _ensure_image(wanted, name) for name in names}
        disk.ensure_writable(lab)
        sitefile.make_secrets(lab, names)
        network.set_up_network(lab, [*names, *lab.made()])
        changed = _store_settings(lab, settings)
        booted = [name for name in names if _ensure_running(lab, name, roots[name])]
        for name in lab.made():
            if name not in booted and changed:
                disk.write_settings(lab, name, _read_stand_in_settings(lab))
        sitefile.pin_host_keys(lab, lab.made())
        ssh.wait_for_login(lab, names)
        balancer.set_up_balancer(lab, names)
        program = programs.read_program(settings["service"])
        sitefile.take_binary(lab, Path(binary), program.name)
        sitefile.write_site_file(lab, lab.made(), program, wanted["deaths"])
        report(
            f"lab {lab.number}: {', '.join(names)} answer ssh ({len(booted)} booted,"
            f" {time.monotonic() - began:.1f} s)"
        )


def _refuse_other_program(lab: Lab, folder: str) -> None:
    before = _read_settings(lab)["service"]
    if lab.made() and before != folder:
        raise LabError(
            f"lab {lab.number} serves {before}, not {folder}",
            "its hosts hold that program and its data",
            "inv lab.down, then the same again; or another lab: LAB=1 inv lab.up --service …",
        )


def _read_settings(lab: Lab) -> dict[str, str]:
    path = lab.folder / "settings.json"
    return DEFAULTS | (json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})


def _read_stand_in_settings(lab: Lab) -> dict[str, str]:
    return {key: value for key, value in _read_settings(lab).items() if key in STAND_IN}


def _ensure_image(settings: dict[str, str], name: str) -> Path:
    suite = "bookworm" if name in settings["bookworm"].split() else mirror.SUITE
    return image.ensure_image(suite, cloud=bool(settings["cloud_init"]))


def _store_settings(lab: Lab, given: dict[str, str]) -> bool:
    """Store the settings that were given; return whether anything changed."""
    before = _read_settings(lab)
    (lab.folder / "settings.json").write_text(json.dumps(before | given), encoding="utf-8")
    return before | given != before


def _ensure_running(lab: Lab, name: str, root: Path) -> bool:
    """Boot the host if it does not run; return whether it was booted.

    A running host gets its cable plugged in. A host whose image is of another kind than `root` gets
    a fresh disk.
    """
    fits = name in lab.made() and image.read_kind(
        disk.read_image_path(lab, name)
    ) == image.read_kind(root)
    if fits and container.find_init_pid(lab, name):
        network.set_cable(lab, name, "up")
        return False
    container.power_off(lab, name)  # some of its processes may be left
    if fits:
        disk.attach_disk(lab, name)
    else:
        disk.make_disk(lab, name, root, _read_stand_in_settings(lab))
    container.start_host(lab, name)
    return True


@as_root
def check_machine() -> None:
    """Check that a lab can run on this machine.

    Raises:
        LabError: it cannot; the error holds the reason.
    """
    preflight.check_machine(current_lab())


@as_root
def down() -> None:
    """Remove the lab: processes, mounts, network, kernel settings, state. The image stays."""
    with lock_lab() as lab:
        existed = lab.folder.exists() or bool(container.list_known_hosts(lab))
        remove_lab(lab)
        report(f"lab {lab.number}: {'removed' if existed else 'was not up'}")
    if not any(STATE.iterdir()):
        STATE.rmdir()


@as_root
def reset(names: list[str] | None = None) -> None:
    """Give hosts (by default all) a fresh disk and boot them, with the same keys and settings."""
    with lock_lab() as lab:
        chosen = choose_hosts(names, lab.made())
        for name in chosen:
            root = _ensure_image(_read_settings(lab), name)
            container.power_off(lab, name)
            disk.make_disk(lab, name, root, _read_stand_in_settings(lab))
            container.start_host(lab, name)
        ssh.wait_for_login(lab, chosen)
        report(f"lab {lab.number}: {', '.join(chosen)} have a fresh disk and answer ssh")


@as_root
def remove_host(name: str) -> None:
    """Take a host out of the lab for good: its process, its disk, its place in the site file."""
    with lock_lab() as lab:
        choose_hosts([name], lab.made())
        container.power_off(lab, name)
        disk.remove_disk(lab, name)
        sitefile.pin_host_keys(lab, lab.made())
        settings = _read_settings(lab)
        program = programs.read_program(settings["service"])
        sitefile.write_site_file(lab, lab.made(), program, settings["deaths"])


@as_root
def power_off(name: str) -> None:
    """End the host as a power failure does. Its disk stays. Harmless if it is off."""
    with lock_lab() as lab:
        choose_hosts([name], lab.made())
        container.power_off(lab, name)


@as_root
def power_on(name: str) -> None:
    """Boot the host from its disk and wait until it answers ssh. Harmless if it runs."""
    with lock_lab() as lab:
        choose_hosts([name], lab.made())
        if not container.find_init_pid(lab, name):
            container.power_off(lab, name)
            disk.attach_disk(lab, name)
            container.start_host(lab, name)
        ssh.wait_for_login(lab, [name])


def pin_release(name: str) -> str:
    """Pin a release of the program (see releases.py) in the site file; return the release's id."""
    program = programs.read_program(_read_settings(current_lab())["service"])
    return _pin_as_root(name, programs.get_binary(program, name))


@as_root
def _pin_as_root(name: str, binary: str) -> str:
    with lock_lab() as lab:
        if not lab.site.exists():
            raise LabError(
                "the lab is not up", "only its site file can pin a release", "inv lab.up"
            )
        program = programs.read_program(_read_settings(lab)["service"])
        return sitefile.pin_release(lab, program, name, Path(binary))
