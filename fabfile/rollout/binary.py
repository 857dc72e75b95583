"""Get the app's binary onto this machine, from a path or URL, and check its pinned sha256."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..engine.errors import RunbookError
from ..engine.files import write_beside
from ..settings.settings import Settings
from ..settings.site_file import expand_home


def fetch_binary(settings: Settings) -> Path:
    """The binary as a local file with the pinned sha256. A URL is downloaded once and kept.

    Raises:
        RunbookError: the binary is missing, cannot be downloaded, or has another sha256.
    """
    wanted = settings.app.sha256
    if "://" in settings.app.binary:
        path = settings.state / "downloads" / wanted
        if not path.exists():
            download_file(settings.app.binary, path)
    else:
        path = settings.path.parent / expand_home(
            settings.app.binary, f"{settings.path}: app.binary"
        )
    found = file_sha256(path, settings)
    if found != wanted:
        if "://" in settings.app.binary:
            path.unlink()
        raise RunbookError(
            f"{settings.app.binary} has sha256 {found}, the site file pins {wanted}",
            "it is not the binary that was approved; nothing was uploaded",
            f'get the right binary, or accept this one: app.sha256 = "{found}" in {settings.path}',
        )
    return path


def file_sha256(path: Path, settings: Settings) -> str:
    """The file's sha256 in hex.

    Raises:
        RunbookError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunbookError(
            f"the binary {path} cannot be read: {(error.strerror or str(error)).lower()}",
            "there is nothing to deploy",
            f"fix app.binary in {settings.path}",
        ) from None


def download_file(url: str, path: Path) -> None:
    """Download `url` to `path`. The file appears only when it is complete.

    Raises:
        RunbookError: the download failed.
    """
    import shutil
    import urllib.request
    from http.client import HTTPException

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            write_beside(path, 0o600) as out,
            urllib.request.urlopen(url, timeout=30) as answer,
        ):
            shutil.copyfileobj(answer, out, 262144)
            size = answer.headers.get("Content-Length")
            # http.client reports no error if the connection ends early.
            if size and out.tell() != int(size):
                raise OSError(f"it broke off after {out.tell()} of {size} bytes")
    except (OSError, ValueError, HTTPException) as error:
        raise RunbookError(
            f"{url} cannot be downloaded: {error}", "there is nothing to deploy", f"curl -I {url}"
        ) from None
