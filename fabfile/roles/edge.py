"""What an edge must be before it gets its roles: nobody else's."""

from __future__ import annotations

from ..settings.settings import Settings
from ..steps.foreign import NoForeignConfig

CONFIGS = {
    "nginx": ("/etc/nginx/nginx.conf", ("/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*")),
    "haproxy": ("/etc/haproxy/haproxy.cfg", ()),
    "keepalived": ("/etc/keepalived/keepalived.conf", ()),
}
"""What the runbook replaces as a whole, and which files Debian's includes."""


def foreign(settings: Settings) -> list[NoForeignConfig]:
    """One question a program: whether somebody else has configured it here. Those that the site
    file gives up are not asked."""
    programs = ("nginx", "haproxy", *(["keepalived"] if settings.edge.address else []))
    return [
        NoForeignConfig(
            name,
            CONFIGS[name][0],
            f"/etc/systemd/system/{name}.service.d/hardening.conf",
            CONFIGS[name][1],
        )
        for name in programs
        if name not in settings.edge.replace
    ]
