"""Who listens on the ports that a role needs, and who would at the next boot: the question to a
host, and what stands in the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..engine.shell import Reading, q
from ..roles.ports import ANY, EVERY, Port

SERVERS = {
    "apache2": (
        "grep -hs '^Listen' /etc/apache2/ports.conf; [ ! -e /etc/apache2/mods-enabled/ssl.load ] ||"
        " echo 443"
    ),
    "lighttpd": "grep -hs '^server.port' /etc/lighttpd/lighttpd.conf",
    "caddy": "grep -hs '^ *:[0-9]' /etc/caddy/Caddyfile",
}
"""Web servers of Debian, and how their ports are found while they do not run."""

CLUSTERS = r"""for file in /etc/postgresql/*/*/postgresql.conf; do
  folder=${file%/*}; name=${folder#/etc/postgresql/}
  [ -e "$file" ] && [ "$name" != OURS ] &&
    ! grep -qsE '^(manual|disabled)' "$folder/start.conf" || continue
  data=$(sed -n "s/^data_directory *= *'\([^']*\)'.*/\1/p" "$file")
  port=$(cat "$file" "$folder"/conf.d/*.conf "$data/postgresql.auto.conf" 2>/dev/null |
    sed -n "s/^ *port *=\{0,1\} *'\{0,1\}\([0-9]*\).*/\1/p" | tail -n 1)
  echo "at-boot ${port:-5432} cluster $name"
done
"""
"""The other clusters of Debian's PostgreSQL that start at boot, with their ports, whether they
run or not."""


def probe(needed: Sequence[Port], version: int) -> str:
    """Read-only shell text for `conflicts`: sockets, the units of their processes, and what
    would listen after a boot."""
    only = " or ".join(f"sport = :{number}" for number in sorted({port.number for port in needed}))
    servers = "".join(
        f"[ ! -e /etc/systemd/system/multi-user.target.wants/{name}.service ] || for port in $({{"
        f" {ask}; }} | grep -o '[0-9]*$'); do echo \"at-boot $port unit {name}.service\"; done\n"
        for name, ask in SERVERS.items()
    )
    return (
        f'seen=$(ss -Hltunp {q(f"( {only} )")} 2>&1) || {{ echo "$seen"; exit 1; }}\necho'
        ' "$seen"\nfor pid in $(echo "$seen" | grep -o \'pid=[0-9]*\' | sort -u); do\n  echo'
        ' "/proc/${pid#pid=}/cgroup"\ndone | xargs -r grep -s . /dev/null\ncase $seen in'
        ' *pid=1,*) systemctl list-sockets --no-legend --plain --full | sed "s/^/socket /" ;;'
        " esac\n" + CLUSTERS.replace("OURS", f"{version}/main") + servers + "true"
    )


@dataclass(frozen=True)
class Listener:
    """A socket that listens, as `ss` shows it. `unit` is its process's, as far as systemd knows
    it."""

    protocol: str
    address: str
    number: int
    process: str = ""
    pid: int = 0
    unit: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "the kernel (no process)"
        return (
            f"{self.unit} ({self.process}, pid {self.pid})"
            if self.unit
            else f"{self.process} (pid {self.pid})"
        )


@dataclass
class Conflict:
    """One that is in the way: who, on which ports, and which units of ours want them."""

    holder: str
    way_out: str
    runs: bool = True
    numbers: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)

    @property
    def what(self) -> str:
        """In words: who has the ports now, or would take them."""
        ports = f"{'ports' if len(self.numbers) > 1 else 'port'} {_and(self.numbers)}"
        if self.runs:
            return f"{ports} {'are' if len(self.numbers) > 1 else 'is'} held by {self.holder}"
        return f"{self.holder} does not run now, but it starts at boot and then takes {ports}"

    @property
    def wants(self) -> str:
        """Who wants the ports."""
        return _and(self.units)


def conflicts(needed: Sequence[Port], seen: Reading) -> list[Conflict] | Reading:
    """Who is in the way of `needed`, given the output of `probe`; the reading itself when it
    holds no answer."""
    if seen.code:
        return seen
    found: dict[str, Conflict] = {}
    listening = list(listeners(seen.out))
    for port in needed:
        for other in listening:
            if _clash(port, other):
                conflict = found.setdefault(
                    str(other), Conflict(str(other), _way_out(other.unit, other.pid))
                )
                _add(conflict, port)
        for number, kind, name in re.findall(
            r"^at-boot (\d+) (cluster|unit) (\S+)$", seen.out, re.M
        ):
            unit = f"postgresql@{name.replace('/', '-')}.service" if kind == "cluster" else name
            running = any(other.unit == unit and other.number == port.number for other in listening)
            if (
                int(number) == port.number
                and port.protocol == "tcp"
                and unit != port.unit
                and not running
            ):
                who = f"PostgreSQL's cluster {name}" if kind == "cluster" else name
                _add(found.setdefault(who, Conflict(who, _way_out(unit), runs=False)), port)
    return list(found.values())


def listeners(text: str) -> Iterator[Listener]:
    """The sockets in the output of `probe`."""
    paths = re.findall(r"^/proc/(\d+)/cgroup:(?:0:|\d+:name=systemd):(.*)$", text, re.M)
    units = {pid: unit for pid, path in paths if (unit := _unit(path))}
    sockets = dict(re.findall(r"^socket \S*:(\d+) +\S+ +(\S+)$", text, re.M))
    for protocol, address, number, rest in re.findall(SOCKET, text, re.M):
        processes = re.findall(r'\("(.*?)",pid=(\d+)', rest)
        name, pid = min(
            processes, key=lambda one: int(one[1]), default=("", "0")
        )  # the first one started the others
        unit = sockets.get(number, "") if pid == "1" else units.get(pid, "")
        yield Listener(protocol, _plain(address), int(number), name, int(pid), unit)


SOCKET = r"^(tcp|udp) +\w+ +\d+ +\d+ +(\S+):(\d+) +\S+ *(.*)$"
"""A line of `ss -Hltunp`."""


def _unit(path: str) -> str:
    """The innermost unit of a control group: `/system.slice/docker.service` → `docker.service`."""
    return next(
        (part for part in reversed(path.split("/")) if part.endswith((".service", ".scope"))), ""
    )


def _plain(address: str) -> str:
    """Without brackets, interface and the prefix of an IPv4 address in IPv6:
    `[::ffff:10.0.0.1]%eth0` → `10.0.0.1`."""
    return address.partition("%")[0].strip("[]").removeprefix("::ffff:")


def _clash(port: Port, other: Listener) -> bool:
    """Whether both cannot listen: same port, an address in common, and not ours already
    (`runbook-…`: what a dead run left)."""
    if (port.protocol, port.number) != (other.protocol, other.number):
        return False
    if other.unit == port.unit or other.unit.startswith("runbook-"):
        return False
    if ANY in (port.address, other.address):
        return True
    six = ":" in other.address
    return not six and (EVERY in (port.address, other.address) or port.address == other.address)


def _way_out(unit: str, pid: int = 0) -> str:
    if cluster := re.fullmatch(r"postgresql@(\d+)-(.+)\.service", unit):
        version, name = cluster.groups()
        return (
            f"give it another port, and tell its users (pg_lsclusters; pg_conftool {version} {name}"
            f" set port 5433; pg_ctlcluster {version} {name} restart), or drop it if nobody"
            " needs it"
        )
    if pid == 1:
        return f"systemctl list-sockets; give the socket of {unit} another port, or disable it"
    if unit.endswith(".service"):
        return f"give it another port, or, if nobody needs it: systemctl disable --now {unit}"
    return (
        f"ps -fp {pid}; give it another port, or end it"
        if pid
        else "ss -ltunp; give it another port"
    )


def _add(conflict: Conflict, port: Port) -> None:
    number = f"{port.number}" if port.protocol == "tcp" else f"{port.number}/udp"
    if number not in conflict.numbers:
        conflict.numbers.append(number)
    if port.unit not in conflict.units:
        conflict.units.append(port.unit)


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
