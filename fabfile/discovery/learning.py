"""Learn from a program without serving: its help, its own configuration, its version, its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .help_options import (
    Option,
    find_dump_option,
    find_migrate_option,
    find_version_option,
    read_options,
    read_variables,
)
from .help_text import Commands, read_help
from .host import ProgramHost
from .libraries import ProgramFile, read_program_file
from .model import Variable
from .output import notable_lines
from .variables import FROM_FILE, dumped_variables, merge_variables, option_variables

HELP_SECONDS = 5.0
"""How long a call such as `--help` may take."""


@dataclass(frozen=True)
class ProgramHelp:
    """What a program says about itself."""

    commands: Commands = field(default_factory=Commands)
    options: tuple[Option, ...] = ()
    variables: tuple[Variable, ...] = ()
    file: ProgramFile = field(default_factory=ProgramFile)
    default_config: str | None = None
    version: str = ""
    version_args: tuple[str, ...] | None = None
    migrate_args: tuple[str, ...] | None = None


def learn_program(node: ProgramHost, args: Sequence[str]) -> ProgramHelp:
    """Run the program with `--help` and what that offers: its version and its configuration."""
    text, commands = _read_help_text(node, args)
    options = read_options(text)
    file = read_program_file(node.link, node.program.path, node.program.user)
    default = None
    if commands.default_config:
        printed = node.attempt((*args, commands.default_config), deadline=HELP_SECONDS)
        default = printed.raw if printed.outcome == "exited" and not printed.code else None
    version_args = _pick_args(args, commands.version, find_version_option(options))
    return ProgramHelp(
        commands=commands,
        options=options,
        variables=merge_variables(
            _dump_configuration(node, args, options), _help_variables(text), _file_variables(file)
        ),
        file=file,
        default_config=default,
        version=_read_version(node, version_args),
        version_args=version_args,
        migrate_args=_pick_args(args, commands.migrate, find_migrate_option(options)),
    )


def learn_command(node: ProgramHost, known: ProgramHelp, args: Sequence[str]) -> ProgramHelp:
    """Return `known` with the options of the command that `args` name."""
    text = node.attempt((*args, "--help"), deadline=HELP_SECONDS).output
    options = (*read_options(text), *known.options)
    variables = merge_variables(known.variables, _help_variables(text))
    migrate_args = known.migrate_args or _pick_args(args, None, find_migrate_option(options))
    return replace(known, options=options, variables=variables, migrate_args=migrate_args)


def _read_help_text(node: ProgramHost, args: Sequence[str]) -> tuple[str, Commands]:
    """Return its help and the commands in it. The help is read even if nothing is missing: the
    facts must not depend on the host."""
    answer = node.attempt((*args, "--help"), deadline=HELP_SECONDS)
    commands = read_help(answer.output)
    if not commands.names and answer.outcome == "exited" and answer.code:
        answer = node.attempt((*args, "-h"), deadline=HELP_SECONDS)
        commands = read_help(answer.output)
    return answer.output, commands


def _pick_args(
    args: Sequence[str], command: str | None, option: Option | None
) -> tuple[str, ...] | None:
    name = command or (option.name if option else None)
    return None if name is None else (*args, name)


def _read_version(node: ProgramHost, args: tuple[str, ...] | None) -> str:
    if args is None:
        return ""
    lines = notable_lines(node.attempt(args, deadline=HELP_SECONDS).out)
    return lines[-1] if lines else ""


def _dump_configuration(
    node: ProgramHost, args: Sequence[str], options: tuple[Option, ...]
) -> tuple[Variable, ...]:
    option = find_dump_option(options)
    if option is None:
        return ()
    printed = [node.attempt((*args, option.name), deadline=HELP_SECONDS) for _ in range(2)]
    return dumped_variables(*(attempt.out for attempt in printed))


def _help_variables(text: str) -> tuple[Variable, ...]:
    listed = (Variable(name, "its help") for name in read_variables(text))
    return merge_variables(option_variables(read_options(text)), listed)


def _file_variables(file: ProgramFile) -> tuple[Variable, ...]:
    return tuple(Variable(name, FROM_FILE) for name in file.variables)
