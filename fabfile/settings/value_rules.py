"""The rules for the values of a site file: the range of a number, and the form of a text."""

from __future__ import annotations

_PORT = (1, 65535)
RANGES = {
    "ssh.port": _PORT,
    "hosts.NAME.ssh.port": _PORT,
    "ssh.timeout": (0.1, 600),
    "app.log_max_mb": (1, 100_000),
    "app.lifetime": (0, 1_000_000),
    "database.version": (13, 99),
    "database.max_connections": (20, 10_000),
    "edge.port": _PORT,
    "edge.https_port": _PORT,
    "edge.vrrp_id": (1, 255),
    "edge.stats_port": _PORT,
    "edge.healer_port": _PORT,
    "edge.health_port": _PORT,
    "edge.proxy_port": _PORT,
    "edge.proxy_https_port": _PORT,
    "edge.balancer_interval": (0.1, 300),
    "edge.balancer_fall": (1, 20),
    "edge.balancer_rise": (1, 20),
    "edge.node_maxconn": (1, 100_000),
    "gate.seconds": (1, 600),
    "gate.rate": (5, 80),
    "gate.error_percent": (0, 50),
    "gate.p90_ms": (1, 10_000),
    "gate.watch_seconds": (0, 600),
    "edge.node_rate": (1, 100_000),
    "monitoring.retention_mb": (64, 1_000_000),
    "monitoring.telegram_chat": (-(10**15), 10**15),
}
"""The least and the most value of a number."""
_NAME = (r"[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, dots, dashes and underscores")
_USER = (r"[a-z_][a-z0-9_-]{0,30}", "a name of small letters, digits, dashes and underscores")
_MAIL = (r"([^\s'\"#:\\]+@[^\s'\"#:\\]+)?", "an e-mail address")
_SIZE = (r"[1-9][0-9]*(kB|MB|GB)", "a size like 512MB")
_LOGIN = (r"[A-Za-z0-9_][A-Za-z0-9._@-]*", "a user's name")
HOP = (
    r"(?:([A-Za-z0-9_][A-Za-z0-9._@-]*)@)?"
    r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_][A-Za-z0-9._-]*))(?::([0-9]{1,5}))?"
)
"""A bastion. Groups: user, IPv6 address, name or IPv4 address, port."""
_JUMP = (HOP, "USER@BASTION or USER@BASTION:PORT")
TEXTS = {
    "name": _NAME,
    "hosts": _NAME,
    "firewall": (r"none|managed", "none or managed"),
    "service": (r"(https?://[^\s/]\S*)?", "an address like http://10.0.0.11"),
    "ssh.user": _LOGIN,
    "ssh.jump": _JUMP,
    "hosts.NAME.ssh.user": _LOGIN,
    "hosts.NAME.ssh.jump": _JUMP,
    "hosts.NAME.ssh.host": (
        r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|[A-Za-z0-9_][A-Za-z0-9._-]*",
        "a name like node1.example.com, or an IPv4 or IPv6 address",
    ),
    "app.user": _USER,
    "app.sha256": (r"[0-9a-f]{64}", "the 64 hex digits that `sha256sum BINARY` prints"),
    "app.binary": (r"[^\x00-\x1f]+", "a path or a URL"),
    "app.email": (r"[^\s'\"#:\\]+@[^\s'\"#:\\]+", "an e-mail address"),
    "app.memory_max": (r"[1-9][0-9]*[KMGT]?", "a size like 512M"),
    "database.name": (r"[a-z_][a-z0-9_]{0,62}", "a name of small letters, digits and underscores"),
    "database.user": (r"[a-z_][a-z0-9_]{0,62}", "a name of small letters, digits and underscores"),
    "database.shared_buffers": _SIZE,
    "database.work_mem": _SIZE,
    "edge.address_by": (r"vrrp|external", "vrrp or external"),
    "edge.balancer": (r"[0-9.]+(/[0-9]+)?", "an IPv4 address or network like 10.0.0.0/24"),
    "edge.replace": (r"nginx|haproxy|keepalived", "nginx, haproxy or keepalived"),
    "monitoring.mail_to": _MAIL,
    "monitoring.mail_from": _MAIL,
    "monitoring.smtp": (r"([A-Za-z0-9.-]+:[0-9]{1,5})?", "HOST:PORT, like mail.example.com:587"),
    "monitoring.telegram_url": (r"https?://[^\s'\"\\]+[^\s'\"\\/]", "a URL without a final slash"),
    "monitoring.smtp_user": (r"[^\s'\"\\]*", "a user's name"),
    "tls.acme.directory": (
        r"https://[^\s'\"\\/]+/[^\s'\"\\]*",
        "a URL like https://HOST/directory",
    ),
    "tls.acme.email": _MAIL,
    "tls.names": (
        r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a DNS name like api.example.com",
    ),
}
"""The form of a value, and its description for people. These values go into configuration files,
paths and unit names as they are."""
EXAMPLES = {
    "edge.balancer": "10.0.0.5",
    "edge.replace": "nginx",
    "ssh.jump": "ops@bastion.example.com",
    "hosts.NAME.ssh.jump": "ops@bastion.example.com",
    "tls.names": "api.example.com",
}
"""An example item for each setting that is a list."""
