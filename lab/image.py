"""The root file system that hosts share, one for each Debian release.

mmdebstrap builds it once. It is cached as `image-<hash of the recipe>-<time>`: a new image never
replaces one that hosts still run on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from . import mirror
from .errors import LabError
from .lock import hold_lock
from .mounts import list_lower_folders, remove_folder
from .names import CACHE
from .shell import command_error, report, tool_environment

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "nftables",
    "netbase",
    "procps",
    "ca-certificates",
)
DPKG = (
    "force-unsafe-io",
    *(f"path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "info", "locale")),
)

CLOUD_PACKAGES = ("cloud-init",)
"""Packages that a host has besides, if its first boot is cloud-init's."""

MAX_AGE = 7 * 86400
"""Seconds after which an image is rebuilt: an older one's package lists name files that the mirrors
no longer have."""


def ensure_image(suite: str, cloud: bool = False) -> Path:
    """Return the root folder of the image of `suite`; build it if there is no fresh one (20 s).

    `cloud`: as clouds have it, with cloud-init, without a user, and with apt's own timers on.

    Raises:
        LabError: it cannot be built, and there is no older one to fall back on.
    """
    sources, options = (
        mirror.render_deb_lines(mirror.read_machine_sources(), suite),
        mirror.read_apt_options(),
    )
    recipe = _hash_recipe(sources, options, cloud)
    with hold_lock(CACHE / "image.lock", "another lab that builds the image") as lock:
        images = sorted(CACHE.glob(f"image-{recipe}-*"))
        if not images or time.time() - _read_build_time(images[-1]) > MAX_AGE:
            try:
                images.append(_build_image(suite, recipe, sources, options, lock, cloud))
            except LabError as error:
                for left in CACHE.glob("build-*"):
                    remove_folder(left)
                if not images:
                    raise
                report(
                    f"the image of {suite} could not be renewed ({error.problem}); the older"
                    " one is used"
                )
        _remove_old_images(images[-1])
        return images[-1]


def read_suite(image: Path) -> str:
    """Return the codename of an image's Debian release."""
    lines = (image / "usr/lib/os-release").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME="))


def boots_by_cloud_init(image: Path) -> bool:
    """Return whether a host with this image is set up by cloud-init at its first boot."""
    return (image / "usr/bin/cloud-init").exists()


def read_kind(image: Path) -> tuple[str, bool]:
    """Return what makes hosts different: the Debian release, and whether cloud-init sets up."""
    return read_suite(image), boots_by_cloud_init(image)


def _read_build_time(image: Path) -> int:
    return int(image.name.rpartition("-")[2])


def _read_script(cloud: bool) -> str:
    names = ("image.sh", "image-cloud.sh" if cloud else "image-plain.sh")
    return "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)


def _choose_packages(cloud: bool) -> tuple[str, ...]:
    return PACKAGES + CLOUD_PACKAGES if cloud else PACKAGES


def _hash_recipe(sources: list[str], options: list[str], cloud: bool) -> str:
    parts = [
        *_choose_packages(cloud),
        *DPKG,
        *sources,
        *options,
        _read_script(cloud),
        *(path.read_text(encoding="utf-8") for path in _find_certificates()),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def _find_certificates() -> Iterator[Path]:
    yield from sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))


def _build_image(
    suite: str, recipe: str, sources: list[str], options: list[str], lock: int, cloud: bool
) -> Path:
    for left in CACHE.glob("build-*"):
        remove_folder(left)
    report(f"building the image of Debian {suite} (once; about 20 s)")
    root = CACHE / f"build-{os.getpid()}"
    _run_mmdebstrap(suite, root, sources, options, lock, _choose_packages(cloud))
    for certificate in _find_certificates():
        shutil.copy(certificate, root / "usr/local/share/ca-certificates")
    # mmdebstrap installs packages and nothing else; image.sh does the rest.
    inside = f"mount -t proc proc {root}/proc; exec chroot {root} sh"
    _run_holding_lock(["unshare", "--mount", "sh", "-euc", inside], lock, _read_script(cloud))
    image = CACHE / f"image-{recipe}-{int(time.time())}"
    root.rename(image)
    return image


def _run_mmdebstrap(
    suite: str,
    root: Path,
    sources: list[str],
    options: list[str],
    lock: int,
    packages: tuple[str, ...],
) -> None:
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
    argv += [
        f"--include={','.join(packages)}",
        "--skip=cleanup/apt/lists",
        '--aptopt=Acquire::Languages "none"',
    ]
    argv += [f"--dpkgopt={option}" for option in DPKG] + [
        f"--aptopt={option.rstrip(';')}" for option in options
    ]
    argv += [suite, str(root), *sources]
    _run_holding_lock(argv, lock)


def _run_holding_lock(argv: list[str], lock: int, stdin: str = "") -> None:
    """Run one command of the build, which inherits the lock.

    So if this process is killed, the next build waits until the command has ended.
    """
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        pass_fds=(lock,),
        env=tool_environment(),
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if line.lstrip().startswith(("E:", "Err:", "W:"))] or lines
        raise command_error((argv[0], "…"), "\n".join(errors[-6:]))


def _remove_old_images(newest: Path) -> None:
    """Remove old images that no host of any lab uses."""
    used = list_lower_folders() | {newest}
    for image in CACHE.glob("image-*-*"):
        if image not in used and time.time() - _read_build_time(image) > MAX_AGE:
            remove_folder(image)
