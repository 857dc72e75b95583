"""Faults of the app on its nodes, each with its undo."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...control.balancer import Balancer
from ...engine.host import Node
from ...engine.shell import q
from ...roles import app, healer
from ..errors import NotPossible
from ..overrides import clear_healer_env, set_healer_env
from ..target import DrillTarget
from . import undo_timer
from .fault import LATEST, OnHosts
from .hosts import in_background, require_unit

PIDS = "/run/runbook-drill.pid"
"""On a host: the pid of the process that a drill has broken. It must not outlive the drill."""


def on_app(*nodes: Node, target: DrillTarget, do: str) -> OnHosts:
    """Run `do` on the app's process `$pid` on some nodes. The undo kills that process if it still
    runs."""
    unit = q(target.unit)
    before = (
        f'pid=$(systemctl show -p MainPID --value {unit}); [ "$pid" != 0 ] || exit 1; echo $pid'
        f" >{PIDS}\n"
    )
    back = (
        f"[ ! -e {PIDS} ] || {{ pid=$(cat {PIDS}); rm -f {PIDS}\n"
        f'[ "$(systemctl show -p MainPID --value {unit})" != "$pid" ] || kill -KILL $pid; }}\n'
        f"systemctl start {unit}"
    )
    return OnHosts(
        tuple(nodes), before + do, back, restarted_apps=tuple(node.name for node in nodes)
    )


def poison_app(target: DrillTarget, fault: str, *nodes: Node) -> OnHosts:
    """A request with one of the program's faults. The node sends it to its own app, so that no
    other app gets it.

    Raises:
        NotPossible: the service file names no such request.
    """
    service = target.settings.program
    if fault not in service.faults:
        raise NotPossible(
            f"{service.title} has no request that makes it fail in this way",
            f"its service file has no [fault.{fault}]",
            "",
        )
    call = service.faults[fault].request
    body = call.body
    head = (
        f"{call.method} {call.path} HTTP/1.0",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    request = "".join(f"{line}\\r\\n" for line in (*head, ""))
    send = (
        f"exec 3<>/dev/tcp/127.0.0.1/{target.port}; printf '{request}%s' {q(body)} >&3; timeout 2"
        " head -c1 <&3 >/dev/null; true"
    )
    return on_app(*nodes, target=target, do=f"bash -c {q(send)}\n")


def slow_app(target: DrillTarget, node: Node) -> OnHosts:
    """The app runs only a tenth of the time, as on an overloaded host."""
    loop = (
        f"while kill -STOP $(cat {PIDS}); do sleep 0.45; kill -CONT $(cat {PIDS}); sleep 0.05; done"
    )
    back = (
        f"systemctl stop runbook-drill-slow 2>/dev/null; pid=$(cat {PIDS}) && kill -CONT $pid; rm"
        f" -f {PIDS}; true"
    )
    return OnHosts((node,), on_app(node, target=target, do=in_background(loop)).inject_script, back)


@dataclass(frozen=True)
class LogFull:
    """The app's log on a file system of its own that is full. The restarts for it are drained and
    are not part of the fault."""

    node: Node
    folder: str
    restarted_apps: tuple[str, ...] = ()
    unreachable_host: str = ""

    def prepare(self, target: DrillTarget) -> None:
        """Mount the empty file system."""
        user, unit = q(target.settings.app.user), q(target.unit)
        undo_timer.arm_timer(
            target.fleet.link(self.node),
            f"! {self._is_mounted} || {{ {self._unmount_script}; systemctl restart {unit}; }}",
            LATEST,
        )
        mount = (
            f"mount -t tmpfs -o size=512k,mode=0750 runbook-drill {q(self.folder)}; chown"
            f" {user}:{user} {q(self.folder)}"
        )
        self._restart_after(target, f"set -e; {mount}\n")

    def inject(self, target: DrillTarget) -> None:
        """Fill it, to the last byte."""
        fill = f"head -c 1M /dev/zero >{q(self.folder)}/runbook-drill 2>/dev/null"
        target.run(self.node, f'{fill}; [ "$(stat -fc %a {q(self.folder)})" = 0 ]')

    def undo(self, target: DrillTarget) -> None:
        """Unmount it, so that the log is in its usual place again."""
        if target.fleet.link(self.node).read([self._is_mounted])[0].code == 0:
            self._restart_after(target, f"{self._unmount_script}\n")
        undo_timer.disarm_timer(target.fleet.link(self.node))

    @property
    def _is_mounted(self) -> str:
        return f"grep -qF {q(f'runbook-drill {self.folder} ')} /proc/mounts"

    @property
    def _unmount_script(self) -> str:
        return f"umount -l {q(self.folder)} || true"

    def _restart_after(self, target: DrillTarget, script: str) -> None:
        balancer = Balancer(target.settings)
        try:
            with balancer.out_of_service(self.node, "deploy drill log-disk-full"):
                target.run(self.node, f"{script}systemctl restart {q(target.unit)}", timeout=150)
        finally:
            balancer.close()


def hung_app(target: DrillTarget, node: Node) -> OnHosts:
    """SIGSTOP: the process is there, the port is open, nothing answers."""
    return on_app(node, target=target, do="kill -STOP $pid\n")


def killed_app(target: DrillTarget, *nodes: Node) -> OnHosts:
    """SIGKILL."""
    return on_app(*nodes, target=target, do="kill -KILL $pid\n")


def healer_killed(target: DrillTarget, node: Node) -> OnHosts:
    """The healer is killed, then the app hangs: only a restarted healer can repair it."""
    require_unit(target, node, healer.HEALER_UNIT)
    return on_app(
        node, target=target, do=f"systemctl kill -s KILL {healer.HEALER_UNIT}\nkill -STOP $pid\n"
    )


def old_app(target: DrillTarget, *nodes: Node, youngest: int = 30) -> OnHosts:
    """The app has reached its maximum age, because that is set to its present age.

    `youngest`: seconds; wait until the app is as old. With a lower limit the restarted app would
    reach it again within the drill.
    """
    for node in nodes:
        require_unit(target, node, healer.HEALER_UNIT)
    age = f"age() {{ ps -o etimes= -p $(systemctl show -p MainPID --value {q(target.unit)}); }}\n"
    aged = age + set_healer_env("drill-old", "HEALER_LIFETIME", "$(($(age)))")
    grow = f'{age}until [ "$(age)" -ge {youngest} ]; do sleep 0.5; done\n'
    return OnHosts(
        nodes,
        aged,
        clear_healer_env("drill-old"),
        grow,
        restarted_apps=tuple(node.name for node in nodes),
    )


def slow_to_start(target: DrillTarget, fault: OnHosts) -> OnHosts:
    """The same fault with a slow start: the binary waits for an outbound call that is not rejected
    (R20)."""
    if not target.facts.reject:
        raise NotPossible(
            "the start of this binary waits for no call", "it cannot be made slow", ""
        )
    drop_in = f"/run/systemd/system/{target.unit}.d"
    slow = (
        f"set -e\nmkdir -p {q(drop_in)}; printf '[Service]\\nExecStartPre=\\n'"
        f" >{q(drop_in)}/drill.conf\nsystemctl daemon-reload\nnft delete table {app.EGRESS_TABLE}\n"
    )
    fast = f"rm -f {q(drop_in)}/drill.conf; systemctl daemon-reload; nft -f {q(app.EGRESS)}\n"
    return replace(
        fault, prepare_script=slow + fault.prepare_script, undo_script=fast + fault.undo_script
    )
