"""Write the user data of all hosts of a site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fabfile.engine.errors import RunbookError
from fabfile.settings.settings import Settings
from fabfile.settings.site_file import load_settings

from .user_data import MOST_HOSTS, Provision, render_user_data

RETRY = "inv --help provision.render"


def write_user_data(folder: str, key: str, given: dict[str, str]) -> None:
    """Write `folder`/NAME.yaml for each host of the site file, and print the paths.

    Args:
        key: the file with the public key; empty for the one beside the site's private key.
        given: fields of `Provision` that differ from their defaults, as they were typed.

    Raises:
        RunbookError: there is no public key, or a value has a wrong form. Nothing was written.
    """
    settings = load_settings()
    provision = _make_provision(settings, _read_public_key(settings, key), given)
    texts = render_site(settings, provision)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (target / f"{name}.yaml").write_text(text, encoding="utf-8")
        print(target / f"{name}.yaml")
    print("Next: give each new host its file as user data. Then: fab trust, fab deploy")


def render_site(settings: Settings, provision: Provision) -> dict[str, str]:
    """The user data of each host, by its name.

    Raises:
        RunbookError: the site has more hosts than a day has half hours.
    """
    nodes = settings.inventory.nodes
    if len(nodes) > MOST_HOSTS:
        raise RunbookError(
            f"{settings.path} has {len(nodes)} hosts, and a day has {MOST_HOSTS} half hours",
            "each host upgrades and restarts in a half hour of its own; nothing was written",
            "split the site, or write the user data of the other hosts by hand",
        )
    return {
        node.name: render_user_data(provision, node.name, node.roles, number)
        for number, node in enumerate(nodes)
    }


def _make_provision(settings: Settings, public_key: str, given: dict[str, str]) -> Provision:
    provision = replace(Provision(settings.ssh.user, public_key), **given)  # type: ignore[arg-type]
    if mistakes := provision.find_mistakes():
        raise RunbookError(mistakes[0], "nothing was written", RETRY)
    return replace(provision, swap_mb=int(provision.swap_mb))


def _read_public_key(settings: Settings, typed: str) -> str:
    private = settings.ssh.key
    if not typed and private is None:
        raise RunbookError(
            "no public key is known: the site file has no ssh.key, and --key was not given",
            "without a key nobody could log in to the new hosts; nothing was written",
            "inv provision.render --key ~/.ssh/id_ed25519.pub",
        )
    path = Path(typed).expanduser() if typed else Path(f"{private}.pub")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        word = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RunbookError(
            f"the public key {path} cannot be read: {(word or '').lower()}",
            "without it nobody could log in to the new hosts; nothing was written",
            f"ssh-keygen -y -f {private or 'KEY'} > {path}   (or give another file with --key)",
        ) from None
    if "PRIVATE KEY" in text:
        raise RunbookError(
            f"{path} is a private key",
            "user data is readable on the host and at the provider; nothing was written",
            f"inv provision.render --key {path}.pub",
        )
    return text
