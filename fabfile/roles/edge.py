"""Check that nobody else has configured nginx, HAProxy or keepalived on an edge."""

from __future__ import annotations

from ..settings.settings import Settings
from ..steps.foreign import NoForeignConfig

CONFIGS = {
    "nginx": ("/etc/nginx/nginx.conf", ("/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*")),
    "haproxy": ("/etc/haproxy/haproxy.cfg", ()),
    "keepalived": ("/etc/keepalived/keepalived.conf", ()),
}
"""For each program: the file that the runbook replaces as a whole, and the files that Debian's
version of it includes."""


def foreign_config_steps(settings: Settings) -> list[NoForeignConfig]:
    """One check for each program. `edge.replace` in the site file switches its check off."""
    programs = ["nginx", "haproxy"]
    if settings.edge.address and not settings.edge.external:
        programs.append("keepalived")
    return [_foreign_config_step(name) for name in programs if name not in settings.edge.replace]


def _foreign_config_step(name: str) -> NoForeignConfig:
    config, included = CONFIGS[name]
    # The runbook writes this drop-in with each program. Where it exists, the configuration is ours.
    drop_in = f"/etc/systemd/system/{name}.service.d/hardening.conf"
    return NoForeignConfig(name, config, drop_in, included)
