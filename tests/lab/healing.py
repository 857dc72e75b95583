"""What the tests of the healer share: its words, its counters, what it did to the app, and ways
to make that ill."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from deployed import NODES, on_each_host, until
from edgetools import operate, port
from labtools import Ssh

from lab.names import Lab

LEAK, ILL = 3 << 32, 5 << 32
"""Operations that make the node that executes them leak 20 MB a second, or answer 500 to
everything."""

UNIT = "runbook-healer"


class Sentence(NamedTuple):
    """A line of the healer's journal, at `at` seconds of the machine's clock."""

    at: float
    text: str


def said(ssh: Ssh, node: str, since: float) -> list[Sentence]:
    """What the healer of `node` has said since then."""
    script = (
        f"journalctl -q --no-pager -o short-unix _SYSTEMD_UNIT={UNIT}.service --since @{since:.6f}"
    )
    lines = ssh(node, script).out.splitlines()
    return [Sentence(float(line.split()[0]), line.partition("]: ")[2]) for line in lines]


def says(ssh: Ssh, node: str, pattern: str, since: float, seconds: float = 30) -> Sentence:
    """Wait for a sentence that matches."""
    found: list[Sentence] = []

    def heard() -> bool:
        found.extend(one for one in said(ssh, node, since) if re.search(pattern, one.text))
        return bool(found)

    until(heard, f"{node}'s healer to say {pattern!r}", seconds)
    return found[0]


def counters(ssh: Ssh, node: str) -> dict[str, int]:
    """Restarts by cause."""
    text = ssh(node, "cat /run/runbook-healer/healer.prom").out
    return {
        cause: int(n)
        for cause, n in re.findall(
            r'^runbook_healer_restarts_total\{cause="(.+)"\} (\d+)$', text, re.M
        )
    }


def process(ssh: Ssh, node: str) -> str:
    """The app's process."""
    return ssh(node, "systemctl show -P MainPID bingo").out.strip()


def sicken(lab: Lab, ssh: Ssh, node: str, operation: int = ILL) -> None:
    """Poison this very node, past the edges."""
    operate(f"{lab.address(node)}:{port(ssh)}", operation)


def tell_edge(lab: Lab, ssh: Ssh, node: str, path: str, body: str = "") -> int:
    """POST to edge1 as the healer of `node` would; the answer's status."""
    address = f"/dev/tcp/{lab.address('edge1')}/8405"
    request = f"POST {path} HTTP/1.0\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}"
    script = (
        f'bash -c \'exec 3<>{address}; printf "{request}" >&3; read -r _ status _ <&3; echo'
        " $status'"
    )
    return int(ssh(node, script).out)


def stat(ssh: Ssh, edge: str, node: str) -> str:
    """How the edge's balancer sees the node, in one word."""
    script = (
        "echo 'show stat' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock | grep"
        f" ^health,{node}"
    )
    return ssh(edge, script).out.split(",")[17]


def quiet(ssh: Ssh) -> None:
    """The healers run and find their apps well; nothing of a test before is in hand."""

    def well() -> bool:
        look = f"systemctl is-active {UNIT} && systemctl show -P StatusText {UNIT}; ls /run/{UNIT}"
        said = on_each_host(lambda node: ssh(node, look, check=False).out.split("\n"), NODES)
        return all(
            lines[:2] == ["active", "the app is well"] and "busy" not in lines
            for lines in said.values()
        )

    until(well, "both healers to find their apps well", 60)


def now() -> float:
    """The machine's clock, which is the hosts' as well."""
    return time.time()
