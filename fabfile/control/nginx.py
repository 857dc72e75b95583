"""The systemd units of nginx on an edge."""

from __future__ import annotations

NGINX_UNIT = "nginx.service"

REFRESHER_UNIT = "runbook-refresher.service"
"""The unit that refreshes the cached answers."""
