"""Laws that hold whatever history looks like."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from judge_samples import TODAY, flight, judged, said, waiver

from harness.judge.history import FlightRecord
from harness.judge.judgement import Analysis, Judged
from harness.judge.rules import MAX_FOLLOWED, QuarantineRule, Rules
from harness.status import Status

JOBS = ("a", "b", "c")
STEPS = ("one", "two", "three")
OLD, NEW = "old", "new"
ALL_PASS = dict.fromkeys(JOBS, ", ".join(f"{testid} pass" for testid in STEPS))
RULES = st.sampled_from(
    [
        Rules(),
        Rules(consistent=1),
        Rules(consistent=2),
        Rules(consistent=3, quarantine=QuarantineRule()),
        Rules(quarantine=QuarantineRule(failures=1, of=4, passes=3, streak=2)),
    ]
)
WORDS = ("pass", "fail", "broken", "skip", "starved", "aborted", "blocked")

Case = tuple[FlightRecord, list[FlightRecord]]


@st.composite
def job_texts(draw: st.DrawFn) -> str:
    """Steps of a job: what comes after one that did not pass is blocked."""
    found, bad = [], False
    for testid in STEPS[: draw(st.integers(1, 3))]:
        status = "blocked" if bad else draw(st.sampled_from(WORDS))
        bad = bad or status not in ("pass", "skip")
        found.append(f"{testid} {status}")
    return ", ".join(found)


jobs_of_a_flight = st.dictionaries(st.sampled_from(JOBS), job_texts(), min_size=1)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A flight of the new revision, and others; one of the old opened the gate."""
    others = [
        flight(str(number), draw(st.sampled_from((OLD, NEW, "older"))), jobs, gate=False)
        for number, jobs in enumerate(draw(st.lists(jobs_of_a_flight, max_size=7)), start=101)
    ]
    basis = flight("100", OLD, draw(jobs_of_a_flight), gate=True)
    return flight("500", NEW, draw(jobs_of_a_flight)), [basis, *others]


def blocking(found: Judged) -> set[tuple[str, str, str]]:
    return {(one.flight, one.job, one.testid) for one in found.judgements if one.blocking}


def regressions(found: Judged) -> set[tuple[str, str]]:
    return {
        (one.job, one.testid) for one in found.judgements if one.analysis is Analysis.REGRESSION
    }


@given(cases(), RULES)
def test_a_flight_in_which_all_passes_makes_no_regression(case: Case, rules: Rules) -> None:
    """With its revision: whatever failed in another flight of it is intermittent then."""
    this, others = case
    passing = flight("450", NEW, ALL_PASS)
    assert not regressions(judged(this, *others, passing, rules=rules))


@given(cases(), RULES)
def test_what_is_waived_never_blocks(case: Case, rules: Rules) -> None:
    found = judged(case[0], *case[1], rules=rules, waivers=(waiver(),))
    assert not regressions(found)
    assert all(one.status is not Status.FAIL for one in found.judgements if one.blocking)


@given(cases(), RULES)
def test_a_waiver_that_expired_excuses_nothing(case: Case, rules: Rules) -> None:
    expired = waiver(expires=TODAY - timedelta(days=1))
    with_it = judged(case[0], *case[1], rules=rules, waivers=(expired,))
    without = judged(case[0], *case[1], rules=rules)
    assert said(with_it) == said(without)
    assert blocking(with_it) == blocking(without)


@given(cases(), RULES)
def test_broken_always_blocks(case: Case, rules: Rules) -> None:
    this, others = case
    found = judged(this, *others, rules=rules, waivers=(waiver(),))
    broken = {
        (job.job, step.testid)
        for job in this.jobs
        for step in job.steps
        if step.status is Status.BROKEN
    }
    told = {
        (one.job, one.testid)
        for one in found.judgements
        if one.flight == this.flight and one.analysis is Analysis.BROKEN
    }
    assert broken == told


@given(cases(), RULES, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(
    case: Case, rules: Rules, chance: random.Random
) -> None:
    this, others = case
    before = judged(this, *others, rules=rules)
    shuffled = [replace(one, jobs=tuple(chance.sample(one.jobs, len(one.jobs)))) for one in others]
    chance.shuffle(shuffled)
    mixed = replace(this, jobs=tuple(chance.sample(this.jobs, len(this.jobs))))
    assert judged(mixed, *shuffled, rules=rules) == before


@given(cases(), RULES)
def test_each_flight_is_followed_once_and_each_failure_judged_once(
    case: Case, rules: Rules
) -> None:
    this, others = case
    found = judged(this, *others, rules=rules)
    assert len(found.followed) == len(set(found.followed)) <= min(len(others), MAX_FOLLOWED)
    assert this.flight not in found.followed
    told = [(one.flight, one.job, one.testid) for one in found.judgements]
    assert len(told) == len(set(told))
    assert {one.flight for one in found.judgements} <= {this.flight, *found.followed}


@given(cases(), RULES)
def test_every_failure_of_the_flight_is_judged_and_nothing_that_passed(
    case: Case, rules: Rules
) -> None:
    this, others = case
    found = judged(this, *others, rules=rules)
    own = {(one.job, one.testid) for one in found.judgements if one.flight == this.flight}
    assert own == {
        (job.job, step.testid)
        for job in this.jobs
        for step in job.steps
        if step.status not in (Status.PASS, Status.SKIP)
    }


@given(cases())
def test_what_stricter_rules_excuse_osstest_excuses_too(case: Case) -> None:
    this, others = case
    strict = judged(this, *others, rules=Rules(consistent=2))
    assert blocking(judged(this, *others)) <= blocking(strict)


@given(cases(), RULES)
def test_flights_of_another_branch_or_blessing_change_nothing(case: Case, rules: Rules) -> None:
    this, others = case
    strangers = [
        flight("450", NEW, ALL_PASS, branch="another"),
        flight("451", NEW, ALL_PASS, blessing="play"),
        flight("452", OLD, ALL_PASS, branch="another", gate=True),
    ]
    before = judged(this, *others, rules=rules)
    assert judged(this, *others, *strangers, rules=rules) == before
