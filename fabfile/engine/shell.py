"""Build shell scripts: quote, join probes into one script and split the answers, write files.

All scripts are for POSIX sh, without bashisms.
"""

from __future__ import annotations

import base64
import secrets as _random
from collections.abc import Sequence
from shlex import quote as q
from typing import NamedTuple

__all__ = ["Reading", "join_probes", "q", "split_readings", "wrap_script", "write_file"]

STATE = "/var/lib/runbook"
"""The folder on a host for the runbook's own state."""

PREVIOUS = f"{STATE}/previous"
"""The folder with the previous version of every replaced file, under the path of the file."""


class Reading(NamedTuple):
    """The answer of one probe: its output (stdout and stderr) and exit status."""

    out: str
    code: int


def wrap_script(script: str, stdin: str = " </dev/null") -> str:
    """`script` as one group: sh reads all of it before it runs the first line.

    Without the group, sh would run a part of a script that was cut off. The script runs in / and
    with an empty stdin. `stdin` "" keeps our stdin: an upload reads the file from it.
    """
    return f"{{ cd /\n{script.rstrip()}\n}}{stdin}\nexit $?\n"


_WANTS = {"stat": "#stat ", "sha256": "#sha256 "}
"""Prefixes of the lines of a probe that request the state of a file in `$known`."""


def ask_known(path: str, *, content: bool) -> str:
    """First lines of a probe that request the `stat_line` of `path` in `$known`.

    With `content` they also request its `sha256_line`.

    On a host with forty files, two processes for each file would take most of the time of a deploy
    that changes nothing. `$known` is only a short cut: it is empty for a probe that runs alone,
    which must then read the file itself.
    """
    return f"{_WANTS['stat']}{q(path)}\n" + (f"{_WANTS['sha256']}{q(path)}\n" if content else "")


def stat_line(path: str, owner: str, mode: int, kind: str) -> str:
    """Pattern for `case "${known-}" in` that matches if the file has this kind, owner and mode."""
    return f"*{q(f'{chr(10)}{path} {owner} {mode:o} {kind}{chr(10)}')}*"


def sha256_line(path: str, digest: str) -> str:
    """Pattern for `case "${known-}" in` that matches if the file has this content."""
    return f"*{q(f'{chr(10)}{digest}  {path}{chr(10)}')}*"


def _collect_known(probes: Sequence[str]) -> str:
    """Script that sets `$known` for all `probes` with two processes."""
    lines = [line for probe in probes for line in probe.splitlines() if line.startswith("#s")]
    wanted = {
        kind: " ".join(
            dict.fromkeys(line.removeprefix(head) for line in lines if line.startswith(head))
        )
        for kind, head in _WANTS.items()
    }
    if not wanted["stat"]:
        return ""
    sums = f"; sha256sum -- {wanted['sha256']}" if wanted["sha256"] else ""
    return (
        f"known=$(echo; {{ stat -Lc '%n %U:%G %a %F' -- {wanted['stat']}{sums}; }} 2>/dev/null;"
        " echo .)\n"
    )


def join_probes(probes: Sequence[str], marker: str) -> str:
    """One script that runs each probe in its own subshell and frames each answer with `marker`."""
    parts = [_collect_known(probes)]
    for number, probe in enumerate(probes):
        parts.append(f"printf '\\n{marker} {number} begin\\n'\n(:\n{probe.rstrip()}\n) 2>&1\n")
        parts.append(f"printf '\\n{marker} {number} end %s\\n' $?\n")
    return "".join(parts)


def split_readings(out: str, marker: str, count: int) -> list[Reading]:
    """The answers of `join_probes`, in order.

    Raises:
        ValueError: an answer is missing (the script was cut off).
    """
    readings = []
    position = 0
    for number in range(count):
        begin = f"\n{marker} {number} begin\n"
        end = f"\n{marker} {number} end "
        start = out.index(begin, position) + len(begin)
        stop = out.index(end, start - 1)
        position = out.index("\n", stop + len(end))
        readings.append(Reading(out[start:stop], int(out[stop + len(end) : position])))
    return readings


def new_token() -> str:
    """A random text that no output contains by chance."""
    return _random.token_hex(8)


def new_marker() -> str:
    """A marker that no output of a probe contains by chance."""
    return f"#~{new_token()}"


def embed_bytes(content: bytes, *, to: str = "", append: bool = False) -> str:
    """Shell text that writes `content` to the file `to` (already quoted), or prints it.

    It uses base64 in a here-document, so `content` may hold any bytes.
    """
    text = base64.b64encode(content).decode()
    lines = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    target = f" {'>>' if append else '>'}{to}" if to else ""
    return f"base64 -d{target} <<'BASE64'\n{lines}\nBASE64"


def write_file(path: str, content: bytes, *, mode: int, owner: str, validate: str = "") -> str:
    """Script that replaces the file `path` by `content` in one rename.

    It writes a candidate beside `path`, sets owner and mode, runs `validate`, keeps the old file in
    PREVIOUS, and renames the candidate.

    Args:
        validate: shell command in which `{}` stands for the candidate file (which keeps its own
            name, in a folder beside the target); a non-zero exit leaves the target untouched.
    """
    folder, _, name = path.rpartition("/")
    candidate = '"$new"'
    lines = [
        "set -eu",
        f"mkdir -p {q(folder)}",
        f"rm -rf {q(folder)}/.runbook.??????",  # what a killed run left
        f"stage=$(mktemp -d {q(folder)}/.runbook.XXXXXX)",
        "trap 'rm -rf \"$stage\"' EXIT",
        f'new="$stage"/{q(name)}',
        embed_bytes(content, to=candidate),
        f"chown {q(owner)} {candidate}; chmod {mode:04o} {candidate}",
    ]
    if validate:
        refused = q(f"the new {path} was refused by its checker")
        lines += [
            f"if ! said=$({validate.replace('{}', candidate)} 2>&1); then",
            "  said=$(printf %s \"$said\" | grep -v '^$' | tail -n 1)",
            f"  printf '%s: %s\\n' {refused} \"$said\" >&2; exit 65",
            "fi",
        ]
    lines += [
        (
            f"if [ -e {q(path)} ]; then mkdir -p {q(PREVIOUS + folder)}; cp -pf {q(path)}"
            f" {q(PREVIOUS + path)}; fi"
        ),
        f"sync {candidate}",
        f"mv -fT {candidate} {q(path)}",
    ]
    return "\n".join(lines) + "\n"
