"""The task that pins another release, on a real lab: for each name the site file is one that the
runbook takes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from labtools import Runner

from lab import sitefile
from lab.names import Lab
from lab.releases import FIRST, KINDS, NEXT


@pytest.fixture(autouse=True)
def _as_before(lab: Lab) -> Iterator[None]:
    text = lab.site.read_text()
    yield
    lab.site.write_text(text)


@pytest.mark.parametrize("name", [NEXT, *KINDS, FIRST])
def test_a_release_is_pinned(lab: Lab, run_inv: Runner, name: str) -> None:
    gate = tomllib.loads(lab.site.read_text()).get("gate")
    outcome = run_inv("lab.release", name)
    assert (outcome.code, outcome.err) == (0, "")
    site = tomllib.loads(lab.site.read_text())
    assert sitefile.hash_file(lab.folder / site["app"]["binary"]) == site["app"]["sha256"]
    assert outcome.out.startswith(f"{site['app']['sha256'][:12]} is pinned. ")
    assert site.get("gate") == gate, "what was added to the site file stays"


def test_what_is_no_release_is_refused(lab: Lab, run_inv: Runner) -> None:
    text = lab.site.read_text()
    outcome = run_inv("lab.release", "fast")
    assert outcome.code == 1
    assert "services/bingo has no release called fast" in outcome.err
    assert "next: inv lab.release next" in outcome.err
    assert lab.site.read_text() == text
