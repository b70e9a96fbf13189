"""Verdicts: when a gate is shut, with which exit code, and what is told besides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from judge_samples import XL, flight, waiver

from harness.gate.evaluate import evaluate
from harness.gate.policy import Coverage, Policy, Required
from harness.gate.schema import Demand, Reaction
from harness.gate.text import verdict_text
from harness.gate.verdict import Gate, ReasonKind, VerdictFile, WaiverState
from harness.judge.history import FlightRecord
from harness.judge.memory import MemoryHistory
from harness.judge.waiver import Waiver
from harness.results.recorder import to_json
from harness.status import Status

OLD, NEW = "cc8b79ce", "280a18b2"
NOW = datetime(2015, 7, 1, 12, 0, tzinfo=UTC)
PASS = "guest-boot pass, guest-ssh pass"
BASIS = flight("500", OLD, {XL: PASS, "other": PASS}, gate=True)


def gate(
    this: FlightRecord,
    *others: FlightRecord,
    baseline: str | None = None,
    **policy: Any,  # noqa: ANN401  # the fields of a Policy
) -> VerdictFile:
    history = MemoryHistory([this, *others])
    that = history.flight(baseline) if baseline else None
    return evaluate(this, history, Policy(**policy), now=NOW, baseline=that)


def kinds(verdict: VerdictFile) -> list[str]:
    return [str(reason.kind) for reason in verdict.reasons]


def test_a_flight_that_passes_opens_the_gate() -> None:
    found = gate(flight("900", NEW, {XL: PASS, "other": PASS}), BASIS)
    assert (found.gate, found.exit_code, found.verdict) == (Gate.OPEN, 0, "tolerable")
    assert (found.reasons, found.judgements, found.remarks) == ((), (), ())
    assert found.baseline is not None
    assert (found.baseline.flight, found.baseline.named) == ("500", False)
    assert found.revisions == {"xen": NEW}
    assert VerdictFile.model_validate_json(to_json(found), strict=True) == found


ONE = {XL: PASS}
FAILS = {XL: PASS, "other": "guest-boot fail, guest-ssh blocked"}
BREAKS = {XL: PASS, "other": "guest-boot broken, guest-ssh blocked"}
ENDS = {XL: PASS, "other": "guest-boot aborted, guest-ssh aborted"}
SKIPS = dict.fromkeys((XL, "other"), "guest-boot skip")
STARVES = {XL: PASS, "other": "guest-boot starved, guest-ssh blocked"}


@pytest.mark.parametrize(
    ("jobs", "reasons", "code", "verdict"),
    [
        (FAILS, ["regression"], 5, "regressions"),
        (BREAKS, ["broken"], 4, "trouble"),
        (ENDS, ["unfinished"], 130, "trouble"),
        (STARVES, ["never-ran"], 6, "trouble"),
        (ONE, ["never-ran"], 3, "trouble"),
        ({**FAILS, XL: BREAKS["other"]}, ["regression", "broken"], 4, "regressions"),
        (SKIPS, ["nothing-ran", "never-ran", "never-ran"], 3, "trouble"),
    ],
)
def test_what_shuts_it_and_the_exit_code(
    jobs: dict[str, str], reasons: list[str], code: int, verdict: str
) -> None:
    found = gate(flight("900", NEW, jobs), BASIS)
    assert found.gate is Gate.SHUT
    assert sorted(kinds(found)) == sorted(reasons)
    assert (found.exit_code, found.verdict) == (code, verdict)


def test_a_leftover_is_broken_and_a_killed_controller_unfinished() -> None:
    this = flight("900", NEW, {XL: PASS, "other": PASS})
    found = gate(replace(this, problems=("lv xf-1 could not be removed",)), BASIS)
    assert (kinds(found), found.exit_code) == (["broken"], 4)
    found = gate(replace(this, ended=False), BASIS)
    assert (kinds(found), found.exit_code) == (["unfinished"], 130)


def test_a_flight_without_jobs_is_no_open_gate() -> None:
    found = gate(flight("900", NEW, {}))
    assert (kinds(found), found.exit_code) == (["nothing-ran"], 3)


def test_the_first_flight_of_a_branch_must_pass() -> None:
    assert gate(flight("900", NEW, {XL: PASS})).gate is Gate.OPEN
    this = flight("900", NEW, {XL: "guest-boot fail"})
    found = gate(this)
    assert (kinds(found), found.exit_code, found.verdict) == (["no-baseline"], 5, "trouble")
    assert found.judgements[0].summary == "fail never pass"
    assert gate(this, no_baseline=Reaction.REPORT).gate is Gate.OPEN
    assert gate(this, waivers=(waiver(),)).gate is Gate.OPEN
    assert gate(this, waivers=(waiver(expires=date(2015, 6, 30)),)).gate is Gate.SHUT


def test_asked_again_the_gate_says_the_same() -> None:
    """Its own verdict is on record then, and later flights have opened theirs."""
    this = flight("900", NEW, FAILS)
    first = gate(this, BASIS)
    later = flight("950", "later", {XL: PASS, "other": PASS}, gate=True)
    opened = replace(this, gate_open=True)
    again = gate(opened, BASIS, later)
    assert again.baseline == first.baseline
    assert again.reasons == first.reasons


def test_a_named_baseline() -> None:
    other = flight("400", "older", {XL: PASS, "other": "guest-boot fail, guest-ssh blocked"})
    before = flight("390", "oldest", {XL: PASS, "other": "guest-boot fail"})
    first = flight("300", "first", {"other": "guest-boot pass"})
    this = flight("900", NEW, FAILS)
    found = gate(this, BASIS, other, before, first, baseline="400")
    assert found.baseline is not None
    assert (found.baseline.flight, found.baseline.named) == ("400", True)
    assert found.judgements[0].summary == "fail like 400"
    assert found.gate is Gate.OPEN


def test_a_flight_that_is_not_trusted_is_no_baseline_of_one_that_is() -> None:
    adhoc = [
        flight(n, "mine", {XL: PASS, "other": "guest-boot fail"}, blessing="adhoc", gate=True)
        for n in ("600", "610")
    ]
    this = flight("900", NEW, FAILS)
    found = gate(this, BASIS, *adhoc)
    assert found.baseline is not None
    assert found.baseline.flight == "500"
    mine = gate(flight("900", NEW, FAILS, blessing="adhoc"), BASIS, *adhoc)
    assert mine.baseline is not None
    assert mine.baseline.flight == "610"


REQUIRED = (Required(jobs=("oth*",), must=Demand.PASS),)


def test_a_required_job_is_excused_by_no_history() -> None:
    like = [flight(n, OLD, FAILS, gate=True) for n in ("500", "490")]
    this = flight("900", NEW, FAILS)
    first = flight("100", "first", {"other": PASS})
    assert gate(this, *like, first).gate is Gate.OPEN
    found = gate(this, *like, first, required=REQUIRED)
    assert (kinds(found), found.exit_code) == (["required"], 5)
    assert found.reasons[0].text == "required to pass: fail like 500"
    assert gate(this, *like, first, required=REQUIRED, waivers=(waiver(),)).gate is Gate.OPEN
    passed = flight("890", NEW, {"other": PASS})
    assert gate(this, *like, first, passed, required=REQUIRED).gate is Gate.OPEN
    run = (Required(jobs=("other",), must=Demand.RUN),)
    assert gate(this, *like, first, required=run).gate is Gate.OPEN


@pytest.mark.parametrize(
    ("jobs", "text", "code"),
    [
        ({XL: PASS, "other": "guest-boot skip"}, "required, and was skip", 3),
        (STARVES, "required, and was starved", 6),
        (ONE, "required, and not in this flight", 3),
    ],
)
def test_a_required_job_that_did_not_run(jobs: dict[str, str], text: str, code: int) -> None:
    found = gate(flight("900", NEW, jobs), BASIS, required=REQUIRED, never_ran=Reaction.REPORT)
    assert [(str(one.kind), one.job, one.text) for one in found.reasons] == [
        ("required", "other", text)
    ]
    assert found.exit_code == code


def test_a_required_job_that_is_broken_is_told_once() -> None:
    found = gate(flight("900", NEW, BREAKS), BASIS, required=REQUIRED)
    assert kinds(found) == ["broken"]


def test_a_required_job_that_nobody_has() -> None:
    """Whether it exists at all is another question: `harness.gate.names`."""
    required = (Required(jobs=("oter", "x-*"), must=Demand.PASS),)
    found = gate(flight("900", NEW, {XL: PASS}), required=required)
    assert [one.text for one in found.reasons] == [
        "required, and neither here nor in the baseline: oter",
        "required, and neither here nor in the baseline: x-*",
    ]


def test_cells_of_a_matrix_that_cannot_be_are_required_by_name_only() -> None:
    this = flight("900", NEW, {"a-pv": PASS, "a-bios": "guest-boot skip"})
    by_glob = (Required(jobs=("a-*",), must=Demand.PASS),)
    assert gate(this, required=by_glob).gate is Gate.OPEN
    by_name = (Required(jobs=("a-bios",), must=Demand.RUN),)
    assert kinds(gate(this, required=by_name)) == ["required"]
    coverage = (Coverage(jobs=("*",), percent=100),)
    assert gate(this, coverage=coverage).gate is Gate.OPEN


def test_a_job_that_ran_in_the_baseline_can_be() -> None:
    this = flight("900", NEW, {XL: PASS, "other": "guest-boot skip, guest-ssh skip"})
    found = gate(this, BASIS, coverage=(Coverage(jobs=("*",), percent=100),))
    assert kinds(found) == ["coverage", "never-ran"]
    assert found.exit_code == 3


@pytest.mark.parametrize(
    ("coverage", "text"),
    [
        (Coverage(jobs=("*",), percent=50), None),
        (
            Coverage(jobs=("*",), percent=51),
            "1 of 2 jobs that match * came to a verdict; the least is 51 %; not other",
        ),
        (Coverage(jobs=("*",), count=1), None),
        (
            Coverage(jobs=("*", "x"), count=2),
            "1 of 2 jobs that match *, x came to a verdict; the least is 2; not other",
        ),
        (
            Coverage(jobs=("x",), percent=0),
            "0 of 0 jobs that match x came to a verdict; the least is 0 %",
        ),
    ],
)
def test_coverage(coverage: Coverage, text: str | None) -> None:
    this = flight("900", NEW, STARVES)
    found = gate(this, BASIS, coverage=(coverage,), never_ran=Reaction.REPORT)
    assert [one.text for one in found.reasons] == ([text] if text else [])
    assert found.exit_code == (0 if not text else 6 if "other" in text else 3)


def test_a_step_that_never_ran_with_this_revision() -> None:
    """Hidden by a failure that history excuses: what comes after it was not tested at all."""
    this = flight("900", NEW, {XL: "guest-create fail, guest-boot blocked, guest-ssh blocked"})
    basis = flight(
        "500", OLD, {XL: "guest-create fail, guest-boot pass, guest-ssh pass"}, gate=True
    )
    found = gate(this, basis)
    assert found.judgements[0].summary == "fail never pass"
    assert [(str(one.kind), one.text) for one in found.reasons] == [
        ("never-ran", "never ran with this revision: guest-boot, guest-ssh")
    ]
    assert found.exit_code == 3
    assert gate(this, basis, never_ran=Reaction.REPORT).gate is Gate.OPEN
    # Somebody answers for the failure, so also for what it hides.
    assert gate(this, basis, waivers=(waiver(step="guest-create"),)).gate is Gate.OPEN
    # It ran in another flight with this revision.
    elsewhere = flight("880", NEW, {XL: "guest-boot pass, guest-ssh pass"})
    assert gate(this, basis, elsewhere).gate is Gate.OPEN


def test_a_job_of_the_baseline_that_ran_in_another_flight_of_this_revision() -> None:
    this = flight("900", NEW, ONE)
    assert gate(this, BASIS, flight("890", NEW, {"other": PASS})).gate is Gate.OPEN
    (reason,) = gate(this, BASIS, flight("890", NEW, {"other": "guest-boot pass"})).reasons
    assert (reason.job, reason.text) == ("other", "never ran with this revision: guest-ssh")


def test_a_regression_in_a_followed_flight_is_told_with_its_flight() -> None:
    this = flight("900", NEW, FAILS)
    older = flight("880", NEW, {"other": "guest-boot pass, guest-ssh fail"})
    found = gate(this, BASIS, older)
    assert [(one.flight, one.text) for one in found.reasons] == [
        ("880", "fail in 880 REGR. vs 500")
    ]
    assert found.followed == ("880",)


def issue(name: str, pattern: str, *, expires: date, blocks: bool = False) -> Waiver:
    return replace(waiver(pattern=pattern, expires=expires), name=name, blocks=blocks)


def test_what_became_of_each_waiver() -> None:
    this = flight("900", NEW, {XL: PASS, "other": "guest-boot fail/kernel-panic: Oops"})
    before = flight("700", "mid", {XL: "guest-boot fail/no-login-prompt", "other": PASS})
    today = NOW.date()
    later = today + timedelta(days=100)
    waivers = (
        issue("used", "Oops", expires=later),
        issue("named", "panic", expires=later, blocks=True),
        issue("idle", "no-login", expires=later),
        issue("never", "lockup", expires=later),
        issue("over", "kernel-panic", expires=today - timedelta(days=1)),
        issue("soon", "Oops", expires=today),
        issue("long", "Oops", expires=today + timedelta(days=400)),
    )
    found = gate(this, BASIS, before, waivers=waivers)
    assert found.gate is Gate.OPEN
    states = {one.name: one.state for one in found.waivers}
    assert states == {
        "used": WaiverState.USED,
        "named": WaiverState.MATCHES,
        "idle": WaiverState.IDLE,
        "never": WaiverState.NEVER_MATCHES,
        "over": WaiverState.EXPIRED,
        "soon": WaiverState.MATCHES,
        "long": WaiverState.MATCHES,
    }
    who = "owner jane@example.org"
    assert list(found.remarks) == [
        f"matches no failure here nor in the last 25 flights; it can go: known issue never, {who}",
        f"expired on 2015-06-30, and is about other guest-boot: known issue over, {who}",
        f"expires on 2015-07-01: known issue soon, {who}",
        f"expires only on 2016-08-04, in more than a year: known issue long, {who}",
    ]
    assert found.waivers[0].failures == ("other guest-boot",)


def test_a_known_issue_that_blocks_gives_its_name_all_the_same() -> None:
    this = flight("900", NEW, {XL: PASS, "other": "guest-boot fail/kernel-panic: Oops"})
    named = issue("xsa-1", "Oops", expires=NOW.date(), blocks=True)
    found = gate(this, BASIS, waivers=(named,))
    assert (kinds(found), found.judgements[0].waiver) == (["regression"], "xsa-1")


def test_an_allowed_failure_that_is_broken_blocks_and_the_waiver_is_about_nothing() -> None:
    found = gate(flight("900", NEW, BREAKS), BASIS, waivers=(waiver(jobs="other"),))
    assert kinds(found) == ["broken"]
    assert found.waivers[0].state is WaiverState.NEVER_MATCHES


def retried(job: str, *texts: str, at: int = 900) -> FlightRecord:
    runs = [flight(str(at + n), NEW, {job: text}) for n, text in enumerate(texts)]
    records = tuple(replace(r, flight="900") for one in runs for r in one.jobs)
    whole = flight("900", NEW, {f"j{n}": PASS for n in range(20)})
    return replace(whole, jobs=(*whole.jobs, *records))


def test_a_pass_on_retry_is_shown_as_such() -> None:
    found = gate(retried("other", BREAKS["other"], PASS))
    assert found.gate is Gate.OPEN
    assert found.remarks == ("other passed only when it was tried again",)
    (retry,) = found.retries
    assert retry.attempts == ("broken on albana0", "pass on albana0")
    assert retry.counts is Status.PASS


def test_more_retries_than_are_allowed_do_not_count() -> None:
    this = retried("other", BREAKS["other"], PASS)
    assert kinds(gate(this, retries=0)) == ["broken"]
    twice = retried("other", BREAKS["other"], BREAKS["other"], PASS)
    assert kinds(gate(twice)) == ["broken"]
    assert gate(twice, retries=2).gate is Gate.OPEN


def test_beyond_the_flight_s_budget_no_retry_counts() -> None:
    this = retried("other", BREAKS["other"], PASS)
    more = retried("x", BREAKS["other"], PASS)
    extra = tuple(one for one in more.jobs if one.job == "x")
    both = replace(this, jobs=(*this.jobs, *extra))
    assert gate(both).gate is Gate.OPEN  # 2 of 22 are 9 %
    found = gate(both, retry_percent=5)
    assert kinds(found) == ["broken", "broken"]
    assert found.remarks[0] == "more than 5 % of the jobs were tried again; no retry counts"
    assert gate(this, retry_percent=1).gate is Gate.OPEN  # one always may
    assert kinds(gate(this, retry_percent=0)) == ["broken"]


def test_the_text() -> None:
    this = flight(
        "900",
        NEW,
        {
            XL: "guest-boot fail/kernel-panic: Oops, guest-ssh blocked",
            "other": "guest-boot pass, guest-ssh fail",
            "third": "guest-boot fail",
        },
    )
    elsewhere = flight("880", NEW, {"other": PASS})
    found = gate(this, BASIS, elsewhere, waivers=(waiver(jobs="other"),), required=REQUIRED)
    assert (
        verdict_text(found)
        == """\
