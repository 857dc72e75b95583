"""Read the options in a program's `--help`, and the environment variables that stand for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = re.compile(r"^\s{0,12}(-{1,2}[a-z].*)$", re.IGNORECASE)
_DESCRIPTION = re.compile(r"\s{2,}|\t")
_DEFAULT = re.compile(
    r"""[(\[]defaults?(?:\ (?:is|to))?[:=\s]\s*      # (default 1)  [default: 1]  (default is 1)
    (?:"([^"]*)"|'([^']*)'|([^)\]]*))[)\]]""",
    re.IGNORECASE | re.VERBOSE,
)
_VARIABLE = re.compile(
    r"\[\$(\w+)|\(\$(\w+)\)|\benv(?:ironment)?(?: var(?:iable)?)?s?[:\s=]+\$?([A-Z][A-Z0-9_]{2,})"
)
_SECTION = re.compile(r"^\s*(?:environment|environment variables?|env(?: vars)?)\s*:?\s*$", re.I)
_ENTRY = re.compile(r"^\s+\$?([A-Z][A-Z0-9_]{2,})\b(?:[\s:=-]+(.*))?$")


@dataclass(frozen=True)
class Option:
    """An option of the program. `argument`: whether it takes a value; `default` is that value if
    the help names it, `variable` the environment variable that sets the same."""

    names: tuple[str, ...]
    argument: bool = False
    default: str = ""
    variable: str = ""
    description: str = ""

    @property
    def name(self) -> str:
        """Its longest name, with dashes."""
        return max(self.names, key=len)

    @property
    def words(self) -> frozenset[str]:
        """The words of its longest name."""
        return frozenset(re.split(r"[-_]+", self.name.strip("-").lower()))


def read_options(text: str) -> tuple[Option, ...]:
    """Return the options of a help text, as Go, clap, argparse, cobra and urfave/cli print it."""
    blocks: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if head := _HEAD.match(line):
            blocks.append([head[1]])
            inside = True
        elif line and not line[0].isspace():
            inside = False
        elif inside:
            blocks[-1].append(line.strip())
    return tuple(_read_option(block) for block in blocks)


def _read_option(block: list[str]) -> Option:
    head, *described = _DESCRIPTION.split(block[0], maxsplit=1)
    words = re.findall(r"[^\s,=\[\]|]+", head)
    description = " ".join(" ".join([*described, *block[1:]]).split())
    default, variable = _DEFAULT.search(description), _VARIABLE.search(description)
    return Option(
        names=tuple(dict.fromkeys(word for word in words if word.startswith("-"))),
        argument=any(not word.startswith("-") and word != "or" for word in words),
        default=next(filter(None, default.groups()), "") if default else "",
        variable=next(filter(None, variable.groups()), "") if variable else "",
        description=description,
    )


def read_variables(text: str) -> dict[str, str]:
    """Return the environment variables that a help text lists in a section of their own, with what
    it says about them."""
    found: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if _SECTION.match(line):
            inside = True
        elif line and not line[0].isspace():
            inside = False
        elif inside and (entry := _ENTRY.match(line)):
            found[entry[1]] = entry[2] or ""
    return found


def find_version_option(options: tuple[Option, ...]) -> Option | None:
    """Return the option that prints the version."""
    plain = [option for option in options if not option.argument]
    return next((option for option in plain if option.words == {"version"}), None)


def find_migrate_option(options: tuple[Option, ...]) -> Option | None:
    """Return the option that changes the tables and ends."""
    plain = [option for option in options if not option.argument]
    named = [option for option in plain if option.words & {"migrate", "migrations", "migration"}]
    named = [option for option in named if not option.words & {"auto", "no", "skip", "check"}]
    return min(named, key=lambda option: len(option.words), default=None)


def find_dump_option(options: tuple[Option, ...]) -> Option | None:
    """Return the option that prints the whole configuration with its defaults, and ends."""
    plain = [option for option in options if not option.argument]
    shows = {"dump", "print", "show", "defaults", "default"}
    return next((o for o in plain if "config" in o.words and o.words & shows), None)
