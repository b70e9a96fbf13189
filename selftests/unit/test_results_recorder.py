"""The flight recorder: what is on disk at any moment, and what a kill leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from results_samples import IMAGE, PV, PVH, STEPS, Flight, failed_flight, header, planned

from harness.errors import LabError
from harness.results.layout import FlightDirectory, JobDirectory, earlier_path
from harness.results.load import load_results, recover_results
from harness.results.model import EvidenceResult, StepResult
from harness.results.recorder import FlightRecorder, write_atomically
from harness.status import Status


def test_whole_flight_is_on_disk_and_reads_back(tmp_path: Path) -> None:
    result = failed_flight(tmp_path / "f1")
    assert load_results(tmp_path / "f1" / "results.json") == result
    assert recover_results(tmp_path / "f1") == result
    pv, pvh = result.jobs
    assert (pv.status, pvh.status, result.status) == (Status.PASS, Status.FAIL, Status.BROKEN)
    assert pvh.reason == "guest-boot: the kernel could not mount its root filesystem"
    assert pvh.runvars == {"memory": "512M", "domid": "7"}
    assert (pv.duration, pvh.duration, result.duration) == (14.0, 14.0, 28.0)
    assert result.images == (IMAGE,)
    assert result.ended is not None


def test_killed_in_the_middle_of_a_step(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV), planned(PVH))
    flight.step(PV, "guest-create")
    flight.recorder.step_started(PV, "guest-boot")
    left = recover_results(tmp_path / "f1")
    assert (left.status, left.ended) == (Status.ABORTED, None)
    pv, pvh = left.jobs
    assert (pv.status, pvh.status) == (Status.ABORTED, Status.ABORTED)
    assert [step.status for step in pv.steps] == [Status.PASS, *[Status.ABORTED] * 6]
    assert pv.steps[1].reason == "the run ended in the middle of this step"
    assert pvh.started is None
    # The results file, written at the last finished step, says the same but for that step's reason.
    assert load_results(tmp_path / "f1").jobs[0].status is Status.ABORTED


def test_killed_after_a_failure_the_job_is_aborted_and_the_failure_still_told(
    tmp_path: Path,
) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.FAIL, reason="xl said no")
    job = load_results(tmp_path / "f1").jobs[0]
    assert job.status is Status.ABORTED
    assert job.reason == "guest-create: xl said no"
    assert [step.status for step in job.steps] == [Status.FAIL, *[Status.BLOCKED] * 6]


def test_killed_when_all_steps_were_done_the_job_keeps_its_status(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    for testid in STEPS:
        flight.step(PV, testid)
    left = load_results(tmp_path / "f1")
    assert (left.jobs[0].status, left.status) == (Status.PASS, Status.ABORTED)


def test_ended_job_with_steps_missing_after_a_failure_is_a_failure(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.FAIL)
    flight.recorder.job_ended(PV)
    assert flight.recorder.finish().status is Status.FAIL


def test_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create")
    before = recover_results(tmp_path / "f1")
    with (tmp_path / "f1" / "events.jsonl").open("a") as events:
        events.write('{"event": "step-finis')
    assert recover_results(tmp_path / "f1") == before


def test_events_are_one_ascii_line_each_and_flushed(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", evidence="\x1b[31m\x9b\u2028\n\u202eé")
    raw = (tmp_path / "f1" / "events.jsonl").read_bytes()
    assert raw.isascii()
    assert b"\x1b" not in raw
    kinds = [json.loads(line)["event"] for line in raw.decode().splitlines()]
    assert kinds == ["flight-started", "host-known", "image-ready", "step-started", "step-finished"]


def test_finish_can_only_make_it_worse_and_works_once(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.FAIL)
    flight.recorder.job_ended(PV)
    assert flight.recorder.finish(Status.PASS).status is Status.FAIL
    assert flight.recorder.finish(Status.ABORTED).status is Status.FAIL

    other = Flight(tmp_path / "f2")
    other.passing_job(PV)
    assert other.recorder.finish(Status.ABORTED).status is Status.ABORTED
    assert load_results(tmp_path / "f2").status is Status.ABORTED


def test_wall_clock_that_goes_back_does_not_break_the_record(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.clock.advance(-3600)
    flight.passing_job(PV)
    result = flight.recorder.finish()
    assert result.jobs[0].duration == 14.0
    assert result.duration == 0.0


def test_later_pass_does_not_hide_a_failure(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-gone", Status.BROKEN, reason="teardown")
    flight.step(PV, "guest-gone")
    assert flight.recorder.result.jobs[0].steps[-1].reason == "teardown"


def test_job_that_is_tried_again_keeps_what_was_before_apart(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    evidence = EvidenceResult(index=f"jobs/{PV}/evidence/index.json", asked=3, had=3)
    flight.step(PV, "guest-create", Status.BROKEN, reason="the pool is full")
    flight.recorder.job_ended(PV, host="rack1", evidence=evidence)
    flight.recorder.job_retried(PV)
    assert flight.recorder.result.jobs[0].status is Status.ABORTED, "it began, and has no end yet"
    flight.passing_job(PV)
    flight.recorder.job_ended(PV, host="rack2")
    result = flight.recorder.finish()
    (job,) = [job for job in result.jobs if job.name == PV]
    assert (job.status, job.host, job.evidence) == (Status.PASS, "rack2", None)
    (attempt,) = job.attempts
    assert (attempt.status, attempt.host) == (Status.BROKEN, "rack1")
    assert attempt.reason == "guest-create: the pool is full"
    assert attempt.console_log == f"jobs/{PV}/attempt-1/console.log"
    assert attempt.evidence
    assert attempt.evidence.index == f"jobs/{PV}/attempt-1/evidence/index.json"
    assert job.started
    assert attempt.started
    assert attempt.started < job.started
    assert recover_results(tmp_path / "f1") == result == load_results(tmp_path / "f1")


def test_files_of_an_attempt_are_put_by_and_never_over_those_of_another(tmp_path: Path) -> None:
    job = JobDirectory(tmp_path / "jobs" / PV)
    job.put_by()
    for number in (2, 3):
        job.console_log.write_text(f"attempt {number}")
        job.evidence.mkdir()
        (job.evidence / "index.json").write_text("{}")
        job.put_by()
    assert sorted(path.name for path in job.path.iterdir()) == [f"attempt-{n}" for n in (1, 2, 3)]
    for number in (2, 3):
        log = job.path / f"attempt-{number}" / "console.log"
        assert log.read_text() == f"attempt {number}"
        path = earlier_path(f"jobs/{PV}/console.log", number)
        assert tmp_path / path == log


def test_job_that_was_not_planned_is_refused(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    step = StepResult(testid="t", status=Status.PASS)
    with pytest.raises(ValueError, match="has no job 'nope'"):
        flight.recorder.step_finished("nope", step)
    assert recover_results(tmp_path / "f1").jobs[0].name == PV


def test_directory_of_another_flight_is_refused_and_untouched(tmp_path: Path) -> None:
    result = failed_flight(tmp_path / "f1")
    with pytest.raises(LabError, match="there already; nothing was overwritten"):
        FlightRecorder(tmp_path / "f1", header())
    assert load_results(tmp_path / "f1") == result


def test_place_that_cannot_be_written_is_a_lab_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"cannot record the flight in .*Not a directory"):
        FlightRecorder(tmp_path / "file" / "f1", header())


def test_directory_removed_meanwhile_is_a_lab_error(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    (tmp_path / "f1").rename(tmp_path / "moved")
    with pytest.raises(LabError, match=r"cannot record the flight in .*events\.jsonl"):
        flight.recorder.problem("x")


@pytest.mark.parametrize("before", ["nothing", "other flight", "dangling", "file"])
def test_latest_leads_to_the_newest_flight(tmp_path: Path, before: str) -> None:
    latest = tmp_path / "latest"
    if before == "other flight":
        failed_flight(tmp_path / "f0")
    elif before == "dangling":
        latest.symlink_to("gone")
    elif before == "file":
        latest.write_text("")
    result = failed_flight(tmp_path / "f1")
    assert str(latest.readlink()) == "f1"
    assert load_results(latest) == result
    assert sorted(path.name for path in tmp_path.glob(".latest*")) == []


def test_latest_that_is_a_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(LabError, match=f"f1: {tmp_path / 'latest'}: Is a directory"):
        FlightRecorder(tmp_path / "f1", header())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f1", "latest"]


def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "one")
    write_atomically(tmp_path / "a", "two")
    assert (tmp_path / "a").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_names_of_files(tmp_path: Path) -> None:
    files = FlightDirectory.of(tmp_path, "f1")
    assert files.path == tmp_path / "runs" / "f1"
    assert files.latest == tmp_path / "runs" / "latest"
    job = files.job(PV)
    assert files.relative(job.console_log) == f"jobs/{PV}/console.log"
    assert {path.name for path in (job.console_cast, job.xl_cfg)} == {"console.cast", "xl.cfg"}


@pytest.mark.parametrize("name", ["..", "a/b", "", "-x", ".hidden", "a b", "a\n"])
def test_names_that_would_leave_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a directory"):
        FlightDirectory(tmp_path).job(name)


def test_flight_called_latest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="latest"):
        FlightDirectory.of(tmp_path, "latest")


def test_packages_of_an_image_are_beside_the_results(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight")
    assert not flight.recorder.files.packages("k").exists()
    flight.recorder.image_ready(IMAGE, {"systemd": "252.39-1", "libc6": "2.36-9"})
    file = flight.recorder.files.packages(IMAGE.key)
    assert json.loads(file.read_text()) == {"libc6": "2.36-9", "systemd": "252.39-1"}
    shutil.rmtree(flight.recorder.files.path)
    with pytest.raises(LabError, match="cannot record the flight in"):
        flight.recorder.image_ready(IMAGE, {"libc6": "1"})
