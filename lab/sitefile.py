"""What the runbook gets from the lab: keys, host keys, the database password, the binary, the site
file.

With the stand-in of a provider's balancer, the service is at its address. Otherwise, with two edges
it is at the floating address, and with one edge at that edge's.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tomllib
from pathlib import Path

from .balancer import render_balancer_settings
from .errors import LabError
from .files import replace_file
from .names import ALL, BALANCER, BASTION, USER, Lab
from .programs import LabProgram
from .releases import FIRST, NEXT, make_release
from .shell import run

HOST_KEY = "ssh_host_ed25519_key"
SETTINGS = {"email": "test@example.com"}
"""What the lab gives a program that wants these values of its site."""
TLS = "secrets/tls"  # the runbook keeps its certificate authority there


def find_owner() -> tuple[int, int]:
    """Return the user and group id of the user who called sudo, or of root."""
    return int(os.environ.get("SUDO_UID", "0")), int(os.environ.get("SUDO_GID", "0"))


def make_secrets(lab: Lab, names: list[str]) -> None:
    """Make what is missing: ssh key, host keys, database password, folder for certificates."""
    for folder in ("ssh", "secrets", TLS):
        (lab.folder / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_key(lab.folder / "ssh" / "id_ed25519", f"lab{lab.number}")
    for name in names:
        lab.host_folder(name).mkdir(parents=True, exist_ok=True)
        _make_key(lab.host_folder(name) / HOST_KEY, name)
    password = lab.folder / "secrets" / "db-password"
    if not password.exists():
        replace_file(password, f"{secrets.token_urlsafe(24)}\n", 0o600, find_owner())


def _make_key(path: Path, comment: str) -> None:
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():  # it is renamed last: if it exists, both files are complete
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new))
        new.rename(path)
        new.with_name(f"{new.name}.pub").rename(public)


def pin_host_keys(lab: Lab, names: list[str]) -> None:
    """Write the known_hosts file from the keys that the lab made; no key comes from the network."""
    lines = []
    for name in names:
        kind, key = (
            (lab.host_folder(name) / f"{HOST_KEY}.pub").read_text(encoding="utf-8").split()[:2]
        )
        lines.append(f"{lab.address(name)} {kind} {key}\n")
    replace_file(lab.folder / "ssh" / "known_hosts", "".join(lines), 0o644, find_owner())


def take_binary(lab: Lab, source: Path, name: str) -> None:
    """Copy the program's binary into the lab's folder, unless the same file is there.

    The site file, which pins the old one, is removed until `write_site_file` writes it again.
    """
    target = lab.folder / name
    if not target.exists() or hash_file(target) != hash_file(source):
        new = target.with_name(f"{name}.new")
        shutil.copyfile(source, new)
        new.chmod(0o755)
        lab.site.unlink(missing_ok=True)
        new.rename(target)


def pin_release(lab: Lab, program: LabProgram, release: str, binary: Path) -> str:
    """Pin a release of the program in the site file; return the release's id.

    `binary` is what it is made of. It gets a name with its hash, so the site file always names a
    file with the sha256 beside it.

    Raises:
        LabError: the site file's table `[app]` has no binary or no sha256 to replace.
    """
    if release == FIRST:
        return _pin_binary(lab, lab.folder / program.name, program.name)
    if program.service.lab.build:
        made = make_release(binary, lab.folder, "good" if release == NEXT else release)
    else:
        made = Path(shutil.copy(binary, lab.folder / f"{program.name}-{release}"))
    target = lab.folder / f"{made.name}-{hash_file(made)[:12]}"
    made.rename(target)
    try:
        return _pin_binary(lab, target, program.name)
    except LabError:
        target.unlink()
        raise


def _pin_binary(lab: Lab, binary: Path, name: str) -> str:
    """Pin a file of the lab's folder in the site file, and change nothing else there; return the
    release's id. Other releases of the program `name` are removed.

    Raises:
        LabError: the site file's table `[app]` has no binary or no sha256 to replace.
    """
    sha256 = hash_file(binary)
    content = _replace_pin(lab.site.read_text(encoding="utf-8"), binary.name, sha256)
    app = tomllib.loads(content).get("app", {})
    if (app.get("binary"), app.get("sha256")) != (binary.name, sha256):
        raise LabError(
            f"{lab.site} has no lines `binary` and `sha256` in its table [app]",
            "these lines pin a release; nothing was changed",
            "inv lab.up   (it writes the site file again)",
        )
    replace_file(lab.site, content, 0o644, find_owner())
    _remove_other_releases(lab, binary.name, name)
    return sha256[:12]


def _replace_pin(content: str, binary: str, sha256: str) -> str:
    """Replace the two lines in the table [app] of the site file's text."""
    head, mark, rest = f"\n{content}".partition("\n[app]\n")
    app, following, others = rest.partition("\n[")
    app = re.sub(r"(?m)^binary *=.*", f'binary = "{binary}"', app)
    app = re.sub(r"(?m)^sha256 *=.*", f'sha256 = "{sha256}"', app)
    return (head + mark + app + following + others).removeprefix("\n")


