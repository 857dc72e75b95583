"""A real sshd on loopback over a throw-away copy of this machine's files: as good as a host, made
in 0.2 s.

Its files are an overlay in memory (nothing here is touched), its processes live in a PID namespace
that ends with it. It has the users `ops` (sudo without a password), `asked` (sudo wants one),
`plain` (no sudo at all) and root, let in by one key.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from invoke.exceptions import Exit

from fabfile.engine.link import Address, Link
from fabfile.engine.shell import embed_bytes

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED = {
    "/usr/sbin/sshd": "openssh-server",
    "sudo": "sudo",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "ip": "iproute2",
}

SETUP = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount --rbind /dev /mnt/root/dev
mount -t proc proc /mnt/root/proc
for folder in run tmp; do mount -t tmpfs -o mode=0755 none /mnt/root/$folder; done
chmod 1777 /mnt/root/tmp
cd /mnt/root
mkdir -p run/sshd etc/sudoers.d
rm -rf var/lib/runbook var/log/runbook
useradd --root /mnt/root --create-home --shell /bin/sh --password '*' ops
useradd --root /mnt/root --create-home --shell /bin/sh --password '*' plain
sed -i 's|^root:.*|root:x:0:0:root:/tmp:/bin/sh|' etc/passwd
sed -i 's|^root:[^:]*|root:*|' etc/shadow
useradd --root /mnt/root --create-home --shell /bin/sh --password '*' asked
printf '%s\n' 'ops ALL=(ALL) NOPASSWD:ALL' 'asked ALL=(ALL) ALL' \
    'Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"' \
    >etc/sudoers.d/test
chmod 0440 etc/sudoers.d/test
"""

CONFIG = """
HostKey /etc/ssh/test_host_key
AuthorizedKeysFile /etc/ssh/test_authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
"""


def fab(site: Path, *words: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """`fab WORDS` as an operator types it, with the site file `site`; an exit, never a
    traceback."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "fab"), *words],
        cwd=ROOT,
        env={**os.environ, "SITE": str(site), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def write_site(folder: Path, hosts: dict[str, tuple[str, list[str]]], **ssh: Any) -> Path:
    """A site file; `hosts` gives name → (address, roles), `ssh` what goes into [ssh]."""
    binary = folder / "bingo"
    binary.write_bytes(b"#!/bin/sh\n")
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    lines = [
        f'name = "tests-{os.getpid()}"',
        "[ssh]",
        *(f"{key} = {json.dumps(value)}" for key, value in ssh.items()),
    ]
    lines += ["[app]", f'binary = "{binary}"', f'sha256 = "{digest}"']
    lines += ["[app.settings]", 'email = "test@example.com"']
    lines += ["[database]", 'password_file = "db-password"']
    lines += ["[edge]", "http3 = false"]  # the host is this machine, which may be Debian 12
    for name, (address, roles) in hosts.items():
        lines += [f"[hosts.{name}]", f'address = "{address}"', f"roles = {json.dumps(roles)}"]
    site = folder / "site.toml"
    site.write_text("\n".join(lines) + "\n")
    return site


def _heed_ctrl_c() -> None:
    """A shell that starts the tests in the background makes them deaf to Ctrl-C; what they start
    should hear it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(task: Callable[[], None]) -> None:
    """End this process as `fab` does when `task` is over."""
    try:
        task()
    except Exit as end:
        sys.exit(end.code)


def until(condition: Callable[[], bool], what: str, *, seconds: float = 10) -> None:
    """Wait until `condition` holds; AssertionError, naming `what`, when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def new_key(path: Path) -> Path:
    """An ed25519 key pair."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True
    )
    return path


