"""What a drill's samples say, and what its rules make of them: tables of cases."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from msgspec.structs import replace as alter
from samples import MINIFLUX, PROGRAM

from fabfile.drills import app_rules, figures, overload_rules, rules
from fabfile.drills.model import Drill, Observation, ProcessSample, Rule
from fabfile.drills.observer import AppSeen, EdgeSnapshot
from fabfile.drills.recording import count_out_of_service, find_drained_nodes
from fabfile.drills.result import FAILED, HELD, NOT_TRIED, Mark, from_json
from fabfile.drills.verdict import add_times, judge_drill, not_tried
from fabfile.settings.service import Limits, Service
from fabfile.traffic.sample import Sample
from fabfile.traffic.timeline import Second, split_seconds
from fabfile.traffic.users import answer_time


def asked(
    at: float, took: float = 0.01, error: str = "", endpoint: str = "R5", status: int = 200
) -> Sample:
    return Sample(endpoint, at, at, at, at + took, 0 if error == "timed out" else status, error)


def steady(
    until: float,
    *,
    rate: float = 20,
    but: Iterable[Sample] = (),
    quiet: tuple[float, float] = (0, 0),
) -> list[Sample]:
    """`rate` right answers a second, none due in `quiet`, and some others."""
    times = [number / rate for number in range(int(until * rate))]
    return [*(asked(t) for t in times if not quiet[0] <= t < quiet[1]), *but]


def seen(samples: Iterable[Sample], program: Service = PROGRAM, **more: object) -> Observation:
    return Observation(program, list(samples), 2.0, **more)  # type: ignore[arg-type]


SLOW = alter(PROGRAM, load=alter(PROGRAM.load, peak=20.0), limits=Limits())
"""A program whose peak is 20 requests per second; one node must carry 18 of them."""


@pytest.mark.parametrize(
    ("samples", "since", "gap"),
    [
        ([], 0.0, 0.0),
        (steady(4), 2.0, 0.05),
        (steady(4, quiet=(1, 3)), 0.0, 2.05),
        (steady(4, quiet=(1, 3)), 3.5, 0.05),  # over before it counts
        (steady(4, quiet=(1, 3)), 2.0, 2.05),  # it began before: still whole
        (
            [*steady(2), *(asked(2 + n / 20, error="status 503") for n in range(40))],
            0.0,
            2.0,
        ),  # to the very end
        (
            [asked(1, error="status 503"), asked(3, error="status 503")],
            1.0,
            2.01,
        ),  # never an answer
    ],
)
def test_the_longest_gap(samples: list[Sample], since: float, gap: float) -> None:
    assert figures.longest_gap(samples, since) == pytest.approx(gap, abs=0.03)


def test_the_seconds_one_by_one() -> None:
    samples = [asked(0.1, 0.2), asked(0.5, 0.4), asked(0.9, 3, "timed out"), asked(2.0, 0.1)]
    assert split_seconds(samples) == [
        Second(0, 2, 1, 0.2, 0.4, 0.4),
        Second(1, 0, 0, None, None),
        Second(2, 1, 0, 0.1, 0.1, 0.1),
    ]
    assert split_seconds([]) == []


def test_failures_by_endpoint_and_kind() -> None:
    samples = [
        asked(1, endpoint="R12", error="status 503"),
        asked(1, endpoint="R4", error="timed out"),
        asked(2, endpoint="R4", error="timed out"),
        asked(2),
    ]
    failed = figures.count_failed(PROGRAM, samples)
    assert failed == {"R4": {"timed out": 2}, "R12": {"status 503": 1}}
    assert list(failed) == ["R4", "R12"]
    assert figures.budget_share(PROGRAM, samples) == pytest.approx(75)
    assert figures.budget_share(PROGRAM, []) == 0


def test_what_may_be_retried_comes_from_the_file() -> None:
    assert figures.writes_of(PROGRAM) == {"R4", "R12", "R13"}
    assert figures.writes_of(MINIFLUX) == {"category_new", "bookmark", "import"}


def test_what_one_node_carries_comes_from_its_own_limit_or_the_peak() -> None:
    assert round(overload_rules.rate_of_one(PROGRAM)) == 80
    assert overload_rules.rate_of_one(MINIFLUX) == 108


GET, POST = asked(3, error="status 503"), asked(3, error="status 503", endpoint="R4")
IN_HAND = asked(2.3, error="status 504", endpoint="R4")
POSTS = [asked(t / 10, endpoint="R4") for t in range(100)]


@pytest.mark.parametrize(
    ("rule", "observation", "held"),
    [
        (rules.no_failed_gets, seen(steady(4, but=[POST])), True),
        (rules.no_failed_gets, seen(steady(4, but=[GET])), False),
        (rules.few_failed_posts, seen([*POSTS, POST]), True),
        (rules.few_failed_posts, seen([*POSTS, POST, POST]), False),
        (rules.only_posts_in_flight, seen([*POSTS, IN_HAND, IN_HAND]), True),
        (
            rules.only_posts_in_flight,
            seen([*POSTS, IN_HAND, POST]),
            False,
        ),  # sent there after the fault
        (rules.no_failures, seen([*POSTS, POST]), False),
        (rules.failed_at_most(2), seen(steady(4, but=[GET, POST])), True),
        (rules.failed_at_most(2), seen(steady(4, but=[GET, POST, POST])), False),
        (rules.answered_within(3), seen(steady(4, but=[asked(3, 2.9)])), True),
        (rules.answered_within(3), seen(steady(4, but=[asked(3, 3.1)])), False),
        (
            rules.answered_within(3),
            seen(steady(4, but=[asked(3, 10, "timed out")])),
            False,
        ),  # in vain is no better
        (rules.within_budget, seen(steady(10, but=[GET, GET])), True),
        (rules.within_budget, seen(steady(10, but=[GET] * 3)), False),
        (rules.no_database_needed, seen(steady(4, but=[GET])), True),
        (rules.no_database_needed, seen(steady(4, but=[POST])), False),
        (rules.gap_within(1), seen(steady(6, quiet=(3, 3.5))), True),
        (rules.gap_within(1), seen(steady(6, quiet=(3, 4.5))), False),
        (rules.recovered_within(10), seen([], recovered=9.0), True),
        (rules.recovered_within(10), seen([], recovered=13.0), False),
        (
            rules.recovered_within(10),
            seen([], recovered=23.0, undone=20.0),
            True,
        ),  # counted from its end
        (rules.recovered_within(10), seen([], recovered=None), False),  # never is not soon
        (rules.recovered_within(10), seen([], recovered=9.0, without_help=False), False),
        (overload_rules.dip_within(2), seen(steady(9, quiet=(4, 5)), SLOW), True),
        (overload_rules.dip_within(2), seen(steady(9, quiet=(3, 8)), SLOW), False),
        (rules.noticed_within(1), seen([], detected=2.5), True),
        (rules.noticed_within(1), seen([], detected=None), False),
        (overload_rules.refused_fast(1), seen([asked(3, 0.5, "status 503", status=503)]), True),
        (overload_rules.refused_fast(1), seen([asked(3, 1.5, "status 503", status=503)]), False),
        (overload_rules.refused_fast(1), seen([asked(3, 0.5, "timed out")]), False),
        (app_rules.one_node_left_once, seen([], times_out_of_service={"node1": 1}), True),
        (
            app_rules.one_node_left_once,
            seen([], times_out_of_service={"node1": 1, "node2": 1}),
            False,
        ),
        (app_rules.one_node_left_once, seen([]), False),  # not even the one that was drained
        (rules.fault_was_felt(0.5), seen(steady(4)), False),  # a fault that does nothing
        (rules.fault_was_felt(0.5), seen(steady(4, but=[POST])), True),
        (rules.fault_was_felt(0.5), seen(steady(4, but=[asked(3, 0.6)])), True),
        (
            rules.fault_was_felt(0.5),
            seen(steady(4, but=[asked(1, 0.6), asked(3.5, 0.6)]), undone=3.2),
            False,
        ),  # before and after it
        (rules.never_too_old, seen([], oldest=59.0), True),
        (rules.never_too_old, seen([], oldest=61.0), False),
        (rules.never_too_old, seen([], oldest=None), False),  # nothing seen proves nothing
        (rules.ended_with(5, "fab deploy"), seen([], exit=5), True),
        (rules.ended_with(5, "fab deploy"), seen([], exit=None), False),
        (overload_rules.served_in_time(0), seen(steady(10), SLOW), True),
        (
            overload_rules.served_in_time(4),
            seen(steady(20, quiet=(3, 7)), SLOW),
            True,
        ),  # the first seconds do not count
        (overload_rules.served_in_time(0), seen(steady(10, quiet=(5, 9)), SLOW), False),
        (
            overload_rules.served_in_time(0),
            seen([asked(t / 20, 0.5) for t in range(200)], SLOW),
            False,
        ),
    ],
)
def test_rules(rule: Rule, observation: Observation, held: bool) -> None:
    bound = rule(observation)
    assert bound.held is held, bound
    assert bound.what
    assert bound.measured
    assert bound.bound


def lives(*words: str) -> list[ProcessSample]:
    """One look a second: `1` is the process 1, ready; `-` none; `2*` the process 2, not ready
    yet."""
    return [
        ProcessSample(t, int(word.strip("*-") or 0), word[-1] not in "*-")
        for t, word in enumerate(words)
    ]


BEFORE = {"node1": 1, "node2": 11}


@pytest.mark.parametrize(
    ("node1", "node2", "alone", "once", "apart"),
    [
        ("1 1 1 1 1 1", "11 11 11 11 11 11", True, True, True),
        ("1 1 - 2* 2 2", "11 11 11 11 11 11", False, True, True),
        ("1 1 - 2 2 2 2", "11 11 11 11 - 12 12", False, True, True),  # one after the other
        ("1 1 - 2* 2 2", "11 11 11 - 12 12", False, True, False),  # both at once
        ("1 1 - 2 - 3", "11 11 11 11 11 11", False, False, True),  # a loop
    ],
)
def test_rules_about_restarts(node1: str, node2: str, alone: bool, once: bool, apart: bool) -> None:
    known = {"node1": lives(*node1.split()), "node2": lives(*node2.split())}
    observation = seen([], process_samples=known, pids_before=BEFORE)
    assert app_rules.apps_left_alone(observation).held is alone
    assert app_rules.restarted_at_most(1)(observation).held is once
    assert app_rules.never_both_at_once(observation).held is apart


def test_rules_about_who_was_restarted() -> None:
    one = {
        "node1": lives("1", "1", "-", "2"),
        "node2": lives("11", "-", "11", "11"),
    }  # node2: not heard for a moment
    both = {**one, "node2": lives("11", "-", "12")}
    assert not app_rules.every_app_restarted(seen([], process_samples=one, pids_before=BEFORE)).held
    assert app_rules.every_app_restarted(seen([], process_samples=both, pids_before=BEFORE)).held
    assert app_rules.drained_first(
        seen([], process_samples=one, pids_before=BEFORE, drained=frozenset({"node1"}))
    ).held
    assert not app_rules.drained_first(
        seen([], process_samples=both, pids_before=BEFORE, drained=frozenset({"node1"}))
    ).held
    assert not app_rules.drained_first(
        seen([], process_samples={}, pids_before=BEFORE)
    ).held  # nobody was restarted


def test_how_often_a_node_went_out() -> None:
    looks = [
        (1.0, "edge1", EdgeSnapshot(True, {"node1": "DOWN", "node2": "UP"})),  # before the fault
        (2.0, "edge1", EdgeSnapshot(True, {"node1": "UP", "node2": "UP"})),
        (
            3.0,
            "edge1",
            EdgeSnapshot(True, {"node1": "UP_1/2", "node2": "UP"}),
        ),  # going down is not down
        (4.0, "edge1", EdgeSnapshot(True, {"node1": "DOWN", "node2": "UP"})),
        (4.1, "edge2", EdgeSnapshot(False, {"node1": "DOWN", "node2": "UP"})),
        (4.5, "node1", AppSeen(0, False)),
        (5.0, "edge1", None),
        (6.0, "edge1", EdgeSnapshot(True, {"node1": "UP", "node2": "UP"})),
        (7.0, "edge1", EdgeSnapshot(True, {"node1": "DRAIN", "node2": "UP"})),
    ]
    assert count_out_of_service(looks, 1.5) == {"node1": 2}
    assert find_drained_nodes(looks, 1.5) == {"node1"}
    assert find_drained_nodes(looks, 7.5) == set()


def test_the_age_of_an_answer_goes_by_the_edges_clock() -> None:
    date = "Wed, 25 Nov 2026 12:00:00 GMT"
    assert answer_time({"X-Answered-At": "1795600000", "Date": date}) == 1795600000
    assert answer_time({"Date": date}) == 1795608000
    assert answer_time({}) is None


DRILL = Drill(
    "sample",
    "Nobody notices.",
    lambda stage: None,
    (rules.no_failures, rules.recovered_within(10)),
    ("R1", "R2"),
)  # type: ignore[arg-type,return-value]


def test_the_verdict_names_every_bound_that_broke() -> None:
    good = judge_drill(DRILL, seen(steady(8), detected=2.5, recovered=4.0), [Mark(2.0, "fault")])
    assert (good.verdict, good.why, good.detect_s, good.recover_s) == (HELD, "", 0.5, 2.0)
    bad = judge_drill(DRILL, seen(steady(8, but=[GET]), recovered=None))
    assert bad.verdict == FAILED
    assert "failed requests: 1 of 161, allowed 0" in bad.why
    assert "recovered after: never, allowed 10 s" in bad.why
    assert (bad.recover_s, bad.failures, bad.failed) == (None, 1, {"R5": {"status 503": 1}})
    left = judge_drill(DRILL, seen(steady(8), recovered=4.0), left=["node1 was not ready"])
    assert (left.verdict, left.why) == (FAILED, "node1 was not ready")
    stopped = judge_drill(
        DRILL, seen(steady(8), recovered=4.0), aborted="the error budget was spent"
    )
    assert (stopped.verdict, stopped.why) == (FAILED, "the error budget was spent")
    assert not_tried(DRILL, PROGRAM.load, "no switch").verdict == NOT_TRIED


def test_a_result_survives_json() -> None:
    result = add_times(
        judge_drill(DRILL, seen(steady(4, but=[GET]), recovered=3.0), [Mark(2.0, "fault")]),
        1.75e9,
        9.04,
    )
    assert from_json(json.loads(json.dumps(result.as_json()))) == result
    assert (result.started, result.seconds) == (1.75e9, 9.0)
