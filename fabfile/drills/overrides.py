"""What a drill tells the healers for a while: an environment in /run, so that no file of ours is
touched and a reboot forgets it."""

from __future__ import annotations

from ..roles import healer

FOLDER = f"/run/systemd/system/{healer.HEALER_UNIT}.d"
AGAIN = f"systemctl daemon-reload; systemctl try-restart {healer.HEALER_UNIT}"


def set_healer_env(name: str, variable: str, value: str) -> str:
    """Script: the healer runs with this variable; where `name`s differ the last in the alphabet
    wins. `value` may hold shell's $."""
    return (
        f"mkdir -p {FOLDER}\nprintf '[Service]\\nEnvironment={variable}=%s\\n' \"{value}\""
        f" >{FOLDER}/{name}.conf\n{AGAIN}\n"
    )


def clear_healer_env(name: str) -> str:
    """Script: no longer so; harmless when it was not."""
    return f"[ ! -e {FOLDER}/{name}.conf ] || {{ rm -f {FOLDER}/{name}.conf; {AGAIN}; }}"
