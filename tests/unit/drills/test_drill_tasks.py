"""Which tasks of the runbook a drill can run as its fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import site

from fabfile.drills.errors import NotPossible
from fabfile.drills.faults.tasks import bad_release
from fabfile.drills.observer import Snapshot
from fabfile.drills.target import DrillTarget
from fabfile.engine.fleet import Fleet
from fabfile.settings.project import LABS, PROJECT
from fabfile.settings.service_file import read_service


def target(service: str, lab: bool = True) -> DrillTarget:
    """A site that serves this program."""
    settings = replace(site(), program=read_service(PROJECT / service))
    if lab:
        settings = replace(settings, path=LABS / "1/site.toml")
    nobody = Fleet([], pytest.fail)  # no host is asked
    return DrillTarget(settings, nobody, Snapshot({}, {}))


def test_only_the_stand_in_has_bad_releases_and_only_in_a_lab() -> None:
    assert bad_release(target("services/bingo"))
    for other in (target("services/bingo", lab=False), target("services/miniflux")):
        with pytest.raises(NotPossible, match="there is no bad release"):
            bad_release(other)
