"""osstest's rules with osstest's words: the worked examples of its README.email, and of its
sg-report-flight (`justifyfailures`, `findaflight`, `examineflight`)."""

from __future__ import annotations

import pytest
from judge_samples import WIN7, XL, flight, judged, only, said, waiver

from harness.judge.history import FlightRecord
from harness.judge.judgement import Analysis, outcome
from harness.judge.rules import Rules
from harness.status import Status

OLD, NEW = "cc8b79ce", "280a18b2"
MIGRATE = "guest-localmigrate.2"


def test_fail_regr_vs_58530() -> None:
    """This step failed just now; whereas it previously passed in the baseline. Blocking."""
    found = judged(
        flight("58975", NEW, {XL: "guest-start fail"}),
        flight("58530", OLD, {XL: "guest-start pass"}, gate=True),
    )
    assert only(found) == "fail REGR. vs 58530"
    assert found.judgements[0].analysis is Analysis.REGRESSION
    assert (found.verdict, found.outcome) == ("regressions", "ALL FAIL")


def test_fail_like_58963() -> None:
    """This step failed just now; but it also failed on the baseline. So it is not a regression."""
    found = judged(
        flight("58975", NEW, {XL: "guest-start fail"}),
        flight("58963", OLD, {XL: "guest-start fail"}, gate=True),
        flight("58001", "older", {XL: "guest-start pass"}),
    )
    assert only(found) == "fail like 58963"
    assert found.judgements[0].analysis is Analysis.NONBLOCKING
    assert found.verdict == "tolerable"


def test_fail_never_pass() -> None:
    """This step has never passed on this branch and is not a regression."""
    found = judged(
        flight("58975", NEW, {XL: "guest-start fail"}),
        flight("58963", OLD, {XL: "guest-start fail"}, gate=True),
        flight("58962", OLD, {XL: "guest-start pass"}, branch="another-branch"),
    )
    assert only(found) == "fail never pass"
    assert found.verdict == "tolerable"


def test_fail_pass_in_58863() -> None:
    """This step failed just now; but it passed in another test of the same version."""
    found = judged(
        flight("58975", NEW, {WIN7: f"{MIGRATE} fail"}),
        flight("58863", NEW, {WIN7: f"{MIGRATE} pass"}),
        flight("58530", OLD, {WIN7: f"{MIGRATE} pass"}, gate=True),
    )
    assert only(found) == "fail pass in 58863"
    assert found.judgements[0].analysis is Analysis.HEISENBUG
    assert (found.verdict, found.followed) == ("tolerable", ("58863",))


def test_fail_baseline_untested() -> None:
    """There is no execution of this step in tests of the baseline version."""
    found = judged(
        flight("58975", NEW, {XL: "guest-start fail"}),
        flight("58963", OLD, {WIN7: "guest-start pass"}, gate=True),
        flight("58001", "older", {XL: "guest-start pass"}),
    )
    assert only(found) == "fail baseline untested"
    assert found.verdict == "tolerable"


def test_fail_in_58948_pass_in_58965_and_like_37628() -> None:
    """58948 shows that one test is intermittent. Its own failures are judged, too."""
    found = judged(
        flight("58975", NEW, {WIN7: f"{MIGRATE} fail", XL: "guest-start pass"}),
        flight("58965", NEW, {XL: "guest-start pass"}),
        flight("58948", NEW, {WIN7: f"{MIGRATE} pass, guest-stop fail", XL: "guest-start fail"}),
        flight("37628", OLD, {WIN7: f"{MIGRATE} pass, guest-stop fail", XL: "guest-start pass"}),
        flight("36514", OLD, {WIN7: f"{MIGRATE} pass"}, gate=True),
        flight("31000", "older", {WIN7: "guest-stop pass"}),
    )
    assert said(found) == {
        f"{WIN7} {MIGRATE}": "fail pass in 58948",
        f"{WIN7} guest-stop 58948": "fail in 58948 like 37628",
        # The newest flight that passed it is the one that is judged.
        f"{XL} guest-start 58948": "fail in 58948 pass in 58975",
    }
    assert found.verdict == "tolerable"