class Host:
    """One running sshd. `folder` keeps its keys and its log; `key` is the client's.

    `options`: more lines of its sshd_config. `authority`: a key that signs its host key.
    """

    def __init__(
        self,
        name: str,
        address: str,
        folder: Path,
        key: Path,
        port: int = 0,
        *,
        options: str = "",
        authority: Path | None = None,
    ) -> None:
        lacking = [package for tool, package in NEEDED.items() if shutil.which(tool) is None]
        assert not lacking, (
            f"the ssh tests need these Debian packages: {', '.join(lacking)} (./run test installs"
            " them)"
        )
        assert os.geteuid() == 0, "the ssh tests make namespaces: run them as root"
        self.name, self.address, self.folder, self.key = name, address, folder, key
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or _free_port(address)
        self.host_key = new_key(folder / "host_key")
        self.options = options
        if authority:
            self.certify(authority, address)
            self.options += "\nHostCertificate /etc/ssh/test_host_key-cert.pub"
        self.log = folder / "sshd.log"
        self.known_hosts = folder / "known_hosts"
        self.pin()
        self._start()

    def _start(self) -> None:
        certificate = self.folder / "host_key-cert.pub"
        files = {
            "etc/ssh/test_host_key": self.host_key.read_bytes(),
            "etc/ssh/test_authorized_keys": self.key.with_suffix(".pub").read_bytes(),
            "etc/ssh/test_config": (
                f"{CONFIG}ListenAddress {self.address}\nPort {self.port}\n{self.options}\n".encode()
            ),
        }
        if certificate.exists():
            files["etc/ssh/test_host_key-cert.pub"] = certificate.read_bytes()
        script = SETUP + "\n".join(embed_bytes(content, to=path) for path, content in files.items())
        script += (
            "\nchmod 0600 etc/ssh/test_host_key\nexec chroot . /usr/sbin/sshd -D -e -f"
            " /etc/ssh/test_config\n"
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                # However this process ends, the server ends with it.
                [
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    "unshare",
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "sh",
                    "-c",
                    script,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                start_new_session=True,
            )
        until(
            lambda: "Server listening" in self.log.read_text() or self.process.poll() is not None,
            "sshd starts",
        )
        assert self.process.poll() is None, self.log.read_text()
        self.pid = int(_children(self.process.pid)[0])

    def pin(self, public: str | None = None) -> None:
        """Make `public` (its real host key, without one) the key that is pinned for this host."""
        text = public or self.host_key.with_suffix(".pub").read_text()
        where = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        self.known_hosts.write_text(f"{where} {text.strip()}\n")

    def certify(self, authority: Path, names: str, *options: str) -> None:
        """Let `authority` sign its host key for `names`; its server must start after that."""
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-h", "-I", self.name, "-n", names]
        subprocess.run([*sign, *options, str(self.host_key.with_suffix(".pub"))], check=True)

    def link(self, *, user: str = "ops", readonly: bool = False, timeout: float = 5.0) -> Link:
        """A link to it, as the runbook makes them."""
        return Link(self.reach(user=user, timeout=timeout), readonly=readonly)

    def reach(self, via: Address | None = None, **change: Any) -> Address:
        """How it is reached; `change` replaces values of it."""
        known = {
            "name": self.name,
            "host": self.address,
            "port": self.port,
            "user": "ops",
            "key": self.key,
            "known_hosts": self.known_hosts,
            "timeout": 5.0,
        }
        return Address(**{**known, **change}, via=via)

    def logins(self) -> int:
        """How many logins the server has accepted so far."""
        return self.log.read_text(errors="replace").count("Accepted publickey")

    def child(
        self, body: str, *, inside: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """A Python process of its own that runs `body`, in which `link` leads to this host.

        `inside`: a command that runs the process, such as `unshare --mount`.
        """
        code = (
            f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\nfrom"
            " pathlib import *\nfrom fabfile.engine.link import *\nfrom sshhost import"
            f" finish\nlink = Link({self.link(**options).address!r})\n{body}"
        )
        return subprocess.Popen(
            [*inside, sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,
        )

    @property
    def files(self) -> Path:
        """Its root folder, seen from here."""
        return Path(f"/proc/{self.pid}/root")

    def install(self, path: str, text: str) -> None:
        """Put an executable there."""
        target = self.files / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755)

    def sessions(self) -> int:
        """How many sessions the server has started so far, as it logged them."""
        return self.log.read_text(errors="replace").count("Starting session:")

    def connections(self) -> list[int]:
        """The processes that serve a connection each, and their children: oldest first."""
        found, queue = [], [self.pid]
        while queue:
            fresh = [int(pid) for parent in queue for pid in _children(parent)]
            found += fresh
            queue = fresh
        return found

    def forget(self) -> None:
        """Remove what the runbook keeps on a host, but for an empty journal: without it a deploy
        would ask first whether this sandbox is fit to be a host."""
        for folder in ("var/lib/runbook", "var/log/runbook"):
            shutil.rmtree(self.files / folder, ignore_errors=True)
        (self.files / "var/log/runbook").mkdir(parents=True)
        (self.files / "var/log/runbook/journal.jsonl").touch()

    def close(self) -> None:
        """End it and all that runs in it."""
        self.process.kill()
        self.process.wait()


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
