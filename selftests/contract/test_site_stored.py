"""Pages out of a store, on both engines: the same as out of the directories of its flights."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from storelab import JOB, OTHER, Flying, about, flight, host, job, put

from harness.bench.runs import write_runs
from harness.errors import UsageError
from harness.results.layout import FlightDirectory
from harness.site.archive import Archive
from harness.site.choose import choose
from harness.site.directories import DirectoryArchive
from harness.site.site import Site
from harness.site.stored import Statuses, StoreArchive
from harness.status import Status
from harness.store.importing import import_files
from harness.store.junit.flight import Said
from harness.store.put import ALIVE, Given
from harness.store.store import Store
from harness.store.writer import StoreWriter
from harness.wait import Deadline, NotYet, wait_for

MADE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def runs(tmp_path: Path, store: Store) -> Path:
    """Six flights of four jobs, in directories and in *store*."""
    folder = tmp_path / "runs"
    write_runs(folder, 6, jobs=4)
    retried = Flying(folder / "retried-1", None)
    retried.retried(JOB, "rack1")
    retried.job(JOB, host="rack1")
    retried.job(OTHER)
    retried.recorder.finish()
    done = import_files(store, [folder], Said(), Given())
    assert not done.refused
    return folder


def pages(archive: Archive, *flights: str) -> dict[str, bytes | Path]:
    return dict(Site(archive, flights, made=MADE).outputs())


def test_pages_are_the_same_as_out_of_directories(runs: Path, store: Store) -> None:
    there, here = StoreArchive(store, now=MADE), DirectoryArchive.below(runs, now=MADE)
    flights = [head.flight for head in here.heads()]
    assert [head.flight for head in there.heads()] == flights
    expected = pages(here, *flights)
    assert len([path for path in expected if path.endswith("index.html")]) > 30
    found = pages(there, *flights)
    assert found.keys() == expected.keys()
    assert [path for path in expected if expected[path] != found[path]] == []


def test_a_flight_whose_directory_is_gone(runs: Path, store: Store) -> None:
    newest = DirectoryArchive.below(runs).heads()[0].flight
    expected = DirectoryArchive.below(runs).result(newest)
    shutil.rmtree(runs / newest)
    archive = StoreArchive(store)
    assert archive.directory(newest) is None
    assert archive.verdict(newest) is None
    assert archive.result(newest) == expected
    assert pages(archive, newest)
    with pytest.raises(UsageError, match="there is no flight 'nightly-x' in the store"):
        archive.result("nightly-x")


def test_a_directory_that_is_another_flights_by_now(runs: Path, store: Store) -> None:
    one, other = (head.flight for head in DirectoryArchive.below(runs).heads()[:2])
    shutil.rmtree(runs / one)
    (runs / other).rename(runs / one)
    archive = StoreArchive(store)
    assert archive.directory(one) is None
    assert archive.result(one).flight_id == one


def test_a_flight_that_runs_is_in_it_and_its_jobs_are_read_again(
    store: Store, tmp_path: Path
) -> None:
    known: Statuses = {}
    put(store, flight(1))

    def head(now: datetime) -> tuple[bool, Status]:
        archive = StoreArchive(store, now=now, known=known)
        found = next(one for one in archive.heads() if one.flight == "f1")
        return found.running, found.jobs[JOB]

    place = FlightDirectory(tmp_path / "f1")
    writer = StoreWriter(store, about(directory=str(place.path)), place)
    flying = Flying(place.path, writer, [JOB])
    flying.step(JOB, "guest-create")
    wait_for(lambda: _in(store, "f1"), what="the flight in the store", deadline=soon())
    heard = datetime.now(UTC)
    assert head(heard) == (True, Status.ABORTED)
    assert head(heard + ALIVE * 2) == (False, Status.ABORTED), "nobody hears of it any more"
    for testid in ("guest-boot", "guest-ssh", "guest-gone"):
        flying.step(JOB, testid)
    flying.recorder.job_ended(JOB)
    flying.recorder.finish()
    assert writer.close() == []
    assert head(heard) == (False, Status.PASS)


def soon() -> Deadline:
    return Deadline.after(timedelta(seconds=30))


def _in(store: Store, flight_id: str) -> None:
    archive = StoreArchive(store)
    if flight_id not in {head.flight for head in archive.heads()}:
        raise NotYet(flight_id)


def test_one_host_and_its_last_attempts_only(runs: Path, store: Store) -> None:
    found = StoreArchive(store).runs_on("rack1")
    retried = [run for run in found if run.flight == "retried-1"]
    assert [(run.job, run.attempts, run.status) for run in retried if run.job == JOB] == [
        (JOB, 2, Status.PASS)
    ]
    assert StoreArchive(store).runs_on("nobody") == []


# -- which flights ------------------------------------------------------------------------


def test_the_store_goes_before_directories(
    runs: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs.parent)
    put(store, flight(9, job(), hosts=(host(),)))
    chosen = choose(["smoke-000009"], store=store)
    assert chosen.flights == ("smoke-000009",)
    assert len(chosen.archive.heads()) == 8
    assert choose(["retried-1"], runs=runs, store=store).archive.heads()[0].flight == "retried-1"
    assert len(choose([], store=store, every=True).flights) == 8
    with pytest.raises(UsageError, match="no flight 'nobody' is in the store"):
        choose(["nobody"], store=store)


def test_a_flight_that_the_store_lacks_is_told_of(runs: Path, store: Store) -> None:
    flying = Flying(runs / "late-1", None)
    flying.job(JOB)
    flying.recorder.finish()
    chosen = choose([str(runs / "late-1")], store=store)
    assert chosen.flights == ("late-1",)
    assert isinstance(chosen.archive, DirectoryArchive)
    (said,) = chosen.unread
    assert said.startswith("the store, which lacks late-1; to take it in: xenflight db import ")


def test_the_newest_comes_out_of_the_store_where_there_are_no_directories(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no flight 'latest' is in the store"):
        choose([], store=store)
    put(store, flight(1))
    put(store, flight(2))
    assert choose([], store=store).flights == ("smoke-000002",)
