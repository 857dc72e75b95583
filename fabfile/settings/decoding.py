"""Make typed values of a parsed TOML file, and say in words what does not fit.

msgspec makes and checks the values. Its message names a Python type and one position; ours names
the key as a person wrote it, what was seen, and what is allowed.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import NODEFAULT, Meta, Struct, ValidationError, convert, structs

T = TypeVar("T")


class Misfit(NamedTuple):
    """What is wrong with one key."""

    key: str
    owner: str
    """The name of the entry of a list that has the key; empty outside a list."""
    problem: str

    def __str__(self) -> str:
        return f"{self.key}{f' of {self.owner}' if self.owner else ''} {self.problem}"


class Key(NamedTuple):
    """A key that a table may have."""

    kind: Any
    required: bool


@dataclasses.dataclass(frozen=True)
class MisfitFinder:
    """Finds what does not fit. `noun` is what a key is called."""

    noun: str = "setting"

    def find(self, value: object, kind: Any, at: str = "", owner: str = "") -> Iterator[Misfit]:
        """Every fault of `value`, which stands at the key `at`."""
        bare, meta = unwrap_kind(kind)
        if keys := list_keys(bare):
            yield from self._find_in_table(value, keys, at, owner)
        elif get_origin(bare) is dict:
            yield from self._find_in_entries(value, bare, at, owner)
        elif get_origin(bare) is tuple and not (meta and meta.description):
            yield from self._find_in_list(value, get_args(bare)[0], at, owner)
        elif problem := _find_misfit(value, bare, meta):
            yield Misfit(at, owner, problem)

    def _find_in_table(
        self, value: object, keys: Mapping[str, Key], at: str, owner: str
    ) -> Iterator[Misfit]:
        if not isinstance(value, dict):
            yield Misfit(at, owner, "must be a table")
            return
        for name in sorted(value.keys() - keys.keys()):
            hint = suggest_name(name, keys)
            yield Misfit(_join(at, name), owner, f"is not a {self.noun}; {hint}")
        for name, key in keys.items():
            if name in value:
                yield from self.find(value[name], key.kind, _join(at, name), owner)
            elif key.required:
                yield Misfit(_join(at, name), owner, "is missing")

    def _find_in_entries(self, value: object, bare: Any, at: str, owner: str) -> Iterator[Misfit]:
        if not isinstance(value, dict):
            yield Misfit(at, owner, "must be a table")
            return
        name_kind, kind = get_args(bare)
        for name, entry in value.items():
            if problem := _find_misfit(name, *unwrap_kind(name_kind)):
                yield Misfit(at, owner, problem)
            yield from self.find(entry, kind, _join(at, name), owner)

    def _find_in_list(self, value: object, kind: Any, at: str, owner: str) -> Iterator[Misfit]:
        bare, meta = unwrap_kind(kind)
        tables = bool(list_keys(bare))
        if not isinstance(value, list):
            example = meta.examples[0] if meta and meta.examples else "text"
            quoted = f'"{example}"' if isinstance(example, str) else example
            form = f"tables like [[{at}]]" if tables else f"a list like [{quoted}]"
            yield Misfit(at, owner, f"must be {form}, not {value!r}")
            return
        for number, item in enumerate(value):
            if tables:
                yield from self.find(item, kind, f"{at}[{number}]", _find_name(item))
            else:
                yield from self.find(item, kind, at, owner)


def _find_name(item: object) -> str:
    """What a person calls this entry of a list."""
    names = [item.get(key) for key in ("name", "path")] if isinstance(item, dict) else []
    return next((name for name in names if name and isinstance(name, str)), "")


def _join(at: str, name: str) -> str:
    return f"{at}.{name}".lstrip(".")


def suggest_name(name: str, known: Mapping[str, object]) -> str:
    """What an unknown name was meant to be, or else all known names."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"


def _find_misfit(value: object, bare: Any, meta: Meta | None) -> str:
    """What a single value must be in place of what it is; empty if it fits."""
    if bare is Path and isinstance(value, str):
        return _find_lost_home(value)
    plain = str if bare is Path else bare
    checks = [(plain, describe_kind(plain))]
    if meta:
        checks = [(plain, _WORDS.get(plain) or describe_kind(plain, meta))]
        checks.append((Annotated[plain, meta], describe_kind(plain, meta, value_only=True)))
    for kind, words in checks:
        try:
            convert(value, kind)
        except ValidationError:
            return f"must be {words}, not {value!r}"
    return ""


def _find_lost_home(text: str) -> str:
    try:
        Path(text).expanduser()
    except RuntimeError:
        return f"names a home that does not exist: {text}"
    return ""


_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def describe_kind(bare: Any, meta: Meta | None = None, value_only: bool = False) -> str:
    """A kind in words that complete "must be …"; `value_only` leaves out that it is a number."""
    if meta and meta.description:
        return meta.description
    if get_origin(bare) is Literal:
        *others, last = [str(choice) for choice in get_args(bare) if choice != ""]
        return f"{', '.join(others)} or {last}" if others else last
    word = _WORDS.get(bare, "a text")
    if not meta or meta.ge is None:
        return word
    span = f"from {meta.ge} to {meta.le}" if meta.le is not None else f"at least {meta.ge}"
    return span if value_only else f"{word} {span}"


def unwrap_kind(kind: Any) -> tuple[Any, Meta | None]:
    """A type without `Annotated` and `| None`, and the rule that it carries."""
    meta = None
    while True:
        if get_origin(kind) is Annotated:
            kind, *rules = get_args(kind)
            meta = next((rule for rule in rules if isinstance(rule, Meta)), meta)
        elif get_origin(kind) in (Union, types.UnionType):
            (kind,) = [part for part in get_args(kind) if part is not type(None)]
        else:
            return kind, meta


@cache
def list_keys(kind: Any) -> dict[str, Key]:
    """The keys of a table that becomes a value of the class `kind`; empty if `kind` is no table."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return {
            spec.encode_name: Key(spec.type, spec.default is spec.default_factory is NODEFAULT)
            for spec in structs.fields(kind)
        }
    if not dataclasses.is_dataclass(kind):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    missing = dataclasses.MISSING
    return {
        spec.name: Key(hints[spec.name], spec.default is spec.default_factory is missing)
        for spec in dataclasses.fields(kind)
    }
