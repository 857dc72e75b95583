"""The names of releases, and other releases of the stand-in, good or bad.

A release of the stand-in is a copy of the program with a trailer of settings, which it reads
(lab/bingo/labconf.go).
"""

from __future__ import annotations

import sys
from pathlib import Path

MARK = b"\n--lab release--\n"
"""The line between the program and its trailer."""

FIRST, NEXT = "first", "next"
"""The lab's own release, and a second one that works. A program of the package registries has no
others."""

KINDS: dict[str, dict[str, object]] = {
    "good": {},
    "slow": {"slow_ms": 700},
    "errors": {"error_every": 20},
    "dies": {"dies_after_s": 2},
    "refuses": {"refuses_on": "*"},
    "node2": {"refuses_on": "node2"},
}
"""The kinds of release, with their settings:

good: works. slow: reads are slow, /ping is not. errors: one read in 20 fails. dies: exits after
2 s. refuses: never serves. node2: never serves on node2.

They misbehave only where they are deployed. Discovery runs a release elsewhere, and finds nothing
wrong with it.
"""


def make_release(source: Path, folder: Path, kind: str, number: int = 0) -> Path:
    """Make a release of `source` in `folder`, of one of the KINDS.

    Two releases of a kind differ in `number`.
    """
    lines = [f"{key} = {value}" for key, value in KINDS[kind].items()]
    target = folder / f"bingo-{kind}-{number}"
    target.write_bytes(
        source.read_bytes() + MARK + "\n".join([f"release = {kind}-{number}", *lines, ""]).encode()
    )
    target.chmod(0o755)
    return target


if __name__ == "__main__":
    # python -m lab.releases BINARY FOLDER KIND prints the path of the release.
    print(make_release(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
