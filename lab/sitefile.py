"""What the runbook gets from the lab: keys, pinned host keys, the database password, the binary,
the site file.

Two edges share the lab's floating address; one alone is called by its own."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tomllib
from pathlib import Path

from .errors import LabError
from .files import replace_file
from .names import ALL, USER, Lab
from .shell import run

HOST_KEY = "ssh_host_ed25519_key"
BINARY = "bingo"
EMAIL = "test@example.com"
DNS_NAME = "bingo.lab"
TLS = "secrets/tls"  # the runbook keeps its certificate authority there


def owner() -> tuple[int, int]:
    """User and group id of the person behind sudo, or of root."""
    return int(os.environ.get("SUDO_UID", "0")), int(os.environ.get("SUDO_GID", "0"))


def make_secrets(lab: Lab, names: list[str]) -> None:
    """Make what is missing: the lab's ssh key, each host's key, the database password, a place
    for certificates."""
    for folder in ("ssh", "secrets", TLS):
        (lab.folder / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_key(lab.folder / "ssh" / "id_ed25519", f"lab{lab.number}")
    for name in names:
        lab.host_folder(name).mkdir(parents=True, exist_ok=True)
        _make_key(lab.host_folder(name) / HOST_KEY, name)
    password = lab.folder / "secrets" / "db-password"
    if not password.exists():
        replace_file(password, f"{secrets.token_urlsafe(24)}\n", 0o600, owner())


def _make_key(path: Path, comment: str) -> None:
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():  # it comes second: both are whole
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new))
        new.rename(path)
        new.with_name(f"{new.name}.pub").rename(public)


def pin_host_keys(lab: Lab, names: list[str]) -> None:
    """Write the known_hosts file from the keys the lab itself made; nothing is ever asked over
    the network."""
    lines = []
    for name in names:
        kind, key = (
            (lab.host_folder(name) / f"{HOST_KEY}.pub").read_text(encoding="utf-8").split()[:2]
        )
        lines.append(f"{lab.address(name)} {kind} {key}\n")
    replace_file(lab.folder / "ssh" / "known_hosts", "".join(lines), 0o644, owner())


def take_binary(lab: Lab, source: Path) -> None:
    """Copy the stand-in into the lab's folder, unless the same is there. Until `write`, no site
    file pins another one."""
    target = lab.folder / BINARY
    if not target.exists() or digest(target) != digest(source):
        new = target.with_name(f"{BINARY}.new")
        shutil.copyfile(source, new)
        new.chmod(0o755)
        lab.site.unlink(missing_ok=True)
        new.rename(target)


def pin(lab: Lab, made: Path) -> str:
    """Make the site file pin this binary, and change nothing else in it; the release's id.

    The binary gets a name of its own first. So the site file always names a file that hashes to
    what it says.

    Raises:
        LabError: the site file's table `[app]` has no binary or no sha256 to replace.
    """
    sha256 = digest(made)
    target = lab.folder / f"{made.name}-{sha256[:12]}"
    made.rename(target)
    content = _pinned(lab.site.read_text(encoding="utf-8"), target.name, sha256)
    app = tomllib.loads(content).get("app", {})
    if (app.get("binary"), app.get("sha256")) != (target.name, sha256):
        target.unlink()
        raise LabError(
            f"{lab.site} has no lines `binary` and `sha256` in its table [app].",
            "They are what pins a release; nothing was changed.",
            "inv lab.up writes the site file anew",
        )
    replace_file(lab.site, content, 0o644, owner())
    _forget_others(lab, target.name)
    return sha256[:12]


def _pinned(content: str, binary: str, sha256: str) -> str:
    """The site file's text with these two lines of its table [app] replaced."""
    head, mark, rest = f"\n{content}".partition("\n[app]\n")
    app, following, others = rest.partition("\n[")
    app = re.sub(r"(?m)^binary *=.*", f'binary = "{binary}"', app)
    app = re.sub(r"(?m)^sha256 *=.*", f'sha256 = "{sha256}"', app)
    return (head + mark + app + following + others).removeprefix("\n")


def _forget_others(lab: Lab, pinned: str) -> None:
    """Remove releases that the site file pins no longer."""
    for path in lab.folder.glob(f"{BINARY}-*"):
        if path.name != pinned:
            path.unlink()


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text(lab: Lab, names: list[str], sha256: str, deaths: str = "real") -> str:
    """The site file. Its paths are relative to its folder. Where the app does not die by itself,
    nothing is to be ahead of."""
    edges = [name for name in names if "edge" in ALL[name].roles]
    users_call = lab.floating if len(edges) > 1 else lab.address(edges[0]) if edges else ""
    service = f'service = "http://{users_call}"\n' if edges else ""
    head = f'name = "lab{lab.number}"\n{service}\n[ssh]\nuser = "{USER}"\nkey = "ssh/id_ed25519"\n'
    head += 'known_hosts = "ssh/known_hosts"\n'
    hosts = "".join(
        f'\n[hosts.{name}]\naddress = "{lab.address(name)}"\nroles = [{_quoted(ALL[name].roles)}]\n'
        for name in names
    )
    app = f'\n[app]\nbinary = "{BINARY}"\nsha256 = "{sha256}"\nemail = "{EMAIL}"\n'
    app += "lifetime = 0\n" if deaths == "off" else ""
    database = (
        '\n[database]\nname = "bingo"\nuser = "bingo"\npassword_file = "secrets/db-password"\n'
    )
    edge = f'\n[edge]\naddress = "{lab.floating}"\n' if len(edges) > 1 else ""
    tls = f'\n[tls]\nnames = ["{DNS_NAME}"]\nstore = "{TLS}"\n'
    return head + hosts + app + database + edge + tls


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def write(lab: Lab, names: list[str], deaths: str) -> None:
    """Hand everything to its owner and write the site file: the lab stands."""
    for folder in (lab.folder / "ssh", lab.folder / "secrets"):
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *owner())
    replace_file(lab.site, text(lab, names, digest(lab.folder / BINARY), deaths), 0o644, owner())
    _forget_others(lab, BINARY)
