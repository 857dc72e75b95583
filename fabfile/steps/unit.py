"""The step for a systemd unit: enabled, running, and running with its current configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading, q
from ..engine.step import PENDING, Change, Step

REASON_PATTERN = "panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error"
"""A journal line that matches explains a failed start (HAProxy: alert; Go: panic; PostgreSQL:
fatal)."""

RUNTIME_UNITS = "/run/systemd/system"
"""The folder in which `systemctl mask --runtime` makes its link. The runbook's own units are in
/etc and take precedence: systemd reports them as loaded and would start a masked unit."""


@dataclass(frozen=True)
class Unit(Step):
    """The systemd unit `unit` is enabled and active, and has no pending restart or reload.

    The `notify` of earlier steps makes a restart or reload pending. Each is a file on the host, so
    the run after a killed one finds it. `ready` is a shell command that must succeed after a start,
    restart or reload; its output explains a failure. `timeout` limits the whole change, in seconds.
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
        """Read the unit's state, a mask in /run, and the pending restart and reload."""
        unit = q(self.unit)
        return (
            f"systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload {unit}\n"
            f"[ ! {RUNTIME_UNITS}/{unit} -ef /dev/null ] || echo masked={RUNTIME_UNITS}\n"
            f"for action in restart reload; do [ -e {PENDING}/{unit}.$action ] &&"
            " echo pending=$action; done; true"
        )

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """Add the restart or reload that earlier steps of the plan make pending."""
        actions = [
            notification.partition(":")[0]
            for notification in planned
            if notification in (f"restart:{self.unit}", f"reload:{self.unit}")
        ]
        pending = "".join(f"\npending={action}" for action in actions)
        return Reading(seen.out + pending, seen.code)

    def decide(self, seen: Reading) -> Change | None:
        """Enable and start the unit, or restart or reload it when that is pending.

        A restart covers a pending reload. The pending files are removed only after success.

        Raises:
            RunbookError: the unit is masked.
        """
        state, pending = _parse_probe(seen)
        self._refuse_masked(state)
        action = _choose_action(state.get("ActiveState", ""), pending)
        verbs, script = [], []
        if _needs_daemon_reload(state, pending):
            script.append("systemctl daemon-reload")
        if state.get("UnitFileState") in ("disabled", "", None):
            verbs.append("enable")
            script.append(f"systemctl enable -q {q(self.unit)}")
        if state.get("ActiveState") == "failed":
            # Without this, the unit's start limit may refuse the start.
            script.append(f"systemctl reset-failed {q(self.unit)}")
        if action:
            verbs.append(action)
            script += self._action_lines(action)
        elif script and not verbs:
            verbs.append("reload the unit file of")
        if not script:
            return None
        script.append(f"rm -f {PENDING}/{q(self.unit)}.restart {PENDING}/{q(self.unit)}.reload")
        functions = [self._explain_function(action)] if action else []
        text = "\n".join(["set -e", *functions, *script])
        return Change(f"{' and '.join(verbs)} {self.unit}", (Shell(text, self.timeout),))

    def _refuse_masked(self, state: Mapping[str, str]) -> None:
        if state.get("LoadState") != "masked" and "masked" not in state:
            return
        option, where = (" --runtime", " in /run") if "masked" in state else ("", "")
        raise RunbookError(
            f"{self.unit} is masked{where}",
            "an administrator has forbidden it to start, so the runbook does not start it",
            f"on the host: systemctl unmask{option} {self.unit}; then again",
        )

    def _action_lines(self, action: str) -> list[str]:
        # `restart` also starts a stopped unit.
        verb = "reload" if action == "reload" else "restart"
        lines = [f"systemctl {verb} {q(self.unit)} || explain"]
        if self.ready:
            lines.append(f'output=$({self.ready} 2>&1) || explain "$output"')
        return lines

    def _explain_function(self, action: str) -> str:
        """Shell function `explain OUTPUT`: print why the unit did not come up, and fail.

        The reason is the first of these: a line that the unit logged since the script began,
        OUTPUT (of `ready`), systemd's own line. The log of the process before a restart is left
        out, because how that process ended is not the reason.
        """
        unit = q(self.unit)
        old = "" if action == "reload" else f"$(systemctl show -P %s {unit})"
        no_reason = (
            f"this check fails: {self.ready}" if self.ready else "its journal gives no reason"
        )
        return (
            "began=$(date +%s.%3N)\n"
            f"start={old.replace('%s', 'InvocationID')}\n"
            f"pid={old.replace('%s', 'MainPID')}\n"
            'read_journal() { journalctl "$@" --since "@$began" -q --no-pager; }\n'
            # new_values MATCH FIELD OLD: print FIELD=VALUE for each value but OLD. The old process
            # may log late under a new pid and then pass for a new start.
            "new_values() {\n"
            '  read_journal "$1" -o export --output-fields="$2" | grep -a "^$2=" | sort -u |'
            ' grep -vx "$2=${3:--}" || :\n}\n'
            "explain() {\n  journalctl --sync; why=\n"
            f'  starts=$(new_values _SYSTEMD_UNIT={unit} _SYSTEMD_INVOCATION_ID "$start")\n'
            f'  pids=$(new_values _SYSTEMD_UNIT={unit} _PID "$pid")\n'
            '  [ -z "$starts" ] || [ -z "$pids" ] ||\n'
            f"    why=$(read_journal _SYSTEMD_UNIT={unit} $starts $pids -o cat |"
            f" grep -iE '{REASON_PATTERN}' | head -n 1)\n"
            '  [ -n "$why" ] || why=$(echo "${1:-}" | tail -n 1)\n'
            f'  starts=$(new_values UNIT={unit} INVOCATION_ID "$start")\n'
            '  [ -n "$why" ] || [ -z "$starts" ] ||\n'
            f"    why=$(read_journal UNIT={unit} $starts -o cat | grep -v '^Failed to start' |"
            " grep -iE 'status=|error|fail' | tail -n 1)\n"
            f'  [ -n "$why" ] || why={q(no_reason)}\n'
            f'  echo "{self.unit} did not come up: $why" >&2\n  exit 1\n}}'
        )


def _parse_probe(seen: Reading) -> tuple[dict[str, str], set[str]]:
    """The unit's properties (and `masked`), and the pending actions."""
    pairs = [line.split("=", 1) for line in seen.out.split() if "=" in line]
    state = {key: value for key, value in pairs if key != "pending"}
    return state, {value for key, value in pairs if key == "pending"}


def _needs_daemon_reload(state: Mapping[str, str], pending: Set[str]) -> bool:
    # systemd 252 (Debian 12) does not report NeedDaemonReload for a unit's first drop-in, so a
    # pending restart always reloads the unit files.
    return (
        state.get("NeedDaemonReload") == "yes"
        or state.get("LoadState") == "not-found"
        or "restart" in pending
    )


def _choose_action(active: str, pending: Set[str]) -> str:
    """`start`, `restart`, `reload`, or empty when the unit runs and nothing is pending."""
    if active not in ("active", "reloading"):
        return "start"
    return next((action for action in ("restart", "reload") if action in pending), "")
