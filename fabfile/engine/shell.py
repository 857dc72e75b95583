"""Shell text as data: quoting, joining probes into one script, reading the answers back. POSIX
sh, no bashisms."""

from __future__ import annotations

import base64
import secrets as _random
from collections.abc import Sequence
from shlex import quote as q
from typing import NamedTuple

__all__ = ["Reading", "join_probes", "q", "split_readings", "wrap_script", "write_file"]

STATE = "/var/lib/runbook"
"""Where a host keeps what the runbook must remember on it."""

PREVIOUS = f"{STATE}/previous"
"""The last version of every file we replaced, under its own path."""


class Reading(NamedTuple):
    """What one probe saw: its output (stdout and stderr) and exit status."""

    out: str
    code: int


def wrap_script(script: str, stdin: str = " </dev/null") -> str:
    """`script` so that sh reads all of it before it runs the first line, in / and with nothing on
    its own stdin.

    Without the group a cut-off script would run in part. `stdin` "" leaves it ours: an upload reads
    the file there.
    """
    return f"{{ cd /\n{script.rstrip()}\n}}{stdin}\nexit $?\n"


_WANTS = {"stat": "#stat ", "sha256": "#sha256 "}
"""Lines of a probe that ask for a file's state in `$known`."""


def ask_known(path: str, *, content: bool) -> str:
    """First lines of a probe: `$known` shall hold what `stat_line` says of `path`, and with
    `content` its `sha256_line`.

    On a host with forty files of ours two processes for each would be most of the time that a
    deploy without work takes. `$known` is a short cut only: a probe that runs alone finds it empty,
    and must then ask for itself.
    """
    return f"{_WANTS['stat']}{q(path)}\n" + (f"{_WANTS['sha256']}{q(path)}\n" if content else "")


def stat_line(path: str, owner: str, mode: int, kind: str) -> str:
    """Pattern for `case "${known-}" in`: the file is of this kind, owner and mode."""
    return f"*{q(f'{chr(10)}{path} {owner} {mode:o} {kind}{chr(10)}')}*"


def sha256_line(path: str, digest: str) -> str:
    """Pattern for `case "${known-}" in`: the file has this content."""
    return f"*{q(f'{chr(10)}{digest}  {path}{chr(10)}')}*"


def _collect_known(probes: Sequence[str]) -> str:
    """Script that sets `$known` for all `probes`, by two processes."""
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
    """One script that runs every probe in a subshell of its own and frames each answer by
    `marker`."""
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
    """Letters and digits that no output can contain by chance."""
    return _random.token_hex(8)


def new_marker() -> str:
    """A frame that no probe's output can contain by chance."""
    return f"#~{new_token()}"


def embed_bytes(content: bytes, *, to: str = "", append: bool = False) -> str:
    """A here-document command that writes `content`, whatever is in it, to the (quoted) file
    `to`, or prints it."""
    text = base64.b64encode(content).decode()
    lines = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    target = f" {'>>' if append else '>'}{to}" if to else ""
    return f"base64 -d{target} <<'BASE64'\n{lines}\nBASE64"


def write_file(path: str, content: bytes, *, mode: int, owner: str, validate: str = "") -> str:
    """Script that puts `content` at `path` in one rename: beside it, owned, checked, the old one
    kept, then swapped.

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
