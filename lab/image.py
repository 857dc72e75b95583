"""The root file system hosts share, one a Debian release: built once by mmdebstrap, cached by its
recipe.

Named `image-<recipe>-<time>`: a newer one never takes the place of one that hosts still run on.
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
from .lock import held
from .mounts import lower_folders, remove
from .names import CACHE
from .shell import environment, failed, say

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
# Older ones are rebuilt: their package lists name files the mirrors no longer have.
FRESH = 7 * 86400  # seconds


def ready(suite: str) -> Path:
    """The root folder of the image of `suite`, built first if there is none that is fresh. Takes
    about 20 s then.

    Raises:
        LabError: it cannot be built, and no older one is there to fall back on.
    """
    sources, options = mirror.lines(mirror.machine_sources(), suite), mirror.apt_options()
    recipe = _key(sources, options)
    with held(CACHE / "image.lock", "another lab that builds the image") as lock:
        images = sorted(CACHE.glob(f"image-{recipe}-*"))
        if not images or time.time() - _built(images[-1]) > FRESH:
            try:
                images.append(_build(suite, recipe, sources, options, lock))
            except LabError as error:
                for left in CACHE.glob("build-*"):
                    remove(left)
                if not images:
                    raise
                say(
                    f"The image of {suite} could not be renewed ({error.seen}): using the older"
                    " one."
                )
        _forget_old(images[-1])
        return images[-1]


def suite_of(image: Path) -> str:
    """Which release an image is of, by its own word."""
    lines = (image / "usr/lib/os-release").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME="))


def _built(image: Path) -> int:
    return int(image.name.rpartition("-")[2])


def _script() -> str:
    return Path(__file__).with_name("image.sh").read_text(encoding="utf-8")


def _key(sources: list[str], options: list[str]) -> str:
    parts = [
        *PACKAGES,
        *DPKG,
        *sources,
        *options,
        _script(),
        *(path.read_text(encoding="utf-8") for path in _certificates()),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def _certificates() -> Iterator[Path]:
    yield from sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))


def _build(suite: str, recipe: str, sources: list[str], options: list[str], lock: int) -> Path:
    for left in CACHE.glob("build-*"):
        remove(left)
    say(f"image: building Debian {suite} (once; about 20 s)")
    root = CACHE / f"build-{os.getpid()}"
    _debootstrap(suite, root, sources, options, lock)
    for certificate in _certificates():
        shutil.copy(certificate, root / "usr/local/share/ca-certificates")
    # mmdebstrap lets nothing of the outside in but what apt needs; image.sh does the rest.
    inside = f"mount -t proc proc {root}/proc; exec chroot {root} sh"
    _locked(["unshare", "--mount", "sh", "-euc", inside], lock, _script())
    image = CACHE / f"image-{recipe}-{int(time.time())}"
    root.rename(image)
    return image


def _debootstrap(suite: str, root: Path, sources: list[str], options: list[str], lock: int) -> None:
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
    argv += [
        f"--include={','.join(PACKAGES)}",
        "--skip=cleanup/apt/lists",
        '--aptopt=Acquire::Languages "none"',
    ]
    argv += [f"--dpkgopt={option}" for option in DPKG] + [
        f"--aptopt={option.rstrip(';')}" for option in options
    ]
    argv += [suite, str(root), *sources]
    _locked(argv, lock)


def _locked(argv: list[str], lock: int, stdin: str = "") -> None:
    """Run a part of the build. It holds the lock itself: if we are killed, the next build waits
    until it has ended."""
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        pass_fds=(lock,),
        env=environment(),
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if line.lstrip().startswith(("E:", "Err:", "W:"))] or lines
        raise failed((argv[0], "…"), "\n".join(errors[-6:]))


def _forget_old(newest: Path) -> None:
    """Remove old images that no host of any lab uses."""
    used = lower_folders() | {newest}
    for image in CACHE.glob("image-*-*"):
        if image not in used and time.time() - _built(image) > FRESH:
            remove(image)
