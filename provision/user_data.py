"""The user data of a host: what cloud-init does at its first boot.

The templates in `cloud-init/` are the same that the Terraform modules read. They hold `${name}`
placeholders and nothing else, so that Terraform and Python fill them in alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).with_name("cloud-init")

FIRST_SLOT = 60
"""Minutes after midnight at which the first host upgrades."""
SLOT = 30
"""Minutes that a host has for its upgrade and its restart, before the next host begins."""
UPGRADE_MINUTES = 15
"""Minutes after the begin of its slot at which a host restarts, if an upgrade asks for it. An
upgrade that takes longer restarts the host at the same time of the next day."""
MOST_HOSTS = 24 * 60 // SLOT
"""More hosts than slots: two would restart at once."""

_URL = (
    r"(https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?)?",
    "a URL like http://mirror.example.com/debian",
)
RULES = {
    "user": (r"[a-z_][a-z0-9_-]{0,30}", "a name of small letters, digits, dashes and underscores"),
    "public_key": (
        r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\"\\\x00-\x1f]*)?",
        "the one line of a public key, like `ssh-ed25519 AAAA… me@example.com`",
    ),
    "time_zone": (r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", "a time zone like Europe/Berlin"),
    "mirror": _URL,
    "security_mirror": _URL,
    "swap_mb": (r"\d{1,6}", "a number of megabytes from 0 to 999999"),
    "data_disk": (r"(/dev/[A-Za-z0-9._/-]+)?", "a device like /dev/disk/by-id/virtio-pgdata"),
}
"""The form of each value, and its description for people. The values go into YAML as they are."""


@dataclass(frozen=True)
class Provision:
    """What all hosts of a site have in common.

    Attributes:
        user: the ssh user, who may use sudo without a password.
        public_key: the user's only way in.
        time_zone: of all hosts; the times of upgrades are in it.
        mirror: the Debian mirror; empty for the package sources of the image.
        security_mirror: the mirror of security updates; empty for `mirror` with `-security`.
        swap_mb: megabytes of swap; 0 is none.
        data_disk: the device of the database's own disk; empty if there is none.
    """

    user: str
    public_key: str
    time_zone: str = "Etc/UTC"
    mirror: str = ""
    security_mirror: str = ""
    swap_mb: int = 1024
    data_disk: str = ""

    def find_mistakes(self) -> list[str]:
        """A sentence for each value that has not the form of its rule."""
        return [
            f"{name} must be {words}, not {getattr(self, name)!r}"
            for name, (pattern, words) in RULES.items()
            if not re.fullmatch(pattern, str(getattr(self, name)))
        ]


def choose_times(number: int) -> tuple[str, str]:
    """The times of day (HH:MM) at which host `number` of a site, from 0, upgrades and restarts.

    Raises:
        ValueError: there are more hosts than slots in a day.
    """
    if not 0 <= number < MOST_HOSTS:
        raise ValueError(f"host {number} has no half hour of its own: a day has {MOST_HOSTS}")
    begin = FIRST_SLOT + SLOT * number
    return _clock(begin), _clock(begin + UPGRADE_MINUTES)


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def render_user_data(provision: Provision, name: str, roles: Sequence[str], number: int) -> str:
    """The user data of the host called `name`, which is host `number` of its site, from 0.

    Raises:
        ValueError: there are more hosts than slots in a day.
    """
    upgrade_time, restart_time = choose_times(number)
    values = {
        "name": name,
        "roles": ", ".join(roles),
        "user": provision.user,
        "public_key": provision.public_key,
        "time_zone": provision.time_zone,
        "mirror": provision.mirror,
        "security_mirror": provision.security_mirror or f"{provision.mirror}-security",
        "swap_bytes": provision.swap_mb * 1024 * 1024,
        "upgrade_time": upgrade_time,
        "restart_time": restart_time,
        "data_disk": provision.data_disk,
    }
    parts = ["host.yaml"]
    if provision.mirror:
        parts.append("mirror.yaml")
    if "postgres" in roles and provision.data_disk:
        parts.append("data-disk.yaml")
    texts = [(TEMPLATES / part).read_text(encoding="utf-8") for part in parts]
    return "".join(Template(text).substitute(values) for text in texts)