[xen-unstable] flight 900: regressions - ALL FAIL
  policy: built in
  baseline: 500, the last whose gate opened
  xen: 280a18b2 (was cc8b79ce)

Tests which did not succeed and are blocking:
  test-amd64-amd64-xl  guest-boot  fail REGR. vs 500
      kernel-panic: Oops
      changed since the baseline: xen
      on this branch it passed 1 of 1 times (100 %; likely 21 to 100 %) before

Tests which are failing intermittently (not blocking):
  other  guest-ssh  fail pass in 880
      allowed sample until 2015-07-01, jane@example.org: known to fail
      on this branch it passed 2 of 2 times (100 %; likely 34 to 100 %) before
      with this revision it passed 1 of 1 times (100 %; likely 21 to 100 %) before

Tests which did not succeed, but are not blocking:
  third  guest-boot  fail never pass
  1 step blocked by an earlier one

To see to:
  expires on 2015-07-01: allowed sample, owner jane@example.org

gate of xen-unstable: shut (exit code 5)
"""
    )
    assert ReasonKind.REGRESSION in {one.kind for one in found.reasons}


def test_what_a_guest_says_cannot_act_on_its_reader() -> None:
    this = flight("900", NEW, {XL: PASS, "other": "guest-boot fail/\x1b]0;owned\x07[red]Oops"})
    text = verdict_text(gate(this, BASIS))
    assert "\x1b" not in text
    assert "[red]Oops" in text
