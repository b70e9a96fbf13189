"""What osstest lacked: consistent failures, quarantine, waivers that expire, known issues."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from judge_samples import TODAY, XL, flight, judged, only, said, waiver

from harness.judge.attempts import attempts
from harness.judge.history import FlightRecord, StepRun
from harness.judge.judgement import Analysis
from harness.judge.memory import MemoryHistory
from harness.judge.quarantine import quarantine
from harness.judge.rules import MAX_FOLLOWED, QuarantineRule, Rules
from harness.judge.waiver import matches
from harness.status import Status

OLD, NEW = "cc8b79ce", "280a18b2"
STRICT = Rules(consistent=2)
QUARANTINE = Rules(consistent=2, quarantine=QuarantineRule())
THIS = flight("900", NEW, {XL: "s fail"})
BASIS = flight("500", OLD, {XL: "s pass"}, gate=True)


def test_a_baseline_that_failed_once_and_passed_once_excuses_nothing() -> None:
    found = judged(THIS, BASIS, flight("510", OLD, {XL: "s fail"}), rules=STRICT)
    assert only(found) == "fail REGR. vs 500"
    assert found.judgements[0].note == "also fail in 510, but not consistently"


def test_a_baseline_that_always_failed_excuses() -> None:
    tests = [flight(n, OLD, {XL: "s fail"}, gate=True) for n in ("500", "510")]
    found = judged(THIS, *tests, flight("100", "older", {XL: "s pass"}), rules=STRICT)
    assert only(found) == "fail like 510"
    assert found.judgements[0].note == ""


def test_where_the_baseline_ran_once_the_runs_before_it_count_too() -> None:
    basis = flight("500", OLD, {XL: "s fail"}, gate=True)
    before = flight("400", "older", {XL: "s fail"})
    first = flight("300", "oldest", {XL: "s pass"})
    assert only(judged(THIS, basis, before, first, rules=STRICT)) == "fail like 500"


def test_a_baseline_that_failed_for_the_first_time_excuses_nothing() -> None:
    """A waiver let it through, say, and has expired since."""
    basis = flight("500", OLD, {XL: "s fail"}, gate=True)
    before = flight("400", "older", {XL: "s pass"})
    found = judged(THIS, basis, before, rules=STRICT)
    assert only(found) == "fail REGR. vs 400"
    assert found.judgements[0].note == "like 500, but not consistently before it"


def test_what_failed_since_the_baseline_is_no_evidence_for_it() -> None:
    basis = flight("500", OLD, {XL: "s fail"}, gate=True)
    since = [flight(str(n), f"r{n}", {XL: "s fail"}) for n in range(600, 620)]
    found = judged(THIS, basis, flight("400", "older", {XL: "s pass"}), *since, rules=STRICT)
    assert only(found) == "fail REGR. vs 400"


def test_a_lab_that_was_broken_in_the_baseline_is_overruled_by_a_pass() -> None:
    broken = flight("510", OLD, {XL: "s broken"})
    assert only(judged(THIS, BASIS, broken)) == "fail broken in 510"
    assert only(judged(THIS, BASIS, broken, rules=STRICT)) == "fail REGR. vs 500"


def nights(pattern: str, first: int = 100) -> list[FlightRecord]:
    """A flight for each letter, each with a revision of its own: P passed, F failed, B broken."""
    words = {"P": "pass", "F": "fail", "B": "broken"}
    return [
        flight(str(number), f"r{number}", {XL: f"s {words[letter]}"}, gate=letter == "P")
        for number, letter in enumerate(pattern, start=first)
    ]


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("PPPFPPPPP", False),  # once is not enough
        ("PPFPPFPPP", True),
        ("PFPPPPPPPPPPPFPP", False),  # not among the same ten runs
        ("PFPPPPPPPFPP", True),  # just so: the first and the last of ten
        ("PFPFP" + "P" * 22, True),  # 23 passes since, and the last failure is long past
        ("PFPFP" + "P" * 24, False),  # 25: out
        ("PFPFP" + "P" * 20 + "FP", True),  # failed again: the count begins anew
        ("PFPFP" + "P" * 24 + "FP", False),  # and once out it takes two again
        ("PPFFPP", False),  # mended after two nights: that was a regression, nothing intermittent
        ("PFPFPBBP", True),  # our lab's faults count for nothing
        ("", False),
    ],
)
def test_quarantine(pattern: str, kept: bool) -> None:
    history = MemoryHistory(nights(pattern))
    runs = history.step_history(XL, "s", "xen-unstable", None)
    found = quarantine(runs, QuarantineRule(), lambda run: run.revisions["xen"])
    assert (found is not None) is kept
    # The newest night is the baseline then, and its revision is another.
    this = flight("900", NEW, {XL: "s fail"})
    if pattern:
        analysis = judged(this, *nights(pattern), rules=QUARANTINE).judgements[0].analysis
        assert analysis is (Analysis.QUARANTINED if kept else Analysis.REGRESSION)


def test_failures_with_a_revision_that_also_passed_are_intermittent() -> None:
    """Three tests of one revision: two failed, the last one passed."""
    runs = [flight(str(n), OLD, {XL: f"s {w}"}) for n, w in ((1, "fail"), (2, "fail"), (3, "pass"))]
    history = MemoryHistory(runs)
    found = history.step_history(XL, "s", "xen-unstable", None)
    kept = quarantine(found, QuarantineRule(), lambda run: run.revisions["xen"])
    assert kept is not None
    assert str(kept) == "in quarantine since 2, 1 of 25 passes to leave"


def test_failures_of_revisions_that_nobody_knows_are_not_told_intermittent_by_them() -> None:
    runs = [flight(str(n), "", {XL: f"s {w}"}) for n, w in ((1, "fail"), (2, "fail"), (3, "pass"))]
    found = MemoryHistory(runs).step_history(XL, "s", "xen-unstable", None)

    def revision(run: StepRun) -> frozenset[tuple[str, str]]:
        return Rules().of_trees(run.revisions)

    assert quarantine(found, QuarantineRule(), revision) is None


def test_failing_again_and_again_is_no_longer_intermittent() -> None:
    flaky = nights("PFPFPPP")
    basis = flaky[-1]
    twice = [flight(str(n), f"x{n}", {XL: "s fail"}) for n in (300, 301)]
    once = judged(THIS, *flaky, twice[0], baseline=basis.flight, rules=QUARANTINE)
    assert once.judgements[0].analysis is Analysis.QUARANTINED
    assert once.judgements[0].quarantine is not None
    thrice = judged(THIS, *flaky, *twice, baseline=basis.flight, rules=QUARANTINE)
    assert thrice.judgements[0].analysis is Analysis.REGRESSION


def test_a_waiver_holds_through_its_last_day() -> None:
    last = waiver(expires=TODAY)
    over = waiver(expires=TODAY - timedelta(days=1))
    assert judged(THIS, BASIS, waivers=(last,)).judgements[0].analysis is Analysis.ALLOWABLE
    found = judged(THIS, BASIS, waivers=(over,)).judgements[0]
    assert (found.analysis, found.waiver) == (Analysis.REGRESSION, over)


def test_of_several_waivers_one_that_holds_is_taken() -> None:
    over = waiver(expires=TODAY - timedelta(days=1))
    found = judged(THIS, BASIS, waivers=(over, waiver())).judgements[0]
    assert found.analysis is Analysis.ALLOWABLE
    assert found.waiver == waiver()


PANIC = "kernel-panic: Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"


def test_a_known_issue_is_recognised_by_what_it_looks_like() -> None:
    this = flight("900", NEW, {XL: f"s fail/{PANIC}", "other": "s fail/login-stalled: login:"})
    basis = flight("500", OLD, {XL: "s pass", "other": "s pass"}, gate=True)
    found = judged(this, basis, waivers=(waiver(pattern="Attempted to kill init"),))
    by_job = {one.job: one.analysis for one in found.judgements}
    assert by_job == {XL: Analysis.KNOWN_ISSUE, "other": Analysis.REGRESSION}


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("kill init", PANIC, True),
        ("KERNEL PANIC*kill init", PANIC, True),
        ("kill init*Kernel panic", PANIC, False),
        ("exitcode=0x00000200", PANIC, False),
        ("[    4.202610] Kernel panic - not syncing:", PANIC, True),  # as the console said it
        ("soft lockup - CPU#3 stuck for 47s!", "soft lockup - CPU#<n> stuck for <span>!", True),
        ("stuck for * [swapper/1:0]", "CPU#<n> stuck for <span>! [swapper/<n>:<pid>]", True),
        ("a.c", "abc", False),
        ("[abc]", "b", False),
        ("*", "", True),
        ("x", "", False),
    ],
)
def test_patterns(pattern: str, text: str, found: bool) -> None:
    assert matches(pattern, text) is found


def test_a_pattern_takes_linear_time() -> None:
    assert not matches("a*" * 500 + "b", "a" * 100_000)


def test_a_flight_that_is_cited_by_everyone_is_judged_once_and_the_bound_holds() -> None:
    """A chain of flights, each of which excuses the one before it."""
    jobs = [f"j{n:03}" for n in range(MAX_FOLLOWED + 5)]
    chain = [
        flight(str(900 - n), NEW, {job: "s pass", jobs[n + 1]: "s fail"})
        for n, job in enumerate(jobs[:-1])
    ]
    this = flight("901", NEW, {jobs[0]: "s fail"})
    basis = flight("500", OLD, dict.fromkeys(jobs, "s pass"), gate=True)
    found = judged(this, basis, *chain)
    assert len(found.followed) == MAX_FOLLOWED
    blocking = [one for one in found.judgements if one.blocking]
    assert [one.words for one in blocking] == ["REGR. vs 500"]


def tried(*attempts_: str) -> FlightRecord:
    """A flight whose only job was tried several times."""
    runs = [flight(str(900 + n), NEW, {XL: text}) for n, text in enumerate(attempts_)]
    whole = flight("900", NEW, {})
    records = [record for one in runs for record in one.jobs]
    return replace(whole, jobs=tuple(replace(record, flight="900") for record in records))


@pytest.mark.parametrize(
    ("texts", "retries", "counts"),
    [
        (("s broken", "s pass"), None, Status.PASS),
        (("s broken", "s pass"), 1, Status.PASS),
        (("s broken", "s pass"), 0, Status.BROKEN),
        (("s broken", "s broken", "s pass"), 1, Status.BROKEN),
        (("s starved", "s fail"), 1, Status.FAIL),
        (("s fail", "s pass"), 1, Status.FAIL),  # a retry never hides a failure
        (("s pass", "s fail"), 1, Status.PASS),
    ],
)
def test_which_attempt_counts(texts: tuple[str, ...], retries: int | None, counts: Status) -> None:
    found = attempts(tried(*texts).jobs, retries)[XL]
    assert found.counts.status is counts
    assert found.retries == len(texts) - 1
    assert found.passed_on_retry is (counts is Status.PASS and texts[0] != "s pass")


def test_a_pass_on_retry_is_judged_as_a_pass() -> None:
    assert said(judged(tried("s broken", "s pass"), BASIS)) == {}
    assert only(judged(tried("s broken", "s pass"), BASIS, retries=0)) == "broken REGR. vs 500"


def test_a_pass_longer_ago_than_anybody_looks_still_counts_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.judge.evidence.WINDOW", 3)
    fails = [flight(str(n), f"r{n}", {XL: "s fail"}) for n in range(600, 605)]
    basis = flight("605", OLD, {XL: "s fail"}, gate=True)
    first = flight("100", "first", {XL: "s pass"})
    assert only(judged(THIS, basis, *fails, first)) == "fail like 605"
    assert only(judged(THIS, basis, *fails)) == "fail never pass"


def of(record: FlightRecord, job: str, **revisions: str) -> FlightRecord:
    """*record*, with more revisions of *job*."""
    jobs = (
        replace(one, revisions={**one.revisions, **revisions}) if one.job == job else one
        for one in record.jobs
    )
    return replace(record, jobs=tuple(jobs))


def test_a_guest_that_was_given_other_arguments_is_not_excused_by_what_it_did_before() -> None:
    basis = of(flight("500", OLD, {XL: "s pass"}, gate=True), XL, definition="as it was")
    broken = of(flight("900", OLD, {XL: "s fail"}), XL, definition="root=/dev/nowhere")
    assert only(judged(broken, basis)) == "fail REGR. vs 500"
    again = of(flight("900", OLD, {XL: "s fail"}), XL, definition="as it was")
    assert only(judged(again, basis, flight("501", OLD, {}))) == "fail pass in 500"


def test_how_other_jobs_are_defined_says_nothing_of_one_that_is_missing() -> None:
    this = of(flight("900", NEW, {XL: "s fail"}), XL, definition="mine")
    cited = of(flight("880", NEW, {XL: "s pass", "other": "s fail"}), XL, definition="mine")
    cited = of(cited, "other", definition="its own")
    basis = flight("500", OLD, {XL: "s pass", "other": "s pass"}, gate=True)
    assert said(judged(this, cited, basis))["other s 880"] == "fail in 880 REGR. vs 500"


def test_a_followed_flight_counts_for_the_jobs_in_which_it_tested_the_same() -> None:
    """Revisions are a job's own: there the other job had another image."""
    texts = {XL: "s fail", "other": "s pass, t blocked"}
    this = of(flight("900", NEW, texts), "other", image="new-image")
    cited = flight("880", NEW, {XL: "s pass", "other": "s pass, t fail", "third": "s fail"})
    basis = flight(
        "500", OLD, {XL: "s pass", "other": "s pass, t pass", "third": "s pass"}, gate=True
    )
    of_another = of(cited, "other", image="old-image")
    assert said(judged(this, of_another, basis)) == {
        f"{XL} s": "fail pass in 880",
        "other t": "blocked n/a",
        # This flight has no such job; what its jobs share, Xen, is the same there.
        "third s 880": "fail in 880 REGR. vs 500",
    }
    of_the_same = of(cited, "other", image="new-image")
    assert said(judged(this, of_the_same, basis))["other t 880"] == "fail in 880 REGR. vs 500"
