"""Temporary environment of the healers, in /run: no deployed file changes, and a reboot removes
it."""

from __future__ import annotations

from ..roles import healer

FOLDER = f"/run/systemd/system/{healer.HEALER_UNIT}.d"
RESTART = f"systemctl daemon-reload; systemctl try-restart {healer.HEALER_UNIT}"


def set_healer_env(name: str, variable: str, value: str) -> str:
    """Script: the healer runs with this variable; where `name`s differ the last in the alphabet
    wins. `value` may hold shell's $."""
    return (
        f"mkdir -p {FOLDER}\nprintf '[Service]\\nEnvironment={variable}=%s\\n' \"{value}\""
        f" >{FOLDER}/{name}.conf\n{RESTART}\n"
    )


def clear_healer_env(name: str) -> str:
    """Script: remove that variable again; harmless when it is not set."""
    return f"[ ! -e {FOLDER}/{name}.conf ] || {{ rm -f {FOLDER}/{name}.conf; {RESTART}; }}"
