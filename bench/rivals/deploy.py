"""The playbook's 20 steps for pyinfra."""

from io import StringIO

from pyinfra.operations import apt, files, server, systemd

apt.packages(packages=["nftables", "strace", "logrotate"], _sudo=True)
server.user(user="bench", system=True, shell="/usr/sbin/nologin", create_home=False, _sudo=True)
for path in ("", "/a", "/b", "/c", "/d"):
    files.directory(path=f"/opt/bench{path}", mode="755", _sudo=True)
for name, text in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight"), 1):
    files.put(src=StringIO(f"{text}\n"), dest=f"/opt/bench/{name}", mode="644", _sudo=True)
files.link(path="/opt/bench/link", target="/opt/bench/1", _sudo=True)
for unit in ("systemd-networkd", "runbook-logrotate.timer", "bingo", "ssh"):
    systemd.service(service=unit, running=True, _sudo=True)
