"""Steps that only PostgreSQL needs: its cluster, the line that reads our settings, and whether
the server uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..engine.command import Command, Shell, Sql
from ..engine.errors import RunbookError
from ..engine.psql import json_lines, psql
from ..engine.shell import PREVIOUS, Reading, q
from ..engine.step import PENDING, Change, Step
from ..steps.sql import NOT_STARTED, DatabaseStep
from ..steps.unit import Unit
from .postgres_view import Cause, Overruled, broken, in_effect_query, overruled


@dataclass(frozen=True)
class Cluster(Step):
    """The cluster VERSION/main exists. Debian's package makes it, unless its createcluster.conf
    says no or it was dropped."""

    version: int
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`cluster VERSION/main`."""
        return f"cluster {self.version}/main"

    def probe(self) -> str:
        """Whether its configuration and its data are there, and whether the package would make
        it."""
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
        """A package that is yet to be installed makes it, as a rule."""
        installs = any(one.startswith("packages postgresql-") for one in planned)
        made = installs and "unmade" not in seen.out.split()
        return Reading("configured filled", 0) if made else seen

    def decide(self, seen: Reading) -> Change | None:
        """Make an empty one in UTF-8, whatever the host's locale.

        Raises:
            RunbookError: only half of it is there: data may be at stake.
        """
        words = seen.out.split()
        data = next((word[5:] for word in words if word.startswith("data=")), "?")
        if "configured" in words and "filled" in words:
            return None
        if "configured" in words or "used" in words:
            raise _half(self.version, data, configured="configured" in words)
        folder = f"/etc/postgresql/{self.version}/main"
        script = (
            # Left by a run that wrote into a folder without a cluster: pg_createcluster refuses
            # where one of these is.
            f"rm -f {folder}/pg_hba.conf {folder}/pg_ident.conf\n"
            f"pg_createcluster --encoding UTF8 --locale C.UTF-8 {self.version} main >/dev/null"
        )
        return Change(f"create {self.name}, encoded in UTF-8", (Shell(script),))


def _half(version: int, data: str, *, configured: bool) -> RunbookError:
    if configured:
        return RunbookError(
            f"cluster {version}/main is configured, but {data} holds no database",
            "its file system may not be mounted; an empty cluster in its place would hide the data",
            f"on the host: ls -la {data}; findmnt; mount it, or pg_dropcluster {version} main to"
            " begin with an empty one",
        )
    return RunbookError(
        f"{data} is in use, but /etc/postgresql/{version}/main/postgresql.conf is missing",
        "it may hold data, so no cluster was made there",
        f"on the host: pg_createcluster {version} main   (takes over the data), or move {data}"
        " away",
    )


@dataclass(frozen=True)
class IncludeDir(Step):
    """postgresql.conf reads our file: it has `include_dir = 'conf.d'`, which pg_createcluster
    may leave out."""

    folder: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`include_dir of FILE`."""
        return f"include_dir of {self.folder}/postgresql.conf"

    def probe(self) -> str:
        """Its include lines."""
        return (
            f"grep -E '^[[:space:]]*include_dir' {q(self.folder)}/postgresql.conf 2>/dev/null; true"
        )

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """A cluster that is yet to be made has the line."""
        made = any(one.startswith(("cluster ", "packages postgresql-")) for one in planned)
        return Reading("include_dir = 'conf.d'", 0) if made else seen

    def decide(self, seen: Reading) -> Change | None:
        """Add the line at the end, where it overrules what stands before."""
        found = re.findall(r"^\s*include_dir(?:\s*=\s*|\s+)'?([^'#\s]+)", seen.out, re.M)
        if any(path.rstrip("/") in ("conf.d", f"{self.folder}/conf.d") for path in found):
            return None
        file = f"{self.folder}/postgresql.conf"
        kept = PREVIOUS + self.folder
        script = (
            f"set -e\nmkdir -p {q(kept)}; cp -pf {q(file)} {q(kept)}/\n"
            f"printf '\\n%s\\n' \"include_dir = 'conf.d'   # added by the runbook\" >>{q(file)}"
        )
        return Change(f"add include_dir = 'conf.d' to {file}", (Shell(script),))


@dataclass(frozen=True)
class SettingsInEffect(DatabaseStep):
    """The server uses the settings of our file: neither ALTER SYSTEM nor another file overrules
    them.

    What was set inside PostgreSQL (ALTER SYSTEM, ROLE, DATABASE) is reset, like a file of ours that
    was changed by hand; others' files are not touched.
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
        """What is used and what set it; whether a restart is pending anyway."""
        question = psql(
            self.database, in_effect_query(self.wanted, self.app_database, self.app_user)
        )
        return f"[ ! -e {PENDING}/{self.unit.unit}.restart ] || echo pending\n{question}"

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """An earlier step that restarts or makes the server lets it take over our file."""
        planned = tuple(planned)
        unit = self.unit.unit
        wakes = {f"restart:{unit}", f"unit {unit}", self.unit.name}
        if wakes & set(planned) or any(
            one.startswith(("cluster ", "packages postgresql-")) for one in planned
        ):
            later = super().predict(seen, planned)
            return (
                later if later.out == NOT_STARTED else Reading("pending\n" + later.out, later.code)
            )
        return seen

    def decide(self, seen: Reading) -> Change | None:
        """As `DatabaseStep`; a server that is yet to be started takes over our file by itself."""
        return None if seen.out == NOT_STARTED else super().decide(seen)

    def compare(self, found: str | None) -> Change | None:
        """Reset what can be reset, restart or reload where that is missing.

        Raises:
            RunbookError: another file overrules ours, or has a line that PostgreSQL cannot read.
        """
        facts = json_lines(found or "")
        pending = (found or "").startswith("pending")
        wrong = overruled(self.wanted, facts)
        if pending:  # the restart applies these
            wrong = [one for one in wrong if one.cause not in (Cause.STALE, Cause.NOT_READ)]
        if lines := broken(facts):
            raise RunbookError(
                f"PostgreSQL cannot read {lines[0]}",
                "it takes over no change of that file, and may not start again",
                f"fix that line, then on the host: systemctl reload {self.unit.unit}",
            )
        for one in wrong:
            if one.cause in (Cause.OTHER_FILE, Cause.AT_START):
                raise RunbookError(
                    str(one),
                    "the server does not do what the site file says",
                    one.remedy(self.unit.unit),
                )
        return self._take_over(wrong) if wrong else None

    def _take_over(self, wrong: list[Overruled]) -> Change:
        action = "restart" if any(one.restart and not one.later for one in wrong) else "reload"
        resets = tuple(one.reset for one in wrong if one.reset)
        commands: list[Command] = [Sql(self.database, resets)] if resets else []
        active = f"LoadState=loaded\nActiveState=active\nUnitFileState=enabled\npending={action}"
        take_over = self.unit.decide(Reading(active, 0))
        assert take_over is not None
        sentence = f"{'reset' if resets else action}: " + "; ".join(map(str, wrong))
        return Change(sentence, (*commands, *take_over.commands))
