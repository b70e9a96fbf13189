"""One flight of many runs: attempts, files, hosts, checks, and the worst of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from storelab import IMAGE, header, host

from harness.lab.join import (
    cut_short,
    joined_flight,
    joined_job,
    merged_checks,
    merged_hosts,
    merged_images,
    place_of,
    unrun_job,
    waiting_job,
)
from harness.results.model import AttemptResult, EvidenceResult, JobResult, StepResult
from harness.results.rules import job_status
from harness.status import Status
from harness.steps import LEAK_CHECK

JOB = "boot-bookworm-amd64-pv-direct"
STEPS = ("guest-create", "guest-boot", LEAK_CHECK)
HEAD = header("f-20241122-090000-a1b2c3", {JOB: STEPS})
(PLANNED,) = HEAD.jobs
NOW = datetime(2024, 11, 22, 10, tzinfo=UTC)


def run(status: Status, *, attempts: int = 0, on: str = "rack1") -> JobResult:
    """What one run told: its last attempt has that status, those before were broken."""
    steps = (StepResult(testid="guest-create", status=status, reason="so"),)
    before = tuple(
        AttemptResult(
            status=Status.BROKEN,
            console_log=f"jobs/{JOB}/attempt-{n}/console.log",
            evidence=EvidenceResult(index=f"jobs/{JOB}/attempt-{n}/evidence/index.json"),
        )
        for n in range(1, attempts + 1)
    )
    base = waiting_job(PLANNED)
    return base.model_copy(
        update={
            "status": status,
            "steps": steps,
            "host": on,
            "attempts": before,
            "console_log": f"jobs/{JOB}/console.log",
        }
    )


def test_of_one_run_nothing_is_changed() -> None:
    one = run(Status.PASS, attempts=1)
    assert joined_job([one]) == one


def test_runs_before_the_last_are_attempts_with_their_own_before_them() -> None:
    found = joined_job([run(Status.BROKEN, attempts=1), run(Status.PASS, attempts=1, on="rack2")])
    assert found.status is Status.PASS
    assert found.host == "rack2"
    assert found.console_log == f"jobs/{JOB}/console.log"
    assert [one.console_log for one in found.attempts] == [
        f"jobs/{JOB}/attempt-{n}/console.log" for n in (1, 2, 3)
    ]
    first, _, last = found.attempts
    assert first.evidence
    assert first.evidence.index == f"jobs/{JOB}/attempt-1/evidence/index.json"
    assert last.evidence
    assert last.evidence.index == f"jobs/{JOB}/attempt-3/evidence/index.json"


@pytest.mark.parametrize(
    ("path", "before", "own", "place"),
    [
        ("console.log", 0, None, "console.log"),
        ("console.log", 2, 3, "attempt-3/console.log"),
        ("attempt-1/console.log", 2, 4, "attempt-3/console.log"),
        ("attempt-1/console.log", 0, None, "attempt-1/console.log"),
        ("evidence/attempt-1/x", 2, None, "evidence/attempt-1/x"),
    ],
)
def test_files_are_where_their_attempt_is(
    path: str, before: int, own: int | None, place: str
) -> None:
    assert place_of(path, before, own) == place


def test_a_job_that_waits_is_aborted_as_one_whose_flight_was_killed() -> None:
    found = waiting_job(PLANNED)
    assert found.status is Status.ABORTED
    assert [step.testid for step in found.steps] == [*STEPS]


@pytest.mark.parametrize("status", [Status.STARVED, Status.BROKEN, Status.ABORTED])
def test_a_job_that_never_ran_says_why_in_its_first_step(status: Status) -> None:
    found = unrun_job(PLANNED, status, "nobody came", NOW)
    assert found.status is status
    assert job_status(found.steps) is status
    assert [step.status for step in found.steps] == [status, Status.BLOCKED, Status.BLOCKED]
    assert found.reason == "guest-create: nobody came"


def test_one_that_is_skipped_skips_every_step() -> None:
    found = unrun_job(PLANNED, Status.SKIP, "no HVM here", NOW)
    assert found.status is Status.SKIP
    assert {step.status for step in found.steps} == {Status.SKIP}
    assert found.reason == "no HVM here"


def test_what_was_cut_short_keeps_what_it_told() -> None:
    found = cut_short(run(Status.ABORTED), Status.BROKEN, "its worker was lost")
    assert (found.status, found.reason) == (Status.BROKEN, "its worker was lost")
    assert found.steps


def test_a_host_that_was_of_use_to_one_run_was_of_use() -> None:
    well = host()
    ill = well.model_copy(update={"unusable": "drained"})
    assert merged_hosts([well], [ill]) == (well,)
    assert merged_hosts([ill], [well]) == (well,)
    later = host(xen="4.20.0")
    assert merged_hosts([well], [later, host(name="rack2")]) == (later, host(name="rack2"))


def test_of_an_image_who_built_it_tells() -> None:
    built = IMAGE.model_copy(update={"reused": False, "build_seconds": 90.0})
    assert merged_images([IMAGE], [built]) == (built,)
    assert merged_images([built], [IMAGE]) == (built,)


def test_one_leak_is_a_leak_of_the_flight() -> None:
    good = StepResult(testid=LEAK_CHECK, status=Status.PASS, duration=1.0)
    bad = StepResult(testid=LEAK_CHECK, status=Status.BROKEN, duration=2.0, reason="an LV")
    assert merged_checks({}) is None
    assert merged_checks({"a": good}) == good
    found = merged_checks({"a": good, "b": bad})
    assert found
    assert (found.status, found.reason, found.duration) == (Status.BROKEN, "b: an LV", 3.0)


@pytest.mark.parametrize(
    ("job", "problems", "check", "ended", "status"),
    [
        (Status.PASS, [], None, True, Status.PASS),
        (Status.PASS, ["a leftover"], None, True, Status.BROKEN),
        (Status.FAIL, [], Status.BROKEN, True, Status.BROKEN),
        (Status.FAIL, [], Status.PASS, True, Status.FAIL),
        (Status.PASS, [], None, False, Status.ABORTED),
    ],
)
def test_a_flight_is_as_bad_as_its_worst(
    job: Status, problems: list[str], check: Status | None, ended: bool, status: Status
) -> None:
    found = joined_flight(
        HEAD,
        [run(job)],
        hosts=[host()],
        images=[IMAGE],
        problems=problems,
        check=StepResult(testid=LEAK_CHECK, status=check) if check else None,
        ended=NOW if ended else None,
        now=NOW + timedelta(hours=1),
    )
    assert found.status is status
    assert found.duration == (3600.0 if ended else 7200.0)
    assert found.flight_id == HEAD.flight_id
