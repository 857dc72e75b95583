"""Keep the facts of discovery: on the controller, and on each app node for the next controller."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..engine.files import explain_local_file, replace_file
from ..engine.host import Node
from ..engine.journal import Run
from ..engine.link import Link
from ..engine.step import Step
from ..engine.terminal import print_warning
from ..roles import app, postgres
from ..settings.paths import ROOT, binary_name
from ..settings.program import Start
from ..settings.program_texts import ProgramTexts
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from ..steps.file import File
from .agreement import find_disagreement
from .model import Discovery, Facts, GivenValue, Program
from .variables import is_database_variable

if TYPE_CHECKING:
    from rich.console import Console


def facts_path(settings: Settings) -> str:
    """Return where an app node keeps the facts: beside their binary."""
    return f"{ROOT}/releases/{settings.app.sha256[:12]}/facts.json"


def facts_key(settings: Settings) -> str:
    """Return the key of the facts: they depend on the binary, the user, the values in its
    configuration (they may set the path of the log, or the port), and how it is started."""
    app, program = settings.app, settings.program
    values = [value for _, value in sorted(app.settings.items())]
    start, usual = program.start, Start()
    ways = [start.command, sorted(start.environment.items()), start.directory, program.listen]
    if ways != [usual.command, [], usual.directory, None]:
        values.append(repr(ways))
    return hashlib.sha256(" ".join([app.sha256, *values, app.user]).encode()).hexdigest()[:16]


def known_facts(settings: Settings) -> Facts | None:
    """Return the facts for this site's binary, from here or else from an app node; None if neither
    has them."""
    if facts := local_facts(settings):
        return facts
    if facts := read_node_facts(settings):
        remember_facts(settings, facts)
    return facts


def local_facts(settings: Settings) -> Facts | None:
    """Return the facts for this site's binary that this controller keeps, if it has them."""
    local = settings.state / "facts.json"
    return _parse_facts(settings, local.read_text(encoding="utf-8")) if local.exists() else None


def read_node_facts(settings: Settings) -> Facts | None:
    """Return the facts for this site's binary from any app node that has them."""
    with open_fleet(settings, settings.inventory.having("app"), readonly=True) as fleet:
        seen = fleet.each(
            lambda node: (
                fleet.link(node).read([f"cat {facts_path(settings)} 2>/dev/null; true"])[0].out
            )
        )
    # Unreachable nodes are skipped: the task that needs them reports them.
    for text in seen.values():
        if isinstance(text, str) and (facts := _parse_facts(settings, text)):
            return facts
    return None


def read_app_ports(settings: Settings, nodes: Sequence[Node]) -> dict[str, int]:
    """Return the app's port on each of `nodes`, read from its unit there.

    Nodes without an answer or a port are left out.
    """
    with open_fleet(settings, nodes, readonly=True) as fleet:
        seen = fleet.each(
            lambda node: fleet.link(node).read([app.port_probe(settings)])[0].out.strip()
        )
    return {
        name: int(text) for name, text in seen.items() if isinstance(text, str) and text.isdecimal()
    }


def remember_facts(settings: Settings, facts: Facts) -> None:
    """Keep the facts on the controller; a warning if they cannot be written."""
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
        replace_file(settings.state / "facts.json", _facts_text(settings, facts))
    except OSError as error:
        # A deploy may be under way. Later tasks read the facts from an app node.
        print_warning(explain_local_file(error, "this machine does not keep the facts of the app"))


def facts_step(settings: Settings, facts: Facts) -> Step:
    """Return the step that keeps the facts on an app node."""
    return File(facts_path(settings), _facts_text(settings, facts))


def find_facts(
    settings: Settings, link: Link, run: Run, out: Console, progress: Callable[[str], None]
) -> Discovery:
    """Run discovery on `link`'s host, where the release is already installed, and keep its facts.

    The program gets the environment, the arguments, the directory and the files of its service
    file. The traces are kept in the run folder. If discovery fails, the trail is printed first: it
    shows the attempts.

    Raises:
        RunbookError: the binary needs something that only a person can do, or its service file
        does not say what it needs.
    """
    from . import Stopped
    from .report import trail_table

    node = next((one for one in settings.inventory.nodes if one.name == link.name), None)
    try:
        found = discover_on(ProgramTexts(settings, node), link, run, progress)
    except Stopped as stopped:
        out.print(trail_table(stopped.trail))
        raise
    if error := find_disagreement(settings, found):
        out.print(trail_table(found.trail))
        raise error
    remember_facts(settings, found.facts)
    return found


def discover_on(
    texts: ProgramTexts,
    link: Link,
    run: Run,
    progress: Callable[[str], None],
    *,
    ask_pages: bool = False,
) -> Discovery:
    """Run discovery of the program of `texts` on `link`'s host; the traces go into the run folder.
    With `ask_pages` it is asked for usual pages, too.

    Raises:
        Stopped: a person must act.
        RunbookError: the host lacks something, or a text of the service file is wrong.
    """
    from . import find_out

    settings = texts.settings
    given = {file.path: texts.fill_file(file).text for file in texts.service.files if file.path}
    databases = settings.inventory.having("postgres") if texts.service.database else ()
    secrets = (settings.password, *settings.secrets.values())
    return find_out(
        link,
        _describe_program(texts),
        content_for=partial(_find_content, texts, given),
        value_for=partial(_find_value, texts),
        files=tuple(given),
        directories=[found.path for found in texts.service.directories],
        ask_pages=ask_pages,
        known=[(node.address, postgres.PORT) for node in databases],
        mask=[text for secret in secrets if (text := secret.reveal())],
        progress=progress,
        keep=run.note,
    )


def _describe_program(texts: ProgramTexts) -> Program:
    """The program as its service file starts it."""
    settings, start = texts.settings, texts.service.start
    environment = texts.fill_environment(start.environment)
    return Program(
        f"{ROOT}/releases/{settings.app.sha256[:12]}/{binary_name(settings)}",
        settings.app.user,
        texts.fill_words(start.command, "start.command"),
        start.directory,
        {name: value.text for name, value in environment.items()},
    )


def _find_content(
    texts: ProgramTexts, given: Mapping[str, str], path: str, default: str | None
) -> str | None:
    """The content of a file that the program asks for: that of the service file, by its path, or
    our configuration for what seems to be a configuration. It has a password in it, so no other
    file gets it."""
    if path in given:
        return given[path]
    return app.app_config(texts.settings, texts.node) if default is not None else None


def _find_value(texts: ProgramTexts, name: str) -> GivenValue | None:
    """The address of the site's database for a variable that holds such an address."""
    if texts.service.database is None or not is_database_variable(name):
        return None
    text = "{{ database.url }}"
    return GivenValue(texts.fill_text(text, name).text, text)


_LATER = {"migrate_command": None, "started_in": "/"}
"""Facts that most programs lack. They are kept only where a program has them, so that the file of
another program is what it was before they existed."""


def _facts_text(settings: Settings, facts: Facts) -> str:
    kept = {**facts.to_json(), "said": None, "seconds": None}
    kept = {name: value for name, value in kept.items() if _LATER.get(name, kept) != value}
    data = {"key": facts_key(settings), "facts": kept}
    return json.dumps(data, indent=1, default=list) + "\n"


def _parse_facts(settings: Settings, text: str) -> Facts | None:
    try:
        data = json.loads(text)
        return Facts.from_json(data["facts"]) if data["key"] == facts_key(settings) else None
    except (ValueError, KeyError, TypeError):
        return None
