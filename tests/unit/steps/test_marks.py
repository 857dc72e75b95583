"""What the marks in the database say about a release."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import site

from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.settings.program import Migration
from fabfile.steps.marks import Marks, parse_marks
from fabfile.steps.migration import Migrated

RULE = Migration(command=("-migrate",), version="SELECT version FROM schema_version")
STEP = Migrated(site(), RULE, "newer")
ONE_WAY_STEP = replace(STEP, rule=Migration(command=("-migrate",), compatible="none"))


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("read\n", "migrate bingo … (release newer)"),
        ("read\n104\n", "migrate bingo 104 → … (release newer)"),
        ("mark|migrate|older\nread\n104\n", "migrate bingo 104 → … (release newer)"),
        ("mark|migrate|older\nmark|migrate|newer\nread\n132\n", None),
        ("mark|migrate|newer\nmark|one-way|newer\nread\n132\n", None),
    ],
)
def test_a_release_without_a_mark_migrates(out: str, said: str | None) -> None:
    change = STEP.decide(Reading(out, 0))
    assert (change.sentence if change else None) == said


def test_the_order_of_a_migration() -> None:
    change = STEP.decide(Reading("read\n", 0))
    assert change
    run, mark, discard = (command.show() for command in change.commands)
    assert run == "bingo -migrate"
    assert (
        "INSERT INTO runbook.marks (what, release, by) VALUES ('migrate', 'newer', 'who')" in mark
    )
    assert discard.startswith("rm -rf /run/systemd/system/runbook-migrate.service")


@pytest.mark.parametrize("answer", ["", "Welcome to db1\n", "mark|migrate\nread\n", "x\nread\n"])
def test_an_answer_that_makes_no_sense_changes_no_table(answer: str) -> None:
    with pytest.raises(RunbookError, match="marks in database bingo are not clear"):
        STEP.decide(Reading(answer, 0))


def test_the_first_migration_needs_no_downtime() -> None:
    change = ONE_WAY_STEP.decide(Reading("read\n", 0))
    assert change
    assert change.sentence == "migrate bingo … (release newer)"
    assert "one-way" not in change.commands[1].show()


@pytest.mark.parametrize("out", ["mark|migrate|older\nread\n", "read\n104\n"])
def test_downtime_must_be_asked_for(out: str) -> None:
    with pytest.raises(RunbookError) as refusal:
        ONE_WAY_STEP.decide(Reading(out, 0))
    assert refusal.value.next == "fab deploy --with-downtime"
    change = replace(ONE_WAY_STEP, may_stop=True).decide(Reading(out, 0))
    assert change
    assert change.sentence.endswith("the app is stopped meanwhile, no rollback leads back")
    assert "'one-way', 'newer'" in change.commands[1].show()


MARKS = Marks((("migrate", "a"), ("migrate", "b"), ("one-way", "b"), ("migrate", "c")))


@pytest.mark.parametrize(("release", "later"), [("a", "b"), ("b", ""), ("c", ""), ("unknown", "b")])
def test_the_way_back_ends_at_a_one_way_migration(release: str, later: str) -> None:
    assert MARKS.cut_off_by(release) == later


def test_a_release_that_was_cut_off_is_refused() -> None:
    out = "mark|migrate|newer\nmark|migrate|newest\nmark|one-way|newest\nread\n"
    with pytest.raises(RunbookError, match="newer does not work on the tables: release newest"):
        STEP.decide(Reading(out, 0))


def test_marks_and_what_follows() -> None:
    assert parse_marks("mark|seed|\nread\n104\n", "x") == (Marks((("seed", ""),)), ["104"])
