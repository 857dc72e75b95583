"""The port of `fab dashboard`: a number, or one clear error."""

from __future__ import annotations

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.flows.dashboard import parse_port


def test_a_port_is_a_number() -> None:
    assert [parse_port(text) for text in ("0", "8800", "65535")] == [0, 8800, 65535]


@pytest.mark.parametrize("typed", ["abc", "", "-1", "65536", "80.5"])
def test_what_is_no_port_is_refused_with_the_next_command(typed: str) -> None:
    with pytest.raises(RunbookError) as caught:
        parse_port(typed)
    assert "is not a number from 0 to 65535" in str(caught.value)
    assert caught.value.next.startswith("fab dashboard --port 0")
