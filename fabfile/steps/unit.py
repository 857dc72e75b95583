"""systemd units: enabled, running, and running what is configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading, q
from ..engine.step import PENDING, Change, Step


@dataclass(frozen=True)
class Unit(Step):
    """`unit` is enabled, active, loaded from its newest file, and owes no restart or reload.

    Owed restarts come from the `notify` of earlier steps; they are files on the host, so a killed
    run leaves them for the next. `ready` is a shell command that must succeed after a start,
    restart or reload (its output explains a failure).
    """

    unit: str
    ready: str = ""
    timeout: float = 120
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`unit UNIT`."""
        return f"unit {self.unit}"

    def probe(self) -> str:
        """`systemctl show` of what matters, a mask in /run, and what is owed."""
        unit = q(self.unit)
        return (
            f"systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload {unit}\n[ !"
            f" {RUNTIME_UNITS}/{unit} -ef /dev/null ] || echo masked={RUNTIME_UNITS}\nfor action in"
            f" restart reload; do [ -e {PENDING}/{unit}.$action ] && echo owed=$action; done; true"
        )

    def foresee(self, seen: Reading, owed: Iterable[str]) -> Reading:
        """With the restarts that earlier steps of a plan will owe."""
        mine = [
            one.partition(":")[0]
            for one in owed
            if one in (f"restart:{self.unit}", f"reload:{self.unit}")
        ]
        return Reading(seen.out + "".join(f"\nowed={action}" for action in mine), seen.code)

    def decide(self, seen: Reading) -> Change | None:
        """Restart beats reload; both are forgotten only after they succeeded.

        Raises:
            RunbookError: somebody masked the unit.
        """
        lines = seen.out.split()
        owed = {line.partition("=")[2] for line in lines if line.startswith("owed=")}
        state = dict(
            line.split("=", 1) for line in lines if "=" in line and not line.startswith("owed=")
        )
        self._refuse_masked(state)
        doings, script = [], []
        # systemd 252 (Debian 12) does not notice a unit's first drop-in by itself, so an owed
        # restart always reads anew.
        if (
            state.get("NeedDaemonReload") == "yes"
            or state.get("LoadState") == "not-found"
            or "restart" in owed
        ):
            script.append("systemctl daemon-reload")
        if state.get("UnitFileState") in ("disabled", "", None):
            doings.append("enable")
            script.append(f"systemctl enable -q {q(self.unit)}")
        act = self._choose_action(state.get("ActiveState", ""), owed)
        if state.get("ActiveState") == "failed":
            script.append(
                f"systemctl reset-failed {q(self.unit)}"
            )  # else its start limit may still refuse it
        if act:
            doings.append(act)
            script.append(
                f"systemctl {'restart' if act != 'reload' else 'reload'} {q(self.unit)} || explain"
            )
        elif script and not doings:
            doings.append("reload the file of")
        if not script and not owed:
            return None
        if self.ready and act:
            script.append(f'words=$({self.ready} 2>&1) || explain "$words"')
        script.append(f"rm -f {PENDING}/{q(self.unit)}.restart {PENDING}/{q(self.unit)}.reload")
        text = "\n".join(
            ["set -e", self._explain_function(act), *script] if act else ["set -e", *script]
        )
        return Change(
            f"{' and '.join(doings) or 'settle'} {self.unit}", (Shell(text, self.timeout),)
        )

    def _refuse_masked(self, state: Mapping[str, str]) -> None:
        if state.get("LoadState") != "masked" and "masked" not in state:
            return
        option, where = (" --runtime", " in /run") if "masked" in state else ("", "")
        raise RunbookError(
            f"{self.unit} is masked{where}",
            "somebody forbade it to start, which is a person's decision",
            f"on the host: systemctl unmask{option} {self.unit}; then again",
        )

    def _choose_action(self, active: str, owed: set[str]) -> str:
        if active not in ("active", "reloading"):
            return "start"
        return "restart" if "restart" in owed else "reload" if "reload" in owed else ""

    def _explain_function(self, act: str) -> str:
        """Shell function `explain WORDS`: fail with what the unit itself has said since the
        script began, else WORDS (what `ready` printed), else systemd's words. What the process
        before a restart says as it ends is no reason."""
        unit = q(self.unit)
        old = "" if act == "reload" else f"$(systemctl show -P %s {unit})"
        nothing = q(
            f"this does not succeed: {self.ready}"
            if self.ready
            else "it says nothing in its journal"
        )
        return (
            "began=$(date +%s.%3N)\n"
            f"start={old.replace('%s', 'InvocationID')}\n"
            f"pid={old.replace('%s', 'MainPID')}\n"
            'said() { journalctl "$@" --since "@$began" -q --no-pager; }\n'
            # matches for all values of a field but the old one; a process that ends late may pass
            # for a new start
            "new() {\n"
            '  said "$1" -o export --output-fields="$2" | grep -a "^$2=" | sort -u | grep -vx'
            ' "$2=${3:--}" || :\n}\n'
            "explain() {\n  journalctl --sync; why=\n"
            f'  starts=$(new _SYSTEMD_UNIT={unit} _SYSTEMD_INVOCATION_ID "$start")\n'
            f'  pids=$(new _SYSTEMD_UNIT={unit} _PID "$pid")\n'
            '  [ -z "$starts" ] || [ -z "$pids" ] ||\n'
            f"    why=$(said _SYSTEMD_UNIT={unit} $starts $pids -o cat | grep -iE '{TELLING}' |"
            " head -n 1)\n"
            '  [ -n "$why" ] || why=$(echo "${1:-}" | tail -n 1)\n'
            f'  starts=$(new UNIT={unit} INVOCATION_ID "$start")\n'
            '  [ -n "$why" ] || [ -z "$starts" ] ||\n'
            f"    why=$(said UNIT={unit} $starts -o cat | grep -v '^Failed to start' | grep -iE"
            " 'status=|error|fail' |"
            " tail -n 1)\n"
            f'  [ -n "$why" ] || why={nothing}\n'
            f'  echo "{self.unit} did not come up: $why" >&2\n  exit 1\n}}'
        )


TELLING = "panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error"
"""What the first line that says why contains (haproxy: alert; Go: panic; PostgreSQL: fatal)."""

RUNTIME_UNITS = "/run/systemd/system"
"""Where `systemctl mask --runtime` leaves its link. Our own units lie in /etc and outrank it:
systemd calls them loaded, and would start what a person has forbidden."""
