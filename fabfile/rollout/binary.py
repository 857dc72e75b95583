"""The app's binary on the controller: by path or URL, with the pinned sha256 or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..engine.errors import RunbookError
from ..engine.files import write_beside
from ..settings.settings import Settings
from ..settings.site_file import expand


def fetch_binary(settings: Settings) -> Path:
    """The binary as a local file whose sha256 is the pinned one; a URL is downloaded once and kept.

    Raises:
        RunbookError: it is missing, cannot be downloaded, or hashes to something else.
    """
    wanted = settings.app.sha256
    if "://" in settings.app.binary:
        path = settings.state / "downloads" / wanted
        if not path.exists():
            download_file(settings.app.binary, path)
    else:
        path = settings.path.parent / expand(settings.app.binary, f"{settings.path}: app.binary")
    found = file_sha256(path, settings)
    if found != wanted:
        if "://" in settings.app.binary:
            path.unlink()
        raise RunbookError(
            f"{settings.app.binary} has sha256 {found}, the site file pins {wanted}",
            "it is not the binary that was approved; nothing was uploaded",
            f'get the right one, or if this is it: set app.sha256 = "{found}" in {settings.path}',
        )
    return path


def file_sha256(path: Path, settings: Settings) -> str:
    """The file's sha256 in hex.

    Raises:
        RunbookError: it cannot be read.
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
    """Stream `url` beside `path` and rename: a cut-off download leaves nothing."""
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
            if size and out.tell() != int(size):  # http.client takes an early end for the end
                raise OSError(f"it broke off after {out.tell()} of {size} bytes")
    except (OSError, ValueError, HTTPException) as error:
        raise RunbookError(
            f"{url} cannot be downloaded: {error}", "there is nothing to deploy", f"curl -I {url}"
        ) from None
