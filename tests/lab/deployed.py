"""What the tests of the deploy share: the deployed lab, copies of its site file, what a host
holds, a light load."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import pytest
from labtools import ROOT, Outcome, Runner, Ssh

from lab.names import HOSTS, Lab

NODES = ("node1", "node2")
EDGES = ("edge1", "edge2")
Seen = TypeVar("Seen")


class Complaint(NamedTuple):
    """An error as an operator sees it: three parts."""

    seen: str
    why: str
    next: str


def complaint(outcome: Outcome) -> Complaint:
    """The one error in `outcome`'s output; also asserts that it is one, in three parts, without
    a traceback."""
    found = complaints(outcome)
    assert len(set(found)) == 1, outcome
    return found[0]


def complaints(outcome: Outcome) -> list[Complaint]:
    """All errors in `outcome`'s output, the cause first; none of them a traceback."""
    text = outcome.out + outcome.err
    assert "Traceback" not in text, text
    blocks = re.findall(r"^ *✗ (.+)\n +why (.+)\n +next (.+)$", text, re.M)
    assert blocks, text
    return [Complaint(*block) for block in blocks]


def totals(outcome: Outcome) -> dict[str, int]:
    """The numbers of the last line: `host`, `right`, `changed` or `to change`, `failed`,
    `skipped`, `ssh session`."""
    lines = [line for line in outcome.out.splitlines() if " ssh sessions" in line]
    assert len(lines) == 1, outcome
    found = re.findall(r"(\d+) ([a-z]+(?: [a-z]+)?)", re.sub(r"[\d.]+ s ", "", lines[0]))
    return {word.removesuffix("s"): int(number) for number, word in found}


def assert_unchanged(outcome: Outcome) -> None:
    """A deploy that found everything right."""
    assert outcome.code == 0, outcome
    assert totals(outcome)["changed"] == 0, outcome.out


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for `condition`; AssertionError, naming `what`, when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class Deployed(NamedTuple):
    """The lab with the service on it, and how it came to be."""

    lab: Lab
    first: Outcome
    second: Outcome

    @property
    def url(self) -> str:
        """What users call."""
        return f"http://{self.lab.floating}"

    @property
    def runs(self) -> Path:
        """The controller's own traces of this site."""
        return ROOT / ".runbook" / f"lab{self.lab.number}"


@pytest.fixture(scope="session")
def deployed(lab: Lab, run_fab: Runner) -> Deployed:
    """The lab, deployed from nothing (nothing known here either), then once more."""
    shutil.rmtree(ROOT / ".runbook" / f"lab{lab.number}", ignore_errors=True)
    first = run_fab("deploy")
    assert first.code == 0, first
    return Deployed(lab, first, run_fab("deploy"))


class Convergence:
    """Whether the deployed lab is known to be converged: nothing ran since a deploy that changed
    nothing."""

    known = False


@pytest.fixture
def healed(deployed: Deployed, run_fab: Runner) -> Iterator[Deployed]:
    """The deployed lab, with nothing to do. Afterwards the next plain deploy makes good what the
    test did."""
    if not Convergence.known:
        # An earlier test may have left work, which would be counted as this one's.
        outcome = run_fab("deploy")
        assert outcome.code == 0, outcome
    Convergence.known = False
    yield deployed
    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome
    if totals(outcome)["changed"]:
        assert_unchanged(run_fab("deploy"))
    Convergence.known = True


PATHS = (
    ("ssh", "key"),
    ("ssh", "known_hosts"),
    ("app", "binary"),
    ("database", "password_file"),
    ("tls", "store"),
)


class Variant:
    """Writes copies of the lab's site file with some settings changed (None: left out), as
    environment for `fab`."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder, self.count = lab, folder, 0

    def __call__(self, **tables: Mapping[str, Any]) -> dict[str, str]:
        site = tomllib.loads(self.lab.site.read_text())
        for table, key in PATHS:
            site[table][key] = str(self.lab.folder / site[table][key])
        for name, settings in tables.items():
            for key, value in settings.items():
                _put(site.setdefault(name, {}) if name else site, key, value)
        return self.text("".join(_toml(site)))

    def text(self, text: str) -> dict[str, str]:
        """A site file that holds `text`."""
        self.count += 1
        path = self.folder / f"site{self.count}.toml"
        path.write_text(text)
        return {"SITE": str(path)}


@pytest.fixture
def variant(lab: Lab, tmp_path: Path) -> Variant:
    return Variant(lab, tmp_path)


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _toml(site: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """TOML of nested tables; JSON's texts, numbers and lists are TOML's, too."""
    if name:
        yield f"[{name}]\n"
    yield from (
        f"{key} = {json.dumps(value)}\n"
        for key, value in site.items()
        if not isinstance(value, dict)
    )
    for key, value in site.items():
        if isinstance(value, dict):
            yield from _toml(value, f"{name}.{key}".lstrip("."))


TREES = "/etc /srv /opt /usr/lib/runbook /var/lib/runbook /var/log/runbook"
VOLATILE = ("/var/lib/runbook/logrotate.state", "/etc/resolv.conf", "/etc/.pwd.lock")


def files(ssh: Ssh, host: str, trees: str = TREES) -> dict[str, str]:
    """Everything below `trees` by path: kind, owner, mode, link target, hash of the content. The
    app's log is left out."""
    script = (
        f"for t in {trees}; do [ ! -e $t ] || find $t ! -type d ! -name '*.log*' -printf '%y %u:%g"
        f" %m %p %l\\n'; done\nfor t in {trees}; do [ ! -e $t ] || find $t -type d -printf '%y"
        f" %u:%g %m %p\\n'; done\necho ---\nfor t in {trees}; do [ ! -e $t ] || find $t -type f !"
        " -name '*.log*' -exec sha256sum {} +; done\n"
    )
    listing, _, sums = ssh(host, script).out.partition("---\n")
    digests = {
        path: digest for digest, _, path in (line.partition("  ") for line in sums.splitlines())
    }
    found = {}
    for line in listing.splitlines():
        kind, owner, mode, path, *target = line.split(" ", 4)
        if path not in VOLATILE:
            found[path] = " ".join([kind, owner, mode, *target, digests.get(path, "")])
    return found


