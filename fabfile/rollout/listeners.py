"""Find what listens on the ports that a role needs, or will listen on them after the next boot."""

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
"""Web servers of Debian, and the shell text that finds their ports while they do not run."""

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
"""Shell text that lists the other PostgreSQL clusters that start at boot, with their ports."""


def listener_probe(needed: Sequence[Port], version: int) -> str:
    """Read-only shell text for `find_conflicts`: the sockets on the needed ports, the units of
    their processes, and what would listen after a boot.

    Args:
        needed: the ports.
        version: the PostgreSQL version of our own cluster.
    """
    numbers = sorted({port.number for port in needed})
    only = q(f"( {' or '.join(f'sport = :{number}' for number in numbers)} )")
    sockets = (
        f'seen=$(ss -Hltunp {only} 2>&1) || {{ echo "$seen"; exit 1; }}\n'
        'echo "$seen"\n'
        "for pid in $(echo \"$seen\" | grep -o 'pid=[0-9]*' | sort -u); do\n"
        '  echo "/proc/${pid#pid=}/cgroup"\n'
        "done | xargs -r grep -s . /dev/null\n"
        # Process 1 holds the sockets of socket units, so these are listed by systemd.
        "case $seen in *pid=1,*) systemctl list-sockets --no-legend --plain --full"
        ' | sed "s/^/socket /" ;; esac\n'
    )
    servers = "".join(
        f"[ ! -e /etc/systemd/system/multi-user.target.wants/{name}.service ] || for port in"
        f" $({{ {command}; }} | grep -o '[0-9]*$');"
        f' do echo "at-boot $port unit {name}.service"; done\n'
        for name, command in SERVERS.items()
    )
    return sockets + CLUSTERS.replace("OURS", f"{version}/main") + servers + "true"


@dataclass(frozen=True)
class Listener:
    """A listening socket, as `ss` shows it. `unit` is the unit of its process, empty if unknown."""

    protocol: str
    address: str
    number: int
    process: str = ""
    pid: int = 0
    unit: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "the kernel (no process)"
        if self.unit:
            return f"{self.unit} ({self.process}, pid {self.pid})"
        return f"{self.process} (pid {self.pid})"


@dataclass
class Conflict:
    """Something that holds ports which our units need, or will take them at boot.

    Attributes:
        holder: what holds the ports, in words.
        way_out: what to do about it.
        runs: whether it runs now.
        numbers: the ports, such as "443" or "443/udp".
        units: our units that need the ports.
    """

    holder: str
    way_out: str
    runs: bool = True
    numbers: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)

    @property
    def description(self) -> str:
        """What holds the ports now, or would take them, in words."""
        several = len(self.numbers) > 1
        ports = f"{'ports' if several else 'port'} {_join_words(self.numbers)}"
        if self.runs:
            return f"{ports} {'are' if several else 'is'} held by {self.holder}"
        return f"{self.holder} does not run now, but it starts at boot and then takes {ports}"

    @property
    def unit_list(self) -> str:
        """Our units that need the ports, in words."""
        return _join_words(self.units)

    def add_port(self, port: Port) -> None:
        """Add a port and the unit that needs it."""
        number = f"{port.number}" if port.protocol == "tcp" else f"{port.number}/udp"
        if number not in self.numbers:
            self.numbers.append(number)
        if port.unit not in self.units:
            self.units.append(port.unit)


def find_conflicts(needed: Sequence[Port], reading: Reading) -> list[Conflict] | Reading:
    """What conflicts with the needed ports, from the output of `listener_probe`.

    Returns:
        The conflicts, or the reading itself if it holds no answer.
    """
    if reading.code:
        return reading
    conflicts: dict[str, Conflict] = {}
    listening = list(parse_listeners(reading.out))
    at_boot = re.findall(r"^at-boot (\d+) (cluster|unit) (\S+)$", reading.out, re.M)
    for port in needed:
        for listener in listening:
            if _clashes(port, listener):
                holder = str(listener)
                way_out = _find_way_out(listener.unit, listener.pid)
                conflicts.setdefault(holder, Conflict(holder, way_out)).add_port(port)
        for number, kind, name in at_boot:
            is_cluster = kind == "cluster"
            unit = f"postgresql@{name.replace('/', '-')}.service" if is_cluster else name
            if int(number) != port.number or port.protocol != "tcp" or unit == port.unit:
                continue
            if any(other.unit == unit and other.number == port.number for other in listening):
                continue  # it runs, so its socket was judged above
            holder = f"PostgreSQL's cluster {name}" if is_cluster else name
            conflict = Conflict(holder, _find_way_out(unit), runs=False)
            conflicts.setdefault(holder, conflict).add_port(port)
    return list(conflicts.values())


def parse_listeners(text: str) -> Iterator[Listener]:
    """The sockets in the output of `listener_probe`."""
    paths = re.findall(r"^/proc/(\d+)/cgroup:(?:0:|\d+:name=systemd):(.*)$", text, re.M)
    units = {pid: unit for pid, path in paths if (unit := _innermost_unit(path))}
    socket_units = dict(re.findall(r"^socket \S*:(\d+) +\S+ +(\S+)$", text, re.M))
    for protocol, address, number, rest in re.findall(SOCKET, text, re.M):
        processes = re.findall(r'\("(.*?)",pid=(\d+)', rest)
        # The process with the lowest id started the others that share the socket.
        name, pid = min(processes, key=lambda process: int(process[1]), default=("", "0"))
        unit = socket_units.get(number, "") if pid == "1" else units.get(pid, "")
        yield Listener(protocol, _plain_address(address), int(number), name, int(pid), unit)


SOCKET = r"^(tcp|udp) +\w+ +\d+ +\d+ +(\S+):(\d+) +\S+ *(.*)$"
"""A line of `ss -Hltunp`."""


def _innermost_unit(path: str) -> str:
    """The innermost unit of a control group: `/system.slice/docker.service` → `docker.service`."""
    for part in reversed(path.split("/")):
        if part.endswith((".service", ".scope")):
            return part
    return ""


def _plain_address(address: str) -> str:
    """The address without brackets, interface and the prefix of an IPv4 address in IPv6:
    `[::ffff:10.0.0.1]%eth0` → `10.0.0.1`."""
    return address.partition("%")[0].strip("[]").removeprefix("::ffff:")


def _clashes(port: Port, listener: Listener) -> bool:
    """Whether `listener` keeps our unit from listening on `port`."""
    if (port.protocol, port.number) != (listener.protocol, listener.number):
        return False
    # Ours already: the unit itself, or a transient unit that a dead run left.
    if listener.unit == port.unit or listener.unit.startswith("runbook-"):
        return False
    if ANY in (port.address, listener.address):
        return True
    if ":" in listener.address:
        return False
    return EVERY in (port.address, listener.address) or port.address == listener.address


def _find_way_out(unit: str, pid: int = 0) -> str:
    """What to do about a process that holds a port, in words."""
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
    if pid:
        return f"ps -fp {pid}; give it another port, or end it"
    return "ss -ltunp; give it another port"


def _join_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
