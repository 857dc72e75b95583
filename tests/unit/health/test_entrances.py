"""At which addresses and ports this machine calls the service, as users do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import site

from fabfile.health.entrance import _list_entrances
from fabfile.settings.edge import Edge

OWN = [("the floating address", "192.0.2.10", 80), ("the floating address", "192.0.2.10", 443)]


@pytest.mark.parametrize(
    ("service", "entrances"),
    [
        ("http://192.0.2.10", OWN),
        ("", OWN),
        ("https://shop.example.com", [("the service", "shop.example.com", 443)]),
        ("http://203.0.113.5:8080", [("the service", "203.0.113.5", 8080)]),
    ],
)
def test_a_public_address_is_called_in_place_of_private_ones(
    service: str, entrances: list[tuple[str, str, int]]
) -> None:
    assert _list_entrances(replace(site(), service=service)) == entrances


def test_without_a_floating_address_each_edge_is_called() -> None:
    found = _list_entrances(replace(site(), edge=Edge(port=8080), service="http://192.0.2.11:8080"))
    assert found == [
        (edge, address, port)
        for edge, address in (("edge1", "192.0.2.11"), ("edge2", "192.0.2.12"))
        for port in (8080, 443)
    ]
