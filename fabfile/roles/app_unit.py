"""The text of the app's unit: command, environment, working directory and sandbox.

A migration runs in a unit of its own with the same environment and sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..settings.paths import SETTINGS
from ..settings.program import Sandbox
from ..settings.program_texts import FilledText, ProgramTexts
from ..settings.settings import Settings
from ..settings.template import render_template


def environment_path(settings: Settings) -> str:
    """The file with the environment variables of the app that hold a secret."""
    return f"{SETTINGS}/{settings.app.user}.env"


@dataclass(frozen=True)
class UnitEnvironment:
    """The environment variables of a unit.

    Attributes:
        lines: those without a secret, as `Environment=` in the unit takes them.
        secret_text: the text of an `EnvironmentFile=` with the others; empty if there are none.
    """

    lines: tuple[str, ...]
    secret_text: str


def split_environment(variables: Mapping[str, FilledText]) -> UnitEnvironment:
    """Sort the variables: everybody on a host can read a unit, so no secret may be in it."""
    plain = [
        quote_unit_word(f"{name}={value.text}", specials="%")
        for name, value in variables.items()
        if not value.secrets
    ]
    secret = [
        f"{name}={quote_environment_value(value.text)}\n"
        for name, value in variables.items()
        if value.secrets
    ]
    heading = "# Written by the runbook. systemd reads it as root.\n"
    return UnitEnvironment(tuple(plain), heading + "".join(secret) if secret else "")


def quote_unit_word(text: str, specials: str = "%$") -> str:
    """`text` as one word of a line in a unit. `specials` are characters that systemd would
    replace there; they are doubled."""
    for special in specials:
        text = text.replace(special, special * 2)
    if re.fullmatch(rf"[\w@+=:,./{specials}-]+", text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def quote_environment_value(text: str) -> str:
    """`text` as a value in an `EnvironmentFile=`."""
    return '"' + re.sub(r'(["\\`$])', r"\\\1", text) + '"'


def render_unit(template: str, texts: ProgramTexts, **values: Any) -> str:
    """The text of a unit that runs the program, from `configs/<template>`.

    `values` are what this template needs besides the working directory and the sandbox.
    """
    service, sandbox = texts.service, texts.service.start.sandbox
    return render_template(
        template,
        user=texts.settings.app.user,
        directory=service.start.directory,
        memory_max=texts.settings.app.memory_max,
        sandbox=sandbox,
        capabilities="CAP_NET_BIND_SERVICE" if sandbox.port_below_1024 else "",
        families=" ".join(("AF_INET", "AF_INET6", *_more_families(sandbox))),
        **values,
    )


def command_line(binary: str, words: Sequence[str]) -> str:
    """The command of a unit."""
    return " ".join(map(quote_unit_word, (binary, *words)))


def _more_families(sandbox: Sandbox) -> list[str]:
    return [family for family in sandbox.families if family not in ("AF_INET", "AF_INET6")]
