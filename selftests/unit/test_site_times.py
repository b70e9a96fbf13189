"""Where the time of a flight went."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from site_samples import RUNS, SMOKE, START, flight, job, recorded_site

from harness.results.model import HostFacts, PhaseResult, StepResult
from harness.site import paths
from harness.site.times import Kind, times_of
from harness.status import Status
from harness.steps import LEAK_CHECK

BEGAN = START + timedelta(days=1)


def step(testid: str, at: float, seconds: float, **more: object) -> StepResult:
    values = {"status": Status.PASS, **more}
    started = BEGAN + timedelta(seconds=at)
    return StepResult(testid=testid, started=started, duration=seconds, **values)  # type: ignore[arg-type]


def one_job(slot: str = "1") -> object:
    waits = (
        PhaseResult(name="image", started=0.0, duration=20.0),
        PhaseResult(name="slot", started=20.0, duration=10.0),
    )
    return job(
        1,
        step("guest-create", 0, 40, phases=waits),
        step("guest-boot", 40, 50),
        step("guest-gone", 90, 5),
        step(LEAK_CHECK, 110, 3),
        host="rack1",
        started=BEGAN,
        duration=105.0,
        runvars={"slot": slot},
    )


def test_a_job_s_time_is_told_apart() -> None:
    found = times_of(flight(1, [one_job()]), None)  # type: ignore[list-item]
    lanes = {(lane.host, lane.slot): lane.spans for lane in found.lanes}
    assert set(lanes) == {("", "waiting"), ("rack1", "1")}
    assert [(one.kind, one.begin, one.length) for one in lanes["rack1", "1"]] == [
        (Kind.STEP, 30.0, 10.0),
        (Kind.BOOT, 40.0, 50.0),
        (Kind.STEP, 90.0, 5.0),
        (Kind.TEARDOWN, 95.0, 10.0),
        (Kind.CHECK, 110.0, 3.0),
    ]
    assert [one.what for one in lanes["", "waiting"]] == ["waits: image", "waits: slot"]
    assert found.spent[Kind.WAIT] == 30
    assert found.total == 300


def test_slots_and_hosts_have_lines_of_their_own() -> None:
    hosts = tuple(HostFacts(name=name, kind="ssh") for name in ("rack1", "rack2"))
    result = flight(1, [one_job("2"), one_job("10")], hosts=hosts)  # type: ignore[list-item]
    lanes = [(lane.host, lane.slot) for lane in times_of(result, None).lanes]
    assert lanes == [("", "waiting"), ("rack1", "2"), ("rack1", "10")]


def test_nothing_ran_is_no_error() -> None:
    assert times_of(flight(1, []), Path("/nowhere")).lanes == ()


def test_builds_are_in_the_events_of_a_recorded_flight() -> None:
    site = recorded_site()
    kinds = set()
    for head in site.flights:
        directory = site.kit.archive.directory(head.flight)
        found = times_of(site.kit.archive.result(head.flight), directory)
        kinds |= {kind for kind, seconds in found.spent.items() if seconds}
        assert all(0 <= one.begin <= found.total for lane in found.lanes for one in lane.spans)
    assert {Kind.STEP, Kind.BOOT, Kind.TEARDOWN} <= kinds


def test_the_page_is_part_of_the_site_and_linked_to() -> None:
    site = recorded_site(SMOKE)
    outputs = {one.path: one.body for one in site.outputs()}
    path = paths.times(SMOKE)
    assert site.find(path) is not None
    page, flight_page = outputs[path], outputs[paths.flight(SMOKE)]
    assert isinstance(page, bytes)
    assert isinstance(flight_page, bytes)
    assert b"Where the time went" in page
    assert b'class="k-boot"' in page
    assert paths.times(SMOKE).encode() in flight_page
    assert RUNS.is_dir()
