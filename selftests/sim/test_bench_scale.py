"""``xenflight bench scale``, small: a flight of many jobs on hosts of which one is lost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.bench.fleet import Fleet, Flown, Size
from harness.bench.flying import STEPS, now
from harness.bench.saving import Saver
from harness.bench.scale import measure_scale
from harness.errors import UsageError
from harness.progress import silent
from harness.results.load import load_results
from harness.schedule.forecast import lower_bound
from harness.status import Status
from harness.store.about import About
from harness.store.look import list_flights
from harness.store.store import Store
from harness.store.url import find_store

SMALL = Size(hosts=3, jobs=18, losses=1)


def fly(size: Size, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Flown, Store]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
    url = find_store(str(directory / "history.db"))
    assert url
    store = Store(url)
    about = About(branch="scale", blessing="adhoc", controller="ctl", directory=str(directory))
    return Fleet(size, directory, Saver(store, about, now), silent).fly(), store


def test_all_jobs_come_to_their_end_and_a_lost_host_costs_one_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flown, store = fly(SMALL, tmp_path, monkeypatch)
    jobs = flown.result.jobs
    assert len(jobs) == len(flown.took) == SMALL.jobs
    assert {job.status for job in jobs} <= {Status.PASS, Status.FAIL}
    failed = [job for job in jobs if job.status is Status.FAIL]
    assert failed
    assert {job.reason for job in failed} == {"guest-work: drawn to fail"}
    assert all(len(job.steps) == len(STEPS) + 1 for job in jobs), "and its leak check"
    # What ran on the lost host then was broken, and was tried once more elsewhere.
    again = [job for job in jobs if job.attempts]
    assert flown.lost == len(again) == 1
    (lost,) = flown.hosts
    assert (again[0].attempts[0].host, again[0].attempts[0].status) == (lost, Status.BROKEN)
    assert again[0].host != lost
    bound = lower_bound(flown.took.values(), SMALL.hosts)
    assert 1 <= flown.makespan / bound < 1.5
    assert flown.first_failure
    # In the record, and in the store, it is the same flight, in simulated time.
    (directory,) = (path for path in tmp_path.glob("scale-*") if path.is_dir())
    assert load_results(directory) == flown.result
    assert flown.result.duration >= flown.makespan
    with store, store.reading() as connection:
        (line,) = list_flights(connection, now=now())
    assert sum(line.jobs.values()) == SMALL.jobs


def test_the_same_again_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(SMALL, jobs=5)
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        flown, store = fly(small, tmp_path / name, monkeypatch)
        store.close()
        found.append((flown.hosts, sorted(flown.took)))
    assert found[0] == found[1]


def test_more_hosts_cannot_be_lost_than_there_are() -> None:
    with pytest.raises(UsageError, match="only 2 hosts"):
        measure_scale(Size(hosts=2, jobs=3, losses=3), silent)


def test_a_host_that_is_gone_at_the_end_is_a_problem_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One job to a host: a host that is lost in the middle has no power yet when all is over."""
    flown, store = fly(Size(hosts=4, jobs=4, losses=1), tmp_path, monkeypatch)
    store.close()
    (lost,) = flown.hosts
    assert any(lost in problem for problem in flown.result.problems)
    assert {job.status for job in flown.result.jobs} <= {Status.PASS, Status.FAIL, Status.BROKEN}