def test_pass_in_is_followed_again_and_again() -> None:
    """Each flight that is cited is judged in its turn, and a regression there still blocks."""
    found = judged(
        flight("58975", NEW, {"a": "s fail", "b": "s pass", "c": "s blocked"}),
        flight("58965", NEW, {"a": "s pass", "b": "s fail"}),
        flight("58960", NEW, {"b": "s pass", "c": "s fail"}),
        flight("58530", OLD, {"a": "s pass", "b": "s pass", "c": "s pass"}, gate=True),
    )
    assert said(found) == {
        "a s": "fail pass in 58965",
        "b s 58965": "fail in 58965 pass in 58975",
        "c s": "blocked n/a",
    }
    found = judged(
        flight("58975", NEW, {"a": "s fail", "c": "s blocked"}),
        flight("58965", NEW, {"a": "s pass", "b": "s fail"}),
        flight("58960", NEW, {"b": "s pass", "c": "s fail"}),
        flight("58530", OLD, {"a": "s pass", "b": "s pass", "c": "s pass"}, gate=True),
    )
    assert said(found) == {
        "a s": "fail pass in 58965",
        "c s": "blocked n/a",
        "b s 58965": "fail in 58965 pass in 58960",
        "c s 58960": "fail in 58960 REGR. vs 58530",
    }
    assert (found.verdict, found.followed) == ("regressions", ("58965", "58960"))


def test_a_step_hidden_by_an_earlier_flaky_one_is_looked_up_in_older_flights() -> None:
    """guest-stop never ran here, because the migration before it failed. That is excused by a
    flight in which it passed; so what guest-stop did there counts."""
    this = flight("58975", NEW, {WIN7: f"{MIGRATE} fail, guest-stop blocked"})
    older = flight("58960", NEW, {WIN7: f"{MIGRATE} pass, guest-stop fail"})
    basis = flight("58530", OLD, {WIN7: f"{MIGRATE} pass, guest-stop pass"}, gate=True)
    found = judged(this, older, basis)
    assert said(found) == {
        f"{WIN7} {MIGRATE}": "fail pass in 58960",
        f"{WIN7} guest-stop": "blocked n/a",
        f"{WIN7} guest-stop 58960": "fail in 58960 REGR. vs 58530",
    }
    assert found.verdict == "regressions"


def test_a_step_hidden_in_the_baseline_is_looked_up_in_older_tests_of_it() -> None:
    """In the baseline's own flight an earlier step was flaky; an older test of the same revision
    got further."""
    this = flight("58975", NEW, {XL: "guest-start pass, guest-stop fail"})
    basis = flight("58530", OLD, {XL: "guest-start fail, guest-stop blocked"}, gate=True)
    older = flight("58520", OLD, {XL: "guest-start pass, guest-stop pass"})
    assert only(judged(this, basis, older)) == "fail REGR. vs 58520"


def test_blocked_in() -> None:
    """The baseline never came to the step: no regression, as far as anybody knows."""
    this = flight("58975", NEW, {XL: "guest-start pass, guest-stop fail"})
    basis = flight("58530", OLD, {XL: "guest-start fail, guest-stop blocked"}, gate=True)
    older = flight("58001", "older", {XL: "guest-stop pass"})
    found = judged(this, basis, older)
    assert only(found) == "fail blocked in 58530"
    assert found.verdict == "tolerable"
    # osstest has no row for a step that did not run. Nor have results that came from elsewhere.
    rowless = flight("58530", OLD, {XL: "guest-start fail"}, gate=True)
    assert only(judged(this, rowless, older)) == "fail blocked in 58530"


def test_broken_regr_vs_36514() -> None:
    """Such failures are always regarded as regressions because they may mask other problems."""
    found = judged(
        flight("58975", NEW, {XL: "host-install broken", WIN7: "guest-start pass"}),
        flight("36514", OLD, {XL: "host-install pass"}, gate=True),
    )
    assert only(found) == "broken REGR. vs 36514"
    assert found.judgements[0].analysis is Analysis.BROKEN
    assert (found.verdict, found.outcome) == ("trouble", "trouble: broken/pass")


@pytest.mark.parametrize(
    ("elsewhere", "words"),
    [
        (flight("58963", OLD, {XL: "host-install broken"}, gate=True), "broken never pass"),
        (flight("58960", NEW, {XL: "host-install pass"}), "broken baseline untested"),
    ],
)
def test_broken_blocks_whatever_history_says(elsewhere: FlightRecord, words: str) -> None:
    this = flight("58975", NEW, {XL: "host-install broken"})
    found = judged(this, elsewhere, waivers=(waiver(),))
    assert only(found) == words
    assert found.judgements[0].blocking
    assert found.judgements[0].waiver is None


