"""One flight out of its parts, judged by the same rules as any."""

from __future__ import annotations

from pathlib import Path

import pytest
from storelab import JOB, OTHER, STEPS, Flying

from harness.cli.merging import part_directories, require_all_shards
from harness.errors import UsageError
from harness.flight.build import build_plan
from harness.flight.plan import to_json
from harness.report.merge import merge_flights, read_part
from harness.results.load import load_results, recover_results
from harness.results.model import FlightResult, StepResult
from harness.schedule.shard import take_shard
from harness.status import Status
from harness.steps import LEAK_CHECK

ROOT = Path(__file__).parents[2]


def fly(directory: Path, job: str, status: Status = Status.PASS, *, end: bool = True) -> Path:
    """A flight of one job."""
    flying = Flying(directory, None, [job])
    for testid in STEPS:
        flying.step(job, testid, status if testid == "guest-boot" else Status.PASS)
    flying.recorder.job_ended(job, host="rack1")
    console = directory / "jobs" / job / "console.log"
    console.parent.mkdir(parents=True, exist_ok=True)
    console.write_text(f"console of {job}\n")
    if end:
        flying.recorder.finish()
    return directory


def merged(tmp_path: Path, *paths: Path, wanted: tuple[str, ...] = ()) -> FlightResult:
    parts = [read_part(path) for path in paths]
    return merge_flights(parts, tmp_path / "reports", "smoke-whole", wanted=wanted, command="merge")


def test_the_whole_has_the_jobs_of_all_parts_and_their_files(tmp_path: Path) -> None:
    whole = merged(tmp_path, fly(tmp_path / "a", JOB), fly(tmp_path / "b", OTHER, Status.FAIL))
    assert {job.name: job.status for job in whole.jobs} == {JOB: Status.PASS, OTHER: Status.FAIL}
    assert whole.status is Status.FAIL
    directory = tmp_path / "reports" / "runs" / "smoke-whole"
    assert load_results(directory) == recover_results(directory) == whole
    assert (directory / "jobs" / OTHER / "console.log").read_text() == f"console of {OTHER}\n"
    assert (directory / "junit.xml").read_text().count("<testsuite ") == 2
    assert (directory.parent / "latest").resolve() == directory.resolve()
    assert [host.name for host in whole.hosts] == ["rack1"]
    assert len(whole.images) == 1


def test_a_part_that_was_killed_makes_the_whole_aborted(tmp_path: Path) -> None:
    whole = merged(tmp_path, fly(tmp_path / "a", JOB), fly(tmp_path / "b", OTHER, end=False))
    assert whole.status is Status.ABORTED
    assert {job.status for job in whole.jobs} == {Status.PASS}


def test_a_job_that_is_in_no_part_is_a_problem(tmp_path: Path) -> None:
    whole = merged(tmp_path, fly(tmp_path / "a", JOB), wanted=(JOB, OTHER))
    assert whole.status is Status.BROKEN
    assert whole.problems == (f"{OTHER} is in no part of the flight: it was not told of",)


def test_problems_and_leaks_of_any_part_are_the_whole_s(tmp_path: Path) -> None:
    for name, job in (("a", JOB), ("b", OTHER)):
        flying = Flying(tmp_path / name, None, [job])
        flying.job(job)
        flying.recorder.problem(f"left behind by {name}")
        status = Status.BROKEN if name == "b" else Status.PASS
        check = StepResult(testid=LEAK_CHECK, status=status, reason=f"{name}: an LV")
        flying.recorder.flight_checked(check)
        flying.recorder.finish()
    whole = merged(tmp_path, tmp_path / "a", tmp_path / "b")
    assert set(whole.problems) == {"left behind by a", "left behind by b"}
    assert whole.leak_check
    assert (whole.leak_check.status, whole.leak_check.reason) == (Status.BROKEN, "b: an LV")


def test_what_is_no_parts_of_one_flight_is_refused(tmp_path: Path) -> None:
    one, same = fly(tmp_path / "a", JOB), fly(tmp_path / "b", JOB)
    with pytest.raises(UsageError, match="is in two parts: a and b"):
        merged(tmp_path, one, same)
    with pytest.raises(UsageError, match="nothing to merge"):
        merged(tmp_path)
    part = read_part(fly(tmp_path / "c", OTHER))
    header = part.header.model_copy(update={"flight": "nightly"})
    other = type(part)(files=part.files, header=header, events=part.events)
    with pytest.raises(UsageError, match="parts of several flights: nightly, smoke"):
        merge_flights([read_part(one), other], tmp_path, "x", command="merge")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    one = fly(tmp_path / "a", JOB)
    merged(tmp_path, one)
    with pytest.raises(UsageError, match="is there already"):
        merged(tmp_path, one)


def test_parts_are_found_in_folders_each_once(tmp_path: Path) -> None:
    one, two = fly(tmp_path / "runs" / "a", JOB), fly(tmp_path / "runs" / "b", OTHER)
    assert part_directories([tmp_path]) == [one, two]
    assert part_directories([one, tmp_path / "runs"]) == [one, two]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no flight in"):
        part_directories([tmp_path / "empty"])
    latest = tmp_path / "runs" / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(two.name)
    assert part_directories([latest]) == [two]
    assert part_directories([latest, tmp_path]) == [two, one]


def test_of_shards_all_must_be_there(tmp_path: Path) -> None:
    plan = build_plan(str(ROOT / "flights" / "matrix.yaml"))
    paths = []
    for index in (1, 2, 3):
        path = tmp_path / str(index)
        path.mkdir()
        shard = take_shard(plan, f"{index}/3", token="000001")
        (path / "plan.json").write_text(to_json(shard))
        paths.append(path)
    require_all_shards(paths)
    require_all_shards([])
    with pytest.raises(UsageError, match="shards are missing: 2/3"):
        require_all_shards([paths[0], paths[2]])
    (paths[1] / "plan.json").write_text(to_json(take_shard(plan, "2/4", token="000001")))
    with pytest.raises(UsageError, match="different counts"):
        require_all_shards(paths)