def _remove_other_releases(lab: Lab, pinned: str, name: str) -> None:
    """Remove the releases of the program `name` that the site file no longer pins."""
    for path in lab.folder.glob(f"{name}-*"):
        if path.name != pinned:
            path.unlink()


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def render_site_file(
    lab: Lab, names: list[str], program: LabProgram, sha256: str, deaths: str = "real"
) -> str:
    """Return the text of the site file. Its paths are relative to its folder.

    If the app never crashes (`deaths` is off), it is not restarted for its age either.

    Raises:
        LabError: the program wants a value of its site that the lab does not have.
    """
    edges = [name for name in names if "edge" in ALL[name].roles]
    balanced = BALANCER in names
    shared = lab.address(BALANCER) if balanced else lab.floating if len(edges) > 1 else ""
    service_address = shared or (lab.address(edges[0]) if edges else "")
    service = f'service = "http://{service_address}"\n' if edges else ""
    head = f'name = "lab{lab.number}"\n{service}\n[ssh]\nuser = "{USER}"\nkey = "ssh/id_ed25519"\n'
    head += 'known_hosts = "ssh/known_hosts"\n'
    head += f'jump = "{USER}@{lab.address(BASTION)}"\n' if BASTION in names else ""
    hosts = "".join(
        f'\n[hosts.{name}]\naddress = "{lab.address(name)}"\nroles ='
        f" [{_quote_words(ALL[name].roles)}]\n"
        for name in names
        if ALL[name].roles
    )
    edge = f'\n[edge]\naddress = "{shared}"\n' if shared else ""
    edge += render_balancer_settings(lab) if balanced else ""
    tls = f'\n[tls]\nnames = ["{program.name}.lab"]\nstore = "{TLS}"\n'
    return head + hosts + _render_app(program, sha256, deaths) + edge + tls


def _render_app(program: LabProgram, sha256: str, deaths: str) -> str:
    """The tables of the site file that depend on the program."""
    name = program.name
    app = f'\n[app]\nservice = "{program.folder}"\nbinary = "{name}"\nsha256 = "{sha256}"\n'
    app += "lifetime = 0\n" if deaths == "off" else ""
    wanted = [key for key, rule in program.service.settings.items() if rule.default is None]
    if unknown := [key for key in wanted if key not in SETTINGS]:
        raise LabError(
            f"{program.folder} wants a value that the lab does not have: {unknown[0]}",
            "the site file must give it in [app.settings]",
            f"give [setting.{unknown[0]}] a default in its service.toml",
        )
    if wanted:
        app += "\n[app.settings]\n" + "".join(f'{key} = "{SETTINGS[key]}"\n' for key in wanted)
    if program.service.database is None:
        return app
    return app + '\n[database]\npassword_file = "secrets/db-password"\n'


def _quote_words(words: tuple[str, ...]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def write_site_file(lab: Lab, names: list[str], program: LabProgram, deaths: str) -> None:
    """Give the files to their owner and write the site file. It comes last: the lab is up."""
    for folder in (lab.folder / "ssh", lab.folder / "secrets"):
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *find_owner())
    sha256 = hash_file(lab.folder / program.name)
    content = render_site_file(lab, names, program, sha256, deaths)
    replace_file(lab.site, content, 0o644, find_owner())
    _remove_other_releases(lab, program.name, program.name)
