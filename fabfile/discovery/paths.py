"""Classify a path by its name: part of the system, a configuration, a log."""

from __future__ import annotations

import re
from posixpath import basename

_SYSTEM = re.compile(
    r"""/(?:proc|sys|dev|usr|bin|sbin|boot|lib(?:32|64|x32|exec)?)(?:/|$)
    |/etc/(?:ld\.so|passwd|group|shadow|gshadow|nsswitch|resolv\.conf|host|networks|services
      |protocols|ethers|rpc|gai\.conf|localtime|timezone|adjtime|locale|machine-id|os-release
      |debian_version|ssl(?:/|$)|pki/|ca-certificates|crypto-policies|mime\.types|mailcap|terminfo
      |inputrc|profile|environment|login\.defs|security/|pam|selinux/|apparmor|systemd/
      |alternatives|python|perl|tmpfiles|sysctl|shells|default/|krb5|malloc\.conf|netconfig
      |binfmt|xdg|gcrypt|libnl)
    |/var/(?:cache/(?:ldconfig|nscd)|lib/(?:ca-certificates|sss|nscd)|run/(?:nscd|systemd|dbus))
    |/run/(?:nscd|systemd|dbus|resolvconf|utmp|host)|/(?:run|etc)/userdb""",
    re.VERBOSE,
)
_OWN = re.compile(r"/usr/local/(?:etc|var)/")
_CONFIG_END = re.compile(r"\.(?:ya?ml|toml|ini|conf|cnf|cfg|json|env|properties|rc)$")
_SHARED = re.compile(
    r"/(?:etc|opt|srv|run|home|mnt|dev/shm|run/lock|(?:var/)?tmp"
    r"|var(?:/(?:run|log|lib|spool|cache))?)?$"
)


def is_system(path: str) -> bool:
    """Whether the path belongs to the operating system: the program does not need it created."""
    return bool(_SYSTEM.match(path)) and not _OWN.match(path)


def is_shared(path: str) -> bool:
    """Whether a directory is shared: it must never belong to the user of a single program."""
    return bool(_SHARED.match(path))


def is_temporary(path: str) -> bool:
    """Whether a path is in a folder for temporary files: the program makes it anew each time."""
    return path.startswith(("/tmp/", "/var/tmp/", "/dev/shm/"))


def config_rank(path: str) -> int:
    """Return how likely a path is a configuration by its name; 0 is unlikely."""
    name = basename(path).lower()
    words = set(re.split(r"[^a-z0-9]+", name))
    rank = 3 if words & {"config", "configuration", "settings"} else 0
    return rank + (2 if _CONFIG_END.search(name) else 0) + (1 if re.search("conf", name) else 0)


def is_log(path: str) -> bool:
    """Whether a path is probably a log, by its name."""
    return bool(re.search(r"\.log\b|/logs?/|/var/log/", path))
