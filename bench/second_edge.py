"""The deployed configurations of nginx and HAProxy, for a second pair beside them."""

from __future__ import annotations

import re
import sys

from fabfile.control import haproxy_stats
from fabfile.control.haproxy import HAPROXY_PORT
from fabfile.roles import nginx
from fabfile.settings.settings import Settings

FOLDER = "/run/runbook-bench"
INNER = 17081
REFRESH = 17082
STATS = 17404
APP = 17000
PORTS = {
    ("http", "chain"): 17080,
    ("https", "chain"): 17443,
    ("http", "plain"): 18080,
    ("https", "plain"): 18443,
}
ANSWER = f'{{"pong": true, "filled": "{"x" * 200}"}}'
UPSTREAM = f"""global
    maxconn 4000
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 1s
frontend app
    bind :{APP}
    http-request return status 200 content-type application/json string '{ANSWER}'
"""
TLS = f"""ssl crt {FOLDER}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.2"""


def second_haproxy(text: str, settings: Settings, upstream: str) -> str:
    """The deployed configuration for an instance beside it, also callable from outside, and with
    TLS of its own."""
    outside = f"bind :{PORTS['http', 'plain']}\n    bind :{PORTS['https', 'plain']} {TLS}"
    text = text[: text.index("frontend healers")]  # nodes are not healed here
    text = re.sub(r"(?m)^ *(load-)?server-state-f.*\n", "", text)
    text = re.sub(
        r"(?m)^ *http-request lua\.pace\n", "", text
    )  # its limit is the app's, which would hide the edge's
    text = re.sub(
        rf"(?m)^ *bind \S+:{HAPROXY_PORT} +# for the other .*\n *http-request deny .*\n", "", text
    )
    text = _replaced(text, haproxy_stats.SOCKET, f"{FOLDER}/admin.sock")
    text = _replaced(
        text, f"bind 127.0.0.1:{HAPROXY_PORT}", f"bind 127.0.0.1:{INNER}\n    {outside}"
    )
    text = _replaced(text, f"bind 127.0.0.1:{settings.edge.stats_port}", f"bind 127.0.0.1:{STATS}")
    return re.sub(r"(?m)^( *server \S+) [\d.]+:\d+", rf"\1 {upstream}:{APP}", text)


def second_nginx(text: str, settings: Settings) -> str:
    """The deployed configuration for an instance beside it."""
    text = re.sub(r"(?m)^pid .*;", f"pid {FOLDER}/nginx.pid;", text)
    text = _replaced(text, f"proxy_cache_path {nginx.CACHE}", f"proxy_cache_path {FOLDER}")
    text = _replaced(text, f"127.0.0.1:{HAPROXY_PORT}", f"127.0.0.1:{INNER}")
    text = _replaced(text, f"listen 127.0.0.1:{nginx.REFRESH}", f"listen 127.0.0.1:{REFRESH}")
    text = _replaced(text, f"listen {settings.edge.port} ", f"listen {PORTS['http', 'chain']} ")
    return _replaced(
        text, f"listen {settings.edge.https_port} ", f"listen {PORTS['https', 'chain']} "
    )


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        sys.exit(f"The deployed configuration has no {old!r}: this bench no longer knows it.")
    return text.replace(old, new)
