"""Steps that only PostgreSQL needs: its cluster, the line that includes our settings, and a check
that the server uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..engine.command import Command, Shell, Sql
from ..engine.errors import RunbookError
from ..engine.psql import json_lines, psql
from ..engine.shell import PREVIOUS, Reading, q
from ..engine.step import PENDING, Change, Step
from ..steps.sql import CLUSTER_STEPS, NOT_STARTED, DatabaseStep
from ..steps.unit import Unit
from .postgres_view import (
    Cause,
    Overruled,
    find_overruled,
    in_effect_query,
    list_broken_lines,
)

PACKAGE_STEPS = "packages postgresql-"
"""The beginning of the name of the step that installs PostgreSQL. Debian's package also creates the
cluster, unless createcluster.conf forbids it."""


@dataclass(frozen=True)
class Cluster(Step):
    """The cluster VERSION/main exists.

    Debian's package creates it, unless createcluster.conf forbids that or somebody dropped it.
    """

    version: int
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`cluster VERSION/main`."""
        return f"cluster {self.version}/main"

    def probe(self) -> str:
        """Print what exists of the cluster, and `unmade` if the package would not create it.

        `configured`: its postgresql.conf. `filled`: a database in its data folder. `used`:
        anything in that folder. `data=`: the folder, which postgresql.conf may move.
        """
        return (
            f"etc=/etc/postgresql/{self.version}/main\n"
            "data=$(sed -n \"s/^data_directory *= *'\\([^']*\\)'.*/\\1/p\" $etc/postgresql.conf"
            " 2>/dev/null | tail -n 1)\n"
            f'[ -n "$data" ] || data=/var/lib/postgresql/{self.version}/main\n'
            '[ ! -e $etc/postgresql.conf ] || echo configured\n[ ! -e "$data/PG_VERSION" ] || echo'
            " filled\n"
            '[ ! -d "$data" ] || [ -z "$(ls -A "$data")" ] || echo used\necho "data=$data"\n'
            "cat /etc/postgresql-common/createcluster.conf"
            " /etc/postgresql-common/createcluster.d/*.conf 2>/dev/null |\n"
            "  grep -Eiq '^ *create_main_cluster *=? *.?(false|no|off|0)' && echo unmade; true"
        )

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """If the plan installs the package, the package creates the cluster."""
        installs = any(name.startswith(PACKAGE_STEPS) for name in planned)
        creates = installs and "unmade" not in seen.out.split()
        return Reading("configured filled", 0) if creates else seen

    def decide(self, seen: Reading) -> Change | None:
        """Create an empty cluster.

        Raises:
            RunbookError: only the configuration or only the data exists. A new cluster could hide
                or overwrite data.
        """
        words = seen.out.split()
        data = next((word[5:] for word in words if word.startswith("data=")), "?")
        if "configured" in words and "filled" in words:
            return None
        if "configured" in words or "used" in words:
            raise _explain_half_cluster(self.version, data, configured="configured" in words)
        folder = f"/etc/postgresql/{self.version}/main"
        script = (
            # A run may have written these files before the cluster existed. pg_createcluster
            # refuses a folder that holds them.
            f"rm -f {folder}/pg_hba.conf {folder}/pg_ident.conf\n"
            # The encoding is explicit: under the locale C, a cluster would get SQL_ASCII.
            f"pg_createcluster --encoding UTF8 --locale C.UTF-8 {self.version} main >/dev/null"
        )
        return Change(f"create {self.name}, encoded in UTF-8", (Shell(script),))


def _explain_half_cluster(version: int, data: str, *, configured: bool) -> RunbookError:
    """The error for a cluster of which only the configuration, or only the data, exists."""
    if configured:
        return RunbookError(
            f"cluster {version}/main is configured, but {data} holds no database",
            "its file system may not be mounted; a new, empty cluster would hide the data",
            f"on the host: ls -la {data}; findmnt; mount it, or pg_dropcluster {version} main to"
            " start with an empty cluster",
        )
    return RunbookError(
        f"{data} is in use, but /etc/postgresql/{version}/main/postgresql.conf is missing",
        "it may hold data, so no cluster was created there",
        f"on the host: pg_createcluster {version} main   (adopts the data), or move {data} away",
    )


