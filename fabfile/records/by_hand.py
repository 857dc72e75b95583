"""Read what people did on a host with sudo, outside this tool: from the host's journal. Pure."""

from __future__ import annotations

import re
import shlex

from ..engine.frame import TAKES_SCRIPT
from ..engine.secret import mask_keyed
from .past_act import NOT_KNOWN, PastAct

BY_HAND = "by hand"
"""The task of such an act."""

SHOWN_LENGTH = 300
"""Letters of a command that are shown at most."""

READERS = re.compile(
    "amtool|cat|df|dmesg|du|egrep|find|free|grep|head|id|journalctl|last|less|ls|lsof|ps|psql|ss"
    "|stat|tail|top|true|uptime|wc"
)
"""Programs that only read, or that show in another log what they change. Commands that begin with
one of them are left out, unless they begin another command after it."""

READING_VERBS = re.compile("--failed|cat|get-default|is-\\w+|list-\\w+|show|status")
"""Verbs of systemctl that only read."""

_SUDO = re.compile(
    r"([\d.]+) \S+ sudo\[\d+\]: +(?P<who>\S+) : (?:.* ; )?USER=\S+ ;(?: \w+=.* ;)?"
    r" COMMAND=(?P<what>.*)"
)


def sudo_script(since: str, *, lines: int, seconds: int) -> str:
    """Read-only shell text that prints the newest commands that sudo was given, for `parse_sudo`.

    Args:
        since: a moment as `journalctl --since` takes it.
        lines: the number of commands at most.
        seconds: the longest time that reading the journal may take.
    """
    # This tool's own scripts are left out: each session of it is such a command.
    return f"""timeout {seconds} journalctl -q --no-pager -o short-unix -t sudo --since {since} \\
  --grep COMMAND= 2>/dev/null | grep -vF '{TAKES_SCRIPT}' | tail -n {lines}"""


def parse_sudo(host: str, line: str) -> PastAct | None:
    """The act in a line of `sudo_script`; None if it only reads, or is no such line."""
    found = _SUDO.match(line)
    if not found:
        return None
    command = _strip_shell(found["what"].strip())
    if only_reads(command):
        return None
    if len(command) > SHOWN_LENGTH:
        command = command[:SHOWN_LENGTH] + " …"
    text = mask_keyed(command)  # people type passwords where they should not
    return PastAct(float(found[1]), found["who"], BY_HAND, (host,), NOT_KNOWN, text)


def only_reads(command: str) -> bool:
    """Whether a shell command is known to change nothing."""
    command = re.sub(r"\d?>(/dev/null|&\d)", "", command)
    parts = re.split(r"&&|\|\||[;|\n]", command)
    if any(re.search(r"[>`&]|\$\(|\bsh\b|xargs|-exec|-delete", part) for part in parts):
        return False
    return all(_reads(part.split()) for part in parts if part.strip())


def _reads(words: list[str]) -> bool:
    program = words[0].rpartition("/")[2] if words else ""
    if program == "systemctl":
        return any(READING_VERBS.fullmatch(word) for word in words[1:])
    return bool(READERS.fullmatch(program))


def _strip_shell(command: str) -> str:
    """The script of `sh -c SCRIPT`; every other command as it is."""
    try:
        words = shlex.split(command)
    except ValueError:  # sudo cuts long commands, in the middle of quotes too
        return re.sub(r"^\S*/(?:ba|da)?sh -c '?", "", command)
    shell = words[:1] and words[0].rpartition("/")[2] in ("sh", "bash", "dash")
    return words[2] if shell and len(words) == 3 and words[1] == "-c" else command
