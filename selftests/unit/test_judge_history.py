"""History in memory, and out of the directories of flights."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from history_contract import HistoryContract
from judge_samples import flight
from results_samples import HOST, IMAGE, PV, STEPS, Flight, failed_flight, passed_flight

from harness.cache import content_key
from harness.judge.history import FlightRecord, History
from harness.judge.memory import MemoryHistory
from harness.judge.records import flight_record
from harness.judge.runs import load_runs, read_flight
from harness.results.belonging import Belonging, write_belonging
from harness.results.layout import FlightDirectory
from harness.results.revisions import revisions_of
from harness.status import Status


class TestMemory(HistoryContract):
    """`MemoryHistory` is a `History`."""

    def history_of(self, flights: Sequence[FlightRecord]) -> History:
        return MemoryHistory(flights)


def test_a_flight_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="flight 1 is there twice"):
        MemoryHistory([flight("1", "a", {}), flight("1", "b", {})])


def test_a_flight_of_results_as_a_record(tmp_path: Path) -> None:
    result = failed_flight(tmp_path / "smoke-1")
    found = flight_record(result)
    assert (found.flight, found.branch, found.blessing) == ("smoke-1", "smoke", "adhoc")
    job = next(job for job in found.jobs if job.status is Status.FAIL)
    assert job.host == HOST.name
    assert dict(job.revisions) == {
        "xen": HOST.xen_version,
        "dom0-kernel": HOST.dom0_kernel,
        "image": IMAGE.key,
        "definition": content_key("memory=512M"),
    }
    assert [step.testid for step in job.steps] == list(STEPS)
    step = next(step for step in job.steps if step.status is Status.FAIL)
    assert step.fingerprint is not None
    assert "Kernel panic - not syncing: VFS: Unable to mount root fs" in step.fingerprint


def test_a_run_that_failed_early_has_the_revisions_of_one_that_passed(tmp_path: Path) -> None:
    failed = flight_record(failed_flight(tmp_path / "smoke-1"))
    passed = flight_record(passed_flight(tmp_path / "smoke-2"))
    assert {str(job.revisions) for job in failed.jobs} == {
        str(job.revisions) for job in passed.jobs
    }


def test_a_job_that_was_defined_otherwise_tests_something_else(tmp_path: Path) -> None:
    result = passed_flight(tmp_path / "smoke-1")
    (job,) = result.jobs

    def definition(**runvars: str) -> str:
        changed = job.model_copy(update={"runvars": {**job.runvars, **runvars}})
        return revisions_of(result, changed)["definition"]

    assert definition() == definition(guest_ip="10.0.0.1", domain="xf.smoke-1")
    assert definition() != definition(kernel_args="root=/dev/nowhere")
    assert definition(kernel_args="", packages="a") != definition(kernel_args="a", packages="")


def test_a_flight_whose_host_was_never_known(tmp_path: Path) -> None:
    result = passed_flight(tmp_path / "smoke-1").model_copy(update={"hosts": (), "images": ()})
    (job,) = flight_record(result).jobs
    assert set(job.revisions) == {"definition"}
    assert job.host is None


def test_of_several_images_all_count(tmp_path: Path) -> None:
    result = passed_flight(tmp_path / "smoke-1")
    other = IMAGE.model_copy(update={"key": "another"})
    foreign = IMAGE.model_copy(update={"key": "trixie", "dist": "trixie"})
    result = result.model_copy(update={"images": (IMAGE, other, foreign)})
    (job,) = (job for job in flight_record(result).jobs if job.job == PV)
    assert job.revisions["image"] == f"another+{IMAGE.key}"


def test_flights_below_a_directory(tmp_path: Path) -> None:
    for name in ("smoke-1", "smoke-2"):
        passed_flight(tmp_path / name)
    (tmp_path / "smoke-1" / "verdict.json").write_text('{"gate": "open"}')
    found = load_runs(tmp_path)
    assert found.unread == ()
    assert set(found.history.flights("smoke", None, 9)) == {"smoke-1", "smoke-2"}
    assert {f: _gate(found.history, f) for f in ("smoke-1", "smoke-2")} == {
        "smoke-1": True,
        "smoke-2": None,
    }
    moved = load_runs(tmp_path, branches={"smoke": "nightly"}).history
    assert len(moved.flights("nightly", None, 9)) == 2
    kept = load_runs(tmp_path, branches={"other": "nightly"}).history
    assert len(kept.flights("smoke", None, 9)) == 2


def test_what_stands_beside_the_results_goes_before_what_is_given(tmp_path: Path) -> None:
    passed_flight(tmp_path / "smoke-1")
    passed_flight(tmp_path / "smoke-2")
    beside = Belonging(branch="xen-unstable", blessing="real")
    write_belonging(FlightDirectory(tmp_path / "smoke-1"), beside)
    found = load_runs(tmp_path, branches={"smoke": "nightly"}, blessing="play").history
    known = [found.flight(name) for name in ("smoke-1", "smoke-2")]
    assert [(one.branch, one.blessing) for one in known if one] == [
        ("xen-unstable", "real"),
        ("nightly", "play"),
    ]
    (tmp_path / "smoke-2" / "history.json").write_text('{"branch": "b"}')
    (said,) = load_runs(tmp_path).unread
    assert "smoke-2/history.json: the file is damaged: 'blessing'" in said
    # Of the flight in question somebody may say something else.
    one = read_flight(tmp_path / "smoke-1", branch="b")
    assert (one.branch, one.blessing) == ("b", "real")


def test_each_attempt_of_a_job_is_a_run(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "smoke-1")
    flight.recorder.host_known(HOST.model_copy(update={"name": "rack2", "xen_version": "4.20.0"}))
    flight.step(PV, "guest-create", facts={"domid": "3"})
    flight.step(PV, "guest-boot", Status.BROKEN, reason="dom0 does not answer")
    flight.recorder.job_ended(PV, host=HOST.name)
    flight.recorder.job_retried(PV)
    flight.passing_job(PV)
    flight.recorder.job_ended(PV, host="rack2", runvars={"domid": "4"})
    first, second = flight_record(flight.recorder.finish()).jobs
    assert (first.host, first.status, first.revisions["xen"]) == (
        HOST.name,
        Status.BROKEN,
        "4.17.5",
    )
    assert first.steps[1].fingerprint == "dom0 does not answer"
    assert (second.host, second.status, second.revisions["xen"]) == (
        "rack2",
        Status.PASS,
        "4.20.0",
    )
    assert first.started < second.started


def _gate(history: History, name: str) -> bool | None:
    found = history.flight(name)
    assert found is not None
    return found.gate_open


def test_what_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    passed_flight(tmp_path / "smoke-1")
    passed_flight(tmp_path / "smoke-2")
    results = tmp_path / "smoke-2" / "results.json"
    results.write_text(results.read_text()[:-50])
    (tmp_path / "notes").mkdir()
    found = load_runs(tmp_path)
    assert list(found.history.flights("smoke", None, 9)) == ["smoke-1"]
    (said,) = found.unread
    assert str(results) in said
    assert "damaged" in said


def test_where_there_is_no_directory_there_is_no_history(tmp_path: Path) -> None:
    assert load_runs(tmp_path / "none").history.flights("smoke", None, 9) == []


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ('{"gate": "open"}', True),
        ('{"gate": "shut"}', False),
        ('{"gate": ["open"]}', None),
        ('{"gate": "ajar"}', None),
        ("[]", None),
        ('{"gate": "op', None),
        ("\udcff", None),
    ],
)
def test_a_verdict_that_makes_no_sense_opened_nothing(
    tmp_path: Path, text: str, gate: bool | None
) -> None:
    passed_flight(tmp_path / "smoke-1")
    file = FlightDirectory(tmp_path / "smoke-1").verdict
    file.write_bytes(os.fsencode(text))
    assert read_flight(tmp_path / "smoke-1").gate_open is gate


def test_a_flight_that_the_operator_ended_has_not_come_to_its_end(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "smoke-1")
    flight.passing_job(PV)
    flight.recorder.finish(Status.ABORTED)
    found = read_flight(tmp_path / "smoke-1")
    assert not found.ended
    assert {job.status for job in found.jobs} == {Status.PASS}


def test_a_flight_that_still_runs_has_not_ended(tmp_path: Path) -> None:
    Flight(tmp_path / "smoke-1").step(PV, STEPS[0])
    assert not read_flight(tmp_path / "smoke-1").ended
    data = json.loads((tmp_path / "smoke-1" / "results.json").read_text())
    assert data["ended"] is None