@pytest.mark.parametrize(
    ("status", "words"),
    [(Status.BROKEN, "broken like 58963"), (Status.FAIL, "broken failed in 58963")],
)
def test_broken_blocks_where_the_baseline_was_no_better(status: Status, words: str) -> None:
    found = judged(
        flight("58975", NEW, {XL: "host-install broken"}),
        flight("58963", OLD, {XL: f"host-install {status}"}, gate=True),
        flight("58001", "older", {XL: "host-install pass"}),
    )
    assert only(found) == words
    assert found.judgements[0].analysis is Analysis.BROKEN


def test_broken_in() -> None:
    """The other way round: the baseline was broken where this one failed."""
    found = judged(
        flight("58975", NEW, {XL: "guest-start fail"}),
        flight("58963", OLD, {XL: "guest-start broken"}, gate=True),
        flight("58001", "older", {XL: "guest-start pass"}),
    )
    assert only(found) == "fail broken in 58963"
    assert found.verdict == "tolerable"


def test_what_was_broken_in_a_followed_flight_says_nothing_against_this_one() -> None:
    found = judged(
        flight("58975", NEW, {XL: "s fail", WIN7: "host-install pass"}),
        flight("58960", NEW, {XL: "s pass", WIN7: "host-install broken"}),
        flight("58530", OLD, {XL: "s pass", WIN7: "host-install pass"}, gate=True),
    )
    assert said(found)[f"{WIN7} host-install 58960"] == "broken in 58960 pass in 58975"
    assert found.verdict == "tolerable"


def test_blocked_n_a() -> None:
    """The step was blocked by a previous failure; the underlying failure is checked instead."""
    found = judged(flight("58975", NEW, {XL: "build-check blocked"}))
    assert only(found) == "blocked n/a"
    assert (found.verdict, found.outcome) == ("tolerable", "trouble: blocked")


def test_a_flight_that_was_cut_short_blocks() -> None:
    """osstest shows queued, running or preparing."""
    found = judged(
        flight("58975", NEW, {XL: "guest-start aborted"}),
        flight("58530", OLD, {XL: "guest-start pass"}, gate=True),
    )
    assert only(found) == "aborted"
    assert found.judgements[0].analysis is Analysis.UNFINISHED
    assert found.verdict == "trouble"


def test_starved_and_skipped_do_not_block() -> None:
    found = judged(
        flight("58975", NEW, {XL: "guest-start starved", WIN7: "guest-start skip"}),
        flight("58530", OLD, {XL: "guest-start pass", WIN7: "guest-start pass"}, gate=True),
    )
    assert only(found) == "starved"
    assert found.verdict == "tolerable"


def test_a_job_that_did_not_pass_though_no_step_says_why_is_broken() -> None:
    this = flight("58975", NEW, {XL: ""}, statuses={XL: Status.FAIL})
    found = judged(this, flight("58530", OLD, {XL: "guest-start pass"}, gate=True))
    assert said(found) == {f"{XL} <none executed>": "fail"}
    assert found.judgements[0].analysis is Analysis.BROKEN


def test_one_failure_of_the_baseline_excuses_for_good() -> None:
    """The known weak point: "like" beats "REGR.", however many runs passed."""
    this = flight("58975", NEW, {XL: "s fail"})
    basis = flight("58530", OLD, {XL: "s pass"}, gate=True)
    flaked = flight("58510", OLD, {XL: "s fail"})
    assert only(judged(this, basis, flaked)) == "fail like 58510"


def test_of_several_tests_of_the_baseline_the_newest_is_cited() -> None:
    this = flight("58975", NEW, {XL: "s fail"})
    tests = [flight(n, OLD, {XL: "s pass"}, gate=True) for n in ("58530", "58529", "58970")]
    assert only(judged(this, *tests, baseline="58530")) == "fail REGR. vs 58970"


def test_a_named_baseline_is_that_flight_and_no_other_of_its_revision() -> None:
    """osstest: --that-flight."""
    this = flight("58975", NEW, {XL: "s fail"})
    basis = flight("58530", OLD, {XL: "s pass"})
    other = flight("58510", OLD, {XL: "s fail"})
    assert only(judged(this, basis, other, baseline="58530", named=True)) == "fail REGR. vs 58530"
    assert only(judged(this, basis, other, baseline="58530")) == "fail like 58510"


