"""What does not fit a typed table is named with its full key, what was seen and what fits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field

from fabfile.engine.kinds import Port, text_like
from fabfile.settings.decoding import MisfitFinder

Colour = Annotated[str, text_like("red|blue", "a colour", "red")]


class Wheel(Struct, kw_only=True):
    name: str
    size: Annotated[int, Meta(ge=1)] = 1
    colours: tuple[Colour, ...] = ()


@dataclass(kw_only=True)
class Car:
    wheels: tuple[Wheel, ...] = ()
    doors: Literal["two", "four"] = "two"
    port: Port | None = None
    share: float = 0.5
    manual: Path | None = None
    keys: dict[Colour, Wheel] | None = None


class Garage(Struct, kw_only=True):
    car: Car
    height: int = field(default=2, name="from")


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"car": {}}, []),
    (
        {"car": {"share": 1, "port": 80, "manual": "a/b", "keys": {"red": {"name": "x"}}}},
        [],
    ),
    ({}, ["car is missing"]),
    ({"car": 3, "from": "x"}, ["car must be a table", "from must be a whole number, not 'x'"]),
    ({"car": {}, "height": 3}, ["height is not a key; known are car, from"]),
    ({"car": {"dors": "two"}}, ["car.dors is not a key; did you mean doors?"]),
    ({"car": {"doors": "six"}}, ["car.doors must be two or four, not 'six'"]),
    ({"car": {"port": True}}, ["car.port must be a whole number, not True"]),
    ({"car": {"port": 0}}, ["car.port must be from 1 to 65535, not 0"]),
    ({"car": {"manual": 3}}, ["car.manual must be a text, not 3"]),
    (
        {"car": {"manual": "~nobody-here/x"}},
        ["car.manual names a home that does not exist: ~nobody-here/x"],
    ),
    ({"car": {"wheels": {}}}, ["car.wheels must be tables like [[car.wheels]], not {}"]),
    (
        {"car": {"wheels": [{"name": "front"}, {"name": "rear", "size": 0}]}},
        ["car.wheels[1].size of rear must be at least 1, not 0"],
    ),
    ({"car": {"wheels": [{}]}}, ["car.wheels[0].name is missing"]),
    (
        {"car": {"wheels": [{"name": "a", "colours": "red"}]}},
        ["car.wheels[0].colours of a must be a list like [\"red\"], not 'red'"],
    ),
    (
        {"car": {"wheels": [{"name": "a", "colours": ["red", "re"]}]}},
        ["car.wheels[0].colours of a must be a colour, not 're'"],
    ),
    ({"car": {"keys": {"green": {"name": "x"}}}}, ["car.keys must be a colour, not 'green'"]),
    ({"car": {"keys": {"red": {"name": 1}}}}, ["car.keys.red.name must be a text, not 1"]),
    ({"car": {"keys": {"red": {"name": "x\n"}}}}, []),
    ({"car": {"keys": {"red\n": {"name": "x"}}}}, ["car.keys must be a colour, not 'red\\n'"]),
]


@pytest.mark.parametrize(("data", "wrong"), CASES)
def test_every_misfit_is_named(data: dict[str, Any], wrong: list[str]) -> None:
    assert [str(misfit) for misfit in MisfitFinder("key").find(data, Garage)] == wrong
