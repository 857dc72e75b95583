"""Releases of the stand-in that behave otherwise: a copy of the file with a trailer that it
reads (lab/bingo/labconf.go)."""

from __future__ import annotations

import sys
from pathlib import Path

MARK = b"\n--lab release--\n"
"""Between the program and its trailer."""

KINDS: dict[str, dict[str, object]] = {
    "good": {},
    "slow": {"slow_ms": 700},
    "errors": {"error_every": 20},
    "dies": {"dies_after_s": 2},
    "refuses": {"refuses_on": "*"},
    "node2": {"refuses_on": "node2"},
}
"""Each by name: well · reads slow, /ping fine · one read in 20 fails · exits after 2 s · never
serves · not on node2.

Only where it is deployed: discovery, which runs it elsewhere, finds it like any other.
"""


def make(source: Path, folder: Path, kind: str, number: int = 0) -> Path:
    """A release of `source` in `folder`, of one of the KINDS; `number` tells two of a kind
    apart."""
    lines = [f"{key} = {value}" for key, value in KINDS[kind].items()]
    target = folder / f"bingo-{kind}-{number}"
    target.write_bytes(
        source.read_bytes() + MARK + "\n".join([f"release = {kind}-{number}", *lines, ""]).encode()
    )
    target.chmod(0o755)
    return target


if (
    __name__ == "__main__"
):  # python -m lab.releases BINARY FOLDER KIND: prints the path of the release
    print(make(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