EDGE = "nginx haproxy keepalived"
UNITS = {
    "edge1": EDGE,
    "edge2": EDGE,
    "node1": "bingo",
    "node2": "bingo",
    "db1": "postgresql@17-main",
}


def starts(ssh: Ssh, host: str) -> str:
    """Which processes run the host's services, since when, and after how many restarts."""
    shown = "Id,MainPID,NRestarts,ActiveState,ActiveEnterTimestampMonotonic"
    return ssh(host, f"systemctl show -p {shown} {UNITS[host]}").out


def untouched(ssh: Ssh, names: tuple[str, ...] = tuple(HOSTS)) -> dict[str, object]:
    """What a deploy could touch on the hosts, to be compared before and after. The journal is
    among the files."""
    return on_each_host(lambda name: (files(ssh, name), starts(ssh, name)), names)


def on_each_host(
    look: Callable[[str], Seen], names: Sequence[str] = tuple(HOSTS)
) -> dict[str, Seen]:
    """What `look` says of each host, all asked at once."""
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(look, names), strict=True))


def journal(ssh: Ssh, host: str) -> list[dict[str, str]]:
    """The host's own journal."""
    return [
        json.loads(line)
        for line in ssh(host, "cat /var/log/runbook/journal.jsonl").out.splitlines()
    ]


def drained(ssh: Ssh) -> list[str]:
    """Nodes that any edge keeps out of service, by its files or in HAProxy's own eyes."""
    return sorted(
        set[str]().union(*on_each_host(lambda edge: _drained_by(ssh, edge), EDGES).values())
    )


def _drained_by(ssh: Ssh, edge: str) -> set[str]:
    script = (
        "ls /var/lib/runbook/drained 2>/dev/null || true\necho 'show stat' | socat -t2 stdio"
        " unix-connect:/run/haproxy/admin.sock"
    )
    lines = ssh(edge, script).out.splitlines()
    csv = [line.split(",") for line in lines if "," in line and not line.startswith("#")]
    listed = {line for line in lines if line and "," not in line}
    return listed | {row[1] for row in csv if row[17].startswith("DRAIN")}


def seen_by(ssh: Ssh, edge: str) -> dict[str, str]:
    """How the edge's balancer sees each node, in its own words."""
    script = (
        "echo 'show stat' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock | grep"
        " ^health,node"
    )
    rows = [row.split(",") for row in ssh(edge, script).out.splitlines()]
    return {row[1]: row[17] for row in rows}


def wait_until_up(ssh: Ssh) -> None:
    """Both nodes get requests from both edges."""
    well = dict.fromkeys(EDGES, dict.fromkeys(NODES, "UP"))
    until(
        lambda: on_each_host(lambda edge: seen_by(ssh, edge), EDGES) == well,
        "both nodes up in both balancers' eyes",
    )


@contextlib.contextmanager
def unhealed(ssh: Ssh) -> Iterator[None]:
    """What ails an app stays meanwhile: no healer runs."""
    on_each_host(lambda node: ssh(node, "systemctl stop runbook-healer"), NODES)
    try:
        yield
    finally:
        on_each_host(lambda node: ssh(node, "systemctl start runbook-healer"), NODES)


class Load:
    """A light, even load of GETs through the edge, from a thread of its own; `failed` holds what
    was not 200."""

    PATHS = ("/db_dummy", "/api/movie/7", "/api/customer/7", "/ping")

    def __init__(self, address: str, rate: float = 25) -> None:
        self.address, self.rate = address, rate
        self.asked, self.failed = 0, list[str]()
        self._stop = threading.Event()
        self._workers = [threading.Thread(target=self._work, args=(number,)) for number in range(4)]

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.join()

    def _work(self, number: int) -> None:
        due = time.monotonic() + number / self.rate
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += len(self._workers) / self.rate
            path = self.PATHS[number]
            said = self._ask(path)
            self.asked += 1
            if said != "200":
                self.failed.append(f"{path}: {said}")

    def connect(self) -> http.client.HTTPConnection:
        """A new connection."""
        return http.client.HTTPConnection(self.address, timeout=10)

    def _ask(self, path: str) -> str:
        try:
            with contextlib.closing(self.connect()) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                return str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            return f"{datetime.now(UTC):%T} {error!r}"
