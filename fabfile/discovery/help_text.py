"""Read a program's `--help`: which commands serve, seed data, change tables, or print a
configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECTION = re.compile(r"^\s*(?:available |sub)?commands?\b[^:]{0,30}:?\s*$", re.IGNORECASE)
_HEADING = re.compile(r"^\s+(?:[a-z]+ )*commands?:\s*$", re.IGNORECASE)
_ENTRY = re.compile(r"^\s{1,8}([a-z][\w-]*)(?:, *[a-z][\w-]*)*(?:\s+(.*))?$", re.IGNORECASE)
_CHOICES = re.compile(r"\{([a-z][\w-]*(?:,[a-z][\w-]*)+)\}", re.IGNORECASE)

_SERVE: dict[str, float] = {
    "server": 5,
    "serve": 5,
    "daemon": 4,
    "listen": 4,
    "start": 3,
    "run": 3,
    "service": 2,
    "web": 2,
    "http": 2,
}
_SERVE |= {"api": 1, "up": 1}
_PREPARE: dict[str, float] = {
    "prepare": 3,
    "seed": 3,
    "populate": 3,
    "bootstrap": 2,
    "init": 2,
    "setup": 2,
    "initialise": 2,
}
_PREPARE |= {"initialize": 2, "db": 1, "database": 1, "data": 0.5, "schema": 0.5}
_MIGRATE: dict[str, float] = {"migrate": 3, "migrations": 3, "migration": 3}
_CONFIG: dict[str, float] = {"config": 2, "configuration": 2, "conf": 2, "settings": 1}
_DEFAULT: dict[str, float] = {
    "default": 2,
    "defaults": 2,
    "example": 2,
    "sample": 2,
    "template": 2,
    "generate": 1,
}
_NOT_SERVING = frozenset({"help", "completion", "version"}) | set(_CONFIG) | set(_PREPARE)
_NOT_SERVING |= set(_MIGRATE)


@dataclass(frozen=True)
class Commands:
    """The commands in a help text. `serve` has the most likely command first; the others are None
    if there is no such command."""

    names: tuple[str, ...] = ()
    serve: tuple[str, ...] = ()
    prepare: str | None = None
    migrate: str | None = None
    default_config: str | None = None
    version: str | None = None


def read_help(text: str) -> Commands:
    """Return the commands of a help text, ranked by their names; descriptions count a little."""
    found = _listed_commands(text)
    serving = {
        name: _score_command(name, description, _SERVE)
        for name, description in found.items()
        if not _split_words(name) & _NOT_SERVING
    }
    preparing = {
        name: _score_command(name, description, _PREPARE)
        for name, description in found.items()
        if not _split_words(name) & {"help", "completion", *_CONFIG, *_MIGRATE}
    }
    migrating = {name: _score_command(name, "", _MIGRATE) for name in found}
    defaults = {
        name: _score_command(name, "", _DEFAULT)
        for name in found
        if _split_words(name) & set(_CONFIG)
    }
    return Commands(
        names=tuple(found),
        serve=tuple(
            sorted(
                (name for name, score in serving.items() if score >= 1),
                key=lambda name: (-serving[name], name),
            )
        ),
        prepare=_best_command(preparing, 2),
        migrate=_best_command(migrating, 1),
        default_config=_best_command(defaults, 1),
        version="version" if "version" in found else None,
    )


def _listed_commands(text: str) -> dict[str, str]:
    """Return names and descriptions from `Commands:` sections and `{a,b,c}` choices."""
    found: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if _SECTION.match(line):
            inside = True
        elif line and not line[0].isspace():
            inside = False
        elif _HEADING.match(line):
            inside = True
        elif inside and (entry := _ENTRY.match(line)):
            found[entry[1]] = entry[2] or ""
    for choices in _CHOICES.findall(text):
        for name in choices.split(","):
            found.setdefault(name, "")
    return found


def _split_words(text: str) -> set[str]:
    return set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower())) - {""}


def _score_command(name: str, description: str, weights: dict[str, float]) -> float:
    described = sum(weights.get(word, 0) for word in _split_words(description))
    return sum(weights.get(word, 0) for word in _split_words(name)) + min(described, 5) / 5


def _best_command(scores: dict[str, float], least: float) -> str | None:
    good = [name for name, score in scores.items() if score >= least]
    return max(good, key=lambda name: (scores[name], name)) if good else None
