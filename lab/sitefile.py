"""What the runbook gets from the lab: keys, pinned host keys, the database password, the binary, the site file.

Two edges share the lab's floating address; one alone is called by its own."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from .names import HOSTS, USER, Lab
from .shell import run

HOST_KEY = "ssh_host_ed25519_key"
EMAIL = "test@example.com"
DNS_NAME = "bingo.lab"
TLS = "secrets/tls"  # the runbook keeps its certificate authority there


def owner() -> tuple[int, int]:
    """User and group id of the person behind sudo, or of root."""
    return int(os.environ.get("SUDO_UID", "0")), int(os.environ.get("SUDO_GID", "0"))


def make_secrets(lab: Lab, names: list[str]) -> None:
    """Make what is missing: the lab's ssh key, each host's key, the database password, a place for certificates."""
    for folder in ("ssh", "secrets", TLS):
        (lab.folder / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_key(lab.folder / "ssh" / "id_ed25519", f"lab{lab.number}")
    for name in names:
        lab.host_folder(name).mkdir(parents=True, exist_ok=True)
        _make_key(lab.host_folder(name) / HOST_KEY, name)
    password = lab.folder / "secrets" / "db-password"
    if not password.exists():
        _write(password, f"{secrets.token_urlsafe(24)}\n", 0o600)


def _make_key(path: Path, comment: str) -> None:
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():  # it comes second: both are whole
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new))
        new.rename(path)
        new.with_name(f"{new.name}.pub").rename(public)


def pin_host_keys(lab: Lab, names: list[str]) -> None:
    """Write the known_hosts file from the keys the lab itself made; nothing is ever asked over the network."""
    lines = []
    for name in names:
        kind, key = (lab.host_folder(name) / f"{HOST_KEY}.pub").read_text(encoding="utf-8").split()[:2]
        lines.append(f"{lab.address(name)} {kind} {key}\n")
    _write(lab.folder / "ssh" / "known_hosts", "".join(lines), 0o644)


def take_binary(lab: Lab, source: Path) -> None:
    """Copy the stand-in into the lab's folder, unless the same is there."""
    target = lab.folder / "bingo"
    if not target.exists() or digest(target) != digest(source):
        new = target.with_name("bingo.new")
        shutil.copyfile(source, new)
        new.chmod(0o755)
        new.rename(target)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text(lab: Lab, names: list[str], sha256: str, deaths: str = "real") -> str:
    """The site file. Its paths are relative to its folder. Where the app does not die by itself, nothing is to be ahead of."""
    edges = [name for name in names if "edge" in HOSTS[name].roles]
    users_call = lab.floating if len(edges) > 1 else lab.address(edges[0]) if edges else ""
    service = f'service = "http://{users_call}"\n' if edges else ""
    head = f'name = "lab{lab.number}"\n{service}\n[ssh]\nuser = "{USER}"\nkey = "ssh/id_ed25519"\n'
    head += 'known_hosts = "ssh/known_hosts"\n'
    hosts = "".join(
        f'\n[hosts.{name}]\naddress = "{lab.address(name)}"\nroles = [{_quoted(HOSTS[name].roles)}]\n' for name in names
    )
    app = f'\n[app]\nbinary = "bingo"\nsha256 = "{sha256}"\nemail = "{EMAIL}"\n'
    app += "lifetime = 0\n" if deaths == "off" else ""
    database = '\n[database]\nname = "bingo"\nuser = "bingo"\npassword_file = "secrets/db-password"\n'
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
    _write(lab.site, text(lab, names, digest(lab.folder / "bingo"), deaths), 0o644)


def _write(path: Path, content: str, mode: int) -> None:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, mode), "w", encoding="utf-8") as file:
        file.write(content)
    new.chmod(mode)
    os.chown(new, *owner())
    new.rename(path)