@dataclass(frozen=True)
class IncludeDir(Step):
    """postgresql.conf includes our file, by the line `include_dir = 'conf.d'`.

    Debian writes that line, but pg_createcluster may leave it out, and people remove it.
    """

    folder: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`include_dir of FILE`."""
        return f"include_dir of {self.folder}/postgresql.conf"

    def probe(self) -> str:
        """Print the include lines of postgresql.conf."""
        return (
            f"grep -E '^[[:space:]]*include_dir' {q(self.folder)}/postgresql.conf 2>/dev/null; true"
        )

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """If the plan creates the cluster, its new postgresql.conf has the line."""
        creates = _creates_cluster(planned)
        return Reading("include_dir = 'conf.d'", 0) if creates else seen

    def decide(self, seen: Reading) -> Change | None:
        """Add the line at the end of the file: there it overrules all earlier lines."""
        found = re.findall(r"^\s*include_dir(?:\s*=\s*|\s+)'?([^'#\s]+)", seen.out, re.M)
        if any(path.rstrip("/") in ("conf.d", f"{self.folder}/conf.d") for path in found):
            return None
        file = f"{self.folder}/postgresql.conf"
        backup = PREVIOUS + self.folder
        script = (
            f"set -e\nmkdir -p {q(backup)}; cp -pf {q(file)} {q(backup)}/\n"
            f"printf '\\n%s\\n' \"include_dir = 'conf.d'   # added by the runbook\" >>{q(file)}"
        )
        return Change(f"add include_dir = 'conf.d' to {file}", (Shell(script),))


@dataclass(frozen=True)
class SettingsInEffect(DatabaseStep):
    """The server uses the settings of our file: neither ALTER SYSTEM nor another file overrules
    them.

    The step resets values that were set inside PostgreSQL (ALTER SYSTEM, ROLE, DATABASE), as a
    deploy also replaces our files that were changed by hand. It leaves the files of others alone.
    """

    wanted: Mapping[str, str] = field(repr=False)
    app_database: str
    app_user: str
    unit: Unit
    database: str = "postgres"
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`settings in effect`."""
        return "settings in effect"

    def probe(self) -> str:
        """Print each setting's value and source, after `pending` if a restart is pending."""
        query = psql(self.database, in_effect_query(self.wanted, self.app_database, self.app_user))
        return f"[ ! -e {PENDING}/{self.unit.unit}.restart ] || echo pending\n{query}"

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """If the plan starts or restarts the server, the server loads our file."""
        planned = tuple(planned)
        unit = self.unit.unit
        starts = {f"restart:{unit}", f"unit {unit}", self.unit.name}
        if not (starts & set(planned) or _creates_cluster(planned)):
            return seen
        predicted = super().predict(seen, planned)
        if predicted.out == NOT_STARTED:
            return predicted
        return Reading("pending\n" + predicted.out, predicted.code)

    def decide(self, seen: Reading) -> Change | None:
        """As `DatabaseStep`, but no change before the first start: the start loads our file."""
        return None if seen.out == NOT_STARTED else super().decide(seen)

    def compare(self, found: str | None) -> Change | None:
        """Reset values that were set inside PostgreSQL; reload or restart a server that has not
        loaded our file.

        Raises:
            RunbookError: another file overrules ours, or PostgreSQL cannot read a line of a file.
        """
        facts = json_lines(found or "")
        pending = (found or "").startswith("pending")
        differences = find_overruled(self.wanted, facts)
        if pending:
            # The pending restart already loads our file, so these need no change of their own.
            differences = [
                setting
                for setting in differences
                if setting.cause not in (Cause.STALE, Cause.NOT_READ)
            ]
        if lines := list_broken_lines(facts):
            raise RunbookError(
                f"PostgreSQL cannot read {lines[0]}",
                "it ignores every change of that file, and may not start again",
                f"fix that line, then on the host: systemctl reload {self.unit.unit}",
            )
        for setting in differences:
            if setting.cause in (Cause.OTHER_FILE, Cause.AT_START):
                raise RunbookError(
                    str(setting),
                    "the server does not use the value from the site file",
                    setting.remedy(self.unit.unit),
                )
        return self._apply_settings(differences) if differences else None

    def _apply_settings(self, differences: list[Overruled]) -> Change:
        """Reset what overrules our file, then restart or reload the server."""
        restart = any(setting.restart and not setting.later for setting in differences)
        action = "restart" if restart else "reload"
        resets = tuple(setting.reset for setting in differences if setting.reset)
        commands: list[Command] = [Sql(self.database, resets)] if resets else []
        # The unit's own step knows how to restart, and how to wait until the server answers. It
        # gets the reading of a unit that runs and has this action pending.
        active = f"LoadState=loaded\nActiveState=active\nUnitFileState=enabled\npending={action}"
        unit_change = self.unit.decide(Reading(active, 0))
        assert unit_change is not None
        verb = "reset" if resets else action
        sentence = f"{verb}: " + "; ".join(map(str, differences))
        return Change(sentence, (*commands, *unit_change.commands))


def _creates_cluster(planned: Iterable[str]) -> bool:
    """Whether one of the `planned` steps creates an empty cluster."""
    return any(name.startswith((CLUSTER_STEPS, PACKAGE_STEPS)) for name in planned)
