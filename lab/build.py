"""Build the stand-in binary (lab/bingo) with the Go and the libraries of Debian alone.

`python3 lab/build.py` prints the path of the built file; with `--packages` it prints the Debian
packages that a build needs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES: tuple[str, ...] = (
    "golang-go",
    "golang-github-spf13-cobra-dev",
    "golang-go.uber-zap-dev",
    "golang-github-lib-pq-dev",
    "golang-gopkg-yaml.v2-dev",
)
"""Debian packages that the build needs; they have the same names in Debian 12 and 13."""

SOURCES = Path(__file__).resolve().parent / "bingo"
SHARED = Path("/var/cache/runbook-lab")
GO_CACHE: Path | None = None
"""Go's build cache; None: a folder beside the built file."""
LIBRARIES = "/usr/share/gocode"
KEEP = 30 * 86400
"""Seconds after which builds of other sources are removed."""

KILLED = 3600
"""Seconds after which a build folder can only be that of a killed build."""

FLAGS = ("-trimpath", "-ldflags", "-s -w -buildid=")


class BuildError(Exception):
    """The stand-in cannot be built; the message holds the reason and what to do."""


def build_stand_in() -> Path:
    """Return the built executable, from the cache if the sources have not changed.

    Raises:
        BuildError: Go or a library is missing, or the sources do not compile.
    """
    target = find_cache() / f"bingo-{_hash_sources()}"
    if not target.exists():
        _compile_stand_in(target)
    return target


def _hash_sources() -> str:
    """Hash the sources and the build flags: every combination has a file of its own."""
    digest = hashlib.sha256(repr(FLAGS).encode())
    for source in sorted(set(SOURCES.glob("*.go")) - set(SOURCES.glob("*_test.go"))):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def find_cache() -> Path:
    """Return the folder where binaries are kept: that of the lab, else one of this user.

    Raises:
        BuildError: no folder can be written.
    """
    folders = [SHARED]
    with contextlib.suppress(RuntimeError):  # a user id without a name may have no home
        folders.append(Path.home() / ".cache" / "runbook-lab")
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise BuildError(f"neither {SHARED} nor a cache in the home directory can be written")


def go_environment(work: Path) -> dict[str, str]:
    """Return the environment in which Go builds from Debian's packages alone.

    The program's sources are below `work`/src.
    """
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(work),
        "GOCACHE": str(GO_CACHE or find_cache() / "go-build"),
        "GOFLAGS": "",
        "GO111MODULE": "off",
        "GOTOOLCHAIN": "local",
        "GOPATH": f"{work}:{LIBRARIES}",
        "CGO_ENABLED": "0",
    }


def _compile_stand_in(target: Path) -> None:
    """Compile beside `target`, then rename: an interrupted build leaves no unfinished target."""
    go = shutil.which("go")
    if go is None:
        raise BuildError(f"Go is not installed; apt-get install {' '.join(PACKAGES)}")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as work:
        package = Path(work) / "src" / "bingo"
        shutil.copytree(SOURCES, package)
        built = Path(work) / "bingo"
        run = subprocess.run(
            [go, "build", *FLAGS, "-o", str(built), "bingo"],
            cwd=package,
            env=go_environment(Path(work)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if run.returncode:
            raise BuildError(
                f"the stand-in does not compile (needs {' '.join(PACKAGES)}):\n{run.stderr.strip()}"
            )
        built.replace(target)
    _remove_old_builds(target.parent)


def _remove_old_builds(cache: Path) -> None:
    """Remove old builds, and the folders of builds that were killed."""
    for pattern, age in (("bingo-*", KEEP), (".build-*", KILLED)):
        for path in cache.glob(pattern):
            if time.time() - path.stat().st_mtime > age:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    if "--packages" in sys.argv:
        print(" ".join(PACKAGES))
    else:
        try:
            print(build_stand_in())
        except BuildError as error:
            sys.exit(str(error))