BUILD = "build-amd64"


def test_a_regression_of_a_build_is_excused_by_no_pass_elsewhere() -> None:
    basis = flight("58530", OLD, {BUILD: "xen-build pass"}, gate=True)
    found = judged(
        flight("58975", NEW, {BUILD: "xen-build fail"}),
        flight("58960", NEW, {BUILD: "xen-build pass"}),
        flight("58520", OLD, {BUILD: "xen-build fail"}),
        basis,
    )
    assert only(found) == "fail REGR. vs 58530"
    assert found.verdict == "regressions"


def test_allowed_regressions_do_not_block() -> None:
    """osstest's allow.*: "Regressions which are regarded as allowable (not blocking)"."""
    this = flight("58975", NEW, {XL: "leak-check/check fail"})
    basis = flight("58530", OLD, {XL: "leak-check/check pass"}, gate=True)
    found = judged(this, basis, waivers=(waiver(jobs="test-*", step="leak-check/*"),))
    assert only(found) == "fail REGR. vs 58530"
    assert found.judgements[0].analysis is Analysis.ALLOWABLE
    assert found.verdict == "tolerable"
    assert judged(this, basis, waivers=(waiver(jobs="build-*"),)).verdict == "regressions"


def test_only_blessed_flights_count() -> None:
    this = flight("58975", NEW, {XL: "s fail"})
    basis = flight("58530", OLD, {XL: "s pass"}, gate=True)
    adhoc = flight("58960", NEW, {XL: "s pass"}, blessing="adhoc")
    assert only(judged(this, basis, adhoc)) == "fail REGR. vs 58530"
    both = Rules(blessings=("real", "adhoc"))
    assert only(judged(this, basis, adhoc, rules=both)) == "fail pass in 58960"


def test_the_more_trusted_blessing_is_cited_even_when_it_is_older() -> None:
    """osstest sorts by blessing first: real before real-bisect."""
    this = flight("58975", NEW, {XL: "s fail"})
    real = flight("58530", OLD, {XL: "s pass"}, gate=True)
    bisect = flight("58970", OLD, {XL: "s pass"}, blessing="real-bisect")
    rules = Rules(blessings=("real", "real-bisect"))
    assert only(judged(this, real, bisect, rules=rules)) == "fail REGR. vs 58530"


def test_branches_also() -> None:
    this = flight("58975", NEW, {XL: "s fail"})
    basis = flight("58530", OLD, {XL: "s pass"}, gate=True)
    other = flight("58960", NEW, {XL: "s pass"}, branch="xen-4.5-testing")
    assert only(judged(this, basis, other)) == "fail REGR. vs 58530"
    rules = Rules(also=frozenset({"xen-4.5-testing"}))
    assert only(judged(this, basis, other, rules=rules)) == "fail pass in 58960"


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ("pass", "all pass"),
        ("fail", "ALL FAIL"),
        ("pass fail", "FAIL"),
        ("pass fail blocked", "FAIL"),
        ("pass blocked", "FAIL"),
        ("pass broken", "trouble: broken/pass"),
        ("fail blocked", "trouble: blocked/fail"),
        ("pass fail broken", "trouble: broken/fail/pass"),
        ("starved pass", "trouble: pass/starved"),
        ("pass skip", "all pass"),
        ("skip", "trouble: skip"),
        ("", "trouble: nothing ran"),
    ],
)
def test_outcome(statuses: str, words: str) -> None:
    assert outcome(Status(word) for word in statuses.split()) == words


def test_where_the_revision_is_not_known_nothing_passed_with_the_same() -> None:
    this = flight("58975", "", {XL: "s fail"})
    basis = flight("58530", OLD, {XL: "s pass"}, gate=True)
    assert only(judged(this, basis, flight("58960", "", {XL: "s pass"}))) == "fail REGR. vs 58530"


def test_a_baseline_whose_revision_is_not_known_is_its_own_flight_only() -> None:
    this = flight("58975", NEW, {XL: "s fail"})
    basis = flight("58530", "", {XL: "s pass"}, gate=True)
    assert only(judged(this, basis, flight("58529", "", {XL: "s fail"}))) == "fail REGR. vs 58530"


def test_without_a_baseline_everything_is_untested() -> None:
    this = flight("58975", NEW, {XL: "s fail"})
    assert only(judged(this, flight("58530", OLD, {XL: "s pass"}))) == "fail baseline untested"
