"""Something as good as a host for discovery's tests, made in 0.1 s: namespaces over this machine's
own files.

Its files are an overlay (nothing here is touched), its network is its own: calls to 203.0.113.0/24
are dropped as a careless firewall drops them. Processes, mounts and rules in it end with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from fabfile.engine.errors import RunbookError
from fabfile.engine.link import Result
from fabfile.engine.shell import wrap_script

SETUP = r"""
set -e
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount --rbind /dev /mnt/root/dev
mount -t proc proc /mnt/root/proc
for folder in run tmp srv; do mount -t tmpfs none /mnt/root/$folder; done
mkdir /mnt/root/run/lock
chmod 1777 /mnt/root/tmp
touch /mnt/root/run/sandbox
ip link set lo up
ip addr add 198.51.100.1/32 dev lo
ip route add default dev lo
nft 'add table inet outside; add chain inet outside in { type filter hook input priority 0; }
     add rule inet outside in ip daddr 203.0.113.0/24 drop'
useradd --root /mnt/root --no-create-home tenant
# The first process of a PID namespace has to bury the dead, as an init does.
exec chroot /mnt/root perl -e '$| = 1; $SIG{CHLD} = "IGNORE"; print "ready\n"; sleep 1 while 1'
"""
NEEDED = ("unshare", "nsenter", "nft", "ip", "ss", "strace", "setpriv", "perl", "useradd")


class Sandbox:
    """A link to it, with the part of engine.link.Link that discovery uses; its unprivileged user
    is `tenant`."""

    name = "sandbox"

    def __init__(self) -> None:
        lacking = [tool for tool in NEEDED if shutil.which(tool) is None] + ["root"] * (
            os.geteuid() != 0
        )
        assert not lacking, f"discovery cannot be tested here without {', '.join(lacking)}"
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stderr
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"no sandbox: {self.process.stderr.read()}")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.pid = children.read_text().split()[0]

    def run(self, script: str, *, timeout: float = 60, check: bool = True) -> Result:
        """Run `script` as root in it."""
        done = subprocess.run(
            self.shell(),
            input=self.guarded(script),
            capture_output=True,
            text=True,
            timeout=timeout,
            errors="replace",
        )
        if check and done.returncode:
            raise RunbookError(f"exit {done.returncode}: {done.stderr or done.stdout}")
        return Result(done.stdout, done.stderr, done.returncode)

    def shell(self) -> list[str]:
        """The command line of a root shell in it."""
        inside = ["--net", "--mount", "--pid", "--root", f"--wd=/proc/{self.pid}/root"]
        return ["nsenter", "--target", self.pid, *inside, "/bin/sh"]

    def guarded(self, script: str) -> str:
        """`script` as sh's standard input; it refuses to run anywhere but in a sandbox."""
        return f"[ -e /run/sandbox ] || exit 99\n{wrap_script(script)}"

    def install(self, path: str, program: str) -> None:
        """Put an executable text there."""
        self.run(f"cat >{path} <<'PROGRAM'\n{program}PROGRAM\nchmod 0755 {path}")

    def processes(self) -> list[str]:
        """The command lines of what runs in it now, without its first process and the asking
        shell."""
        listed = self.run(
            "for folder in /proc/[0-9]*; do case $folder in /proc/1 | /proc/$$) ;; "
            "*) (tr '\\0' ' ' <$folder/cmdline && echo) 2>/dev/null ;; esac; done; true"
        )
        return [line for line in listed.out.splitlines() if line]

    def close(self) -> None:
        """End everything in it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
