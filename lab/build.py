"""Build the stand-in binary (lab/bingo) with Debian's own Go and libraries; nothing is downloaded
from module proxies.

`python3 lab/build.py` prints the path of the built file, `--packages` the Debian packages a build
needs.
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
"""Debian packages the build needs; the same names in Debian 12 and 13."""

SOURCES = Path(__file__).resolve().parent / "bingo"
SHARED = Path("/var/cache/runbook-lab")
GO_CACHE: Path | None = None  # where Go keeps what it compiled; beside the built file if None
LIBRARIES = "/usr/share/gocode"
KEEP = 30 * 86400  # seconds after which builds of other sources go
FLAGS = ("-trimpath", "-ldflags", "-s -w -buildid=")


class BuildError(Exception):
    """The stand-in cannot be built; the message says what to do."""


def build() -> Path:
    """The built executable, from the cache when the sources have not changed.

    Raises:
        BuildError: Go or a library is missing, or the sources do not compile.
    """
    target = _cache() / f"bingo-{_fingerprint()}"
    if not target.exists():
        _compile(target)
    return target


def _fingerprint() -> str:
    """Changes with the sources and the way they are built."""
    digest = hashlib.sha256(repr(FLAGS).encode())
    for source in sorted(set(SOURCES.glob("*.go")) - set(SOURCES.glob("*_test.go"))):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def _cache() -> Path:
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
    raise BuildError(
        f"neither {SHARED} nor the home directory can be written; the stand-in has no place"
    )


def environment(work: Path) -> dict[str, str]:
    """What Go needs to build from Debian's packages alone; the program's sources are below
    `work`/src."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(work),
        "GOCACHE": str(GO_CACHE or _cache() / "go-build"),
        "GOFLAGS": "",
        "GO111MODULE": "off",
        "GOTOOLCHAIN": "local",
        "GOPATH": f"{work}:{LIBRARIES}",
        "CGO_ENABLED": "0",
    }


def _compile(target: Path) -> None:
    """Compile beside `target` and rename: a build that was cut off leaves nothing that looks
    finished."""
    go = shutil.which("go")
    if go is None:
        raise BuildError(f"Go is missing; apt-get install {' '.join(PACKAGES)}")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as work:
        package = Path(work) / "src" / "bingo"
        shutil.copytree(SOURCES, package)
        built = Path(work) / "bingo"
        run = subprocess.run(
            [go, "build", *FLAGS, "-o", str(built), "bingo"],
            cwd=package,
            env=environment(Path(work)),
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
    _prune(target.parent)


def _prune(cache: Path) -> None:
    """Remove old builds, and what builds left that were killed."""
    for pattern, age in (("bingo-*", KEEP), (".build-*", 3600)):
        for path in cache.glob(pattern):
            if time.time() - path.stat().st_mtime > age:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    if "--packages" in sys.argv:
        print(" ".join(PACKAGES))
    else:
        try:
            print(build())
        except BuildError as error:
            sys.exit(str(error))
