"""Fetch a binary from the package registries, with the machine's own apt-get, pip or npm.

Nothing of the package is installed and none of its scripts runs: one file is taken out of it. The
file is kept in the cache. Its sha256 is not pinned here, because a rebuild in Debian changes it;
apt, pip and npm check what they download.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from . import mirror
from .errors import LabError
from .shell import report, tool_environment

if TYPE_CHECKING:
    from fabfile.settings.rehearsal import LabSource

MAX_AGE = 7 * 86400
"""Seconds after which a Debian package is fetched again: its suite may have a newer build."""

PATIENCE = 300
"""Seconds that one download may take."""


def fetch_binary(source: LabSource, cache: Path) -> Path:
    """Return the file of `source`, from `cache` or else from its registry.

    Raises:
        LabError: `source` is incomplete, the registry cannot be reached, or the package has no
            such file.
    """
    title, download = _choose_client(source)
    target = cache / f"{_make_file_name(title)}-{_hash_source(source)}"
    if target.exists() and not _is_old(source, target):
        return target
    report(f"fetching {title}")
    try:
        _fetch_into(target, source, title, download)
    except LabError as error:
        if not target.exists():
            raise
        report(f"{title} could not be fetched again ({error.problem}); the older one is used")
    return target


def _choose_client(source: LabSource) -> tuple[str, Callable[[LabSource, Path], Path]]:
    """Return what is fetched, in words, and the function that downloads its package."""
    version = f" {source.version}" if source.version else ""
    known: dict[str, tuple[str, Callable[[LabSource, Path], Path]]] = {
        f"{source.deb}{version} of Debian {source.suite}": (source.deb, _download_deb),
        f"{source.wheel}{version} of PyPI": (source.wheel, _download_wheel),
        f"{source.npm}{version} of npm": (source.npm, _download_npm),
    }
    found = [(title, download) for title, (package, download) in known.items() if package]
    complete = source.suite if source.deb else source.version
    if len(found) != 1 or not complete:
        raise LabError(
            f"[lab] names no single package: {source}",
            "it must be deb and suite, or wheel and version, or npm and version",
            "edit the [lab] table of its service.toml",
        )
    return found[0]


def _make_file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-")


def _hash_source(source: LabSource) -> str:
    return hashlib.sha256(repr(source).encode()).hexdigest()[:12]


def _is_old(source: LabSource, target: Path) -> bool:
    """Return whether the registry may have another file by now: a version never changes."""
    return not source.version and time.time() - target.stat().st_mtime > MAX_AGE


def _fetch_into(
    target: Path, source: LabSource, title: str, download: Callable[[LabSource, Path], Path]
) -> None:
    """Download, take the file out, and rename it to `target`: nobody sees half a file."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # apt's own user must be able to enter
        try:
            package = download(source, work)
        except (LabError, OSError) as error:
            reason = error.problem if isinstance(error, LabError) else str(error)
            raise LabError(
                f"{title} could not be fetched: {reason}",
                "the lab's hosts exist to serve this binary; nothing was changed",
                "check that this machine reaches the registry, then: inv lab.up",
            ) from None
        new = work / "binary"
        _take_file(package, source.file, new)
        new.chmod(0o755)
        new.replace(target)


def _download_deb(source: LabSource, folder: Path) -> Path:
    """Download a package of another suite than the machine's, with package lists of its own."""
    uri = mirror.find_mirrors(mirror.read_machine_sources()).get("")
    if not uri:
        mirror.render_deb_lines([])  # raises: this machine has no Debian mirror
    for name in ("lists/partial", "archives/partial", "package"):
        (folder / name).mkdir(parents=True)
    line = f"deb [signed-by={mirror.KEYRING}] {uri} {source.suite} main\n"
    (folder / "sources.list").write_text(line, encoding="utf-8")
    (folder / "status").touch()
    (folder / "package").chmod(0o777)  # apt's own user writes the file
    apt = ("apt-get", "-q", *_apt_options(folder))
    _run_client(folder, *apt, "update")
    name = f"{source.deb}={source.version}" if source.version else source.deb
    _run_client(folder / "package", *apt, "download", name)
    package = _find_package(folder / "package", "*.deb")
    _run_client(folder, "sh", "-c", 'dpkg-deb --fsys-tarfile "$0" >data.tar', str(package))
    return folder / "data.tar"


def _apt_options(folder: Path) -> list[str]:
    """The options that keep apt away from the machine's own lists, pins and state."""
    options = {
        "Dir::State": folder,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "APT::Default-Release": "",
        "APT::Update::Error-Mode": "any",  # without it, apt-get update succeeds without a network
        "Acquire::Languages": "none",
    }
    return [f"-o{key}={value}" for key, value in options.items()]


def _download_wheel(source: LabSource, folder: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--retries=1")
    kind = ("--no-deps", "--only-binary=:all:", "--dest=.")
    _run_client(folder, *pip, "download", *kind, f"{source.wheel}=={source.version}")
    return _find_package(folder, "*.whl")


def _download_npm(source: LabSource, folder: Path) -> Path:
    npm = ("npm", "pack", "--loglevel=error", "--fetch-retries=1")
    _run_client(folder, *npm, f"{source.npm}@{source.version}")
    return _find_package(folder, "*.tgz")


def _run_client(folder: Path, *argv: str) -> None:
    """Run a command in `folder`.

    Raises:
        LabError: it failed, or did not end; with its first line about an error.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=tool_environment(),
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} did not end within {PATIENCE} s", "", "") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{argv[0]} ended with {done.returncode}"]
        marks = ("E: ", "ERROR: ", "npm error ", "npm ERR! ")
        about = [line for line in lines if line.startswith(marks)] or lines
        raise LabError(re.sub(f"^({'|'.join(marks)})", "", about[0])[:300], "", "")


def _find_package(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{len(found)} files were downloaded", "it must be a single package", "")
    return found[0]


def _take_file(package: Path, pattern: str, target: Path) -> None:
    """Copy the only file of the package whose path matches `pattern`.

    Raises:
        LabError: no file matches, or several.
    """
    if zipfile.is_zipfile(package):
        with zipfile.ZipFile(package) as archive:
            target.write_bytes(archive.read(_choose_member(archive.namelist(), pattern)))
        return
    with tarfile.open(package, encoding="utf-8") as packed, target.open("wb") as file:
        names = [member.name for member in packed.getmembers() if member.isfile()]
        content = packed.extractfile(_choose_member(names, pattern))
        assert content is not None, "only plain files were listed"
        shutil.copyfileobj(content, file)


def _choose_member(names: list[str], pattern: str) -> str:
    found = [name for name in names if fnmatch(name.removeprefix("./"), pattern)]
    if len(found) != 1:
        raise LabError(
            f"{len(found)} files of the package match {pattern}",
            "the lab takes a single file, the binary",
            "edit `file` in the [lab] table of its service.toml",
        )
    return found[0]
