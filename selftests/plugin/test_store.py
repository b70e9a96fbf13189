"""A run writes its flight into the store; whatever is wrong there changes no verdict."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.results.load import load_results, recover_results
from harness.status import Status
from harness.store.importing import import_files
from harness.store.junit.flight import Said
from harness.store.look import job_lines, list_flights
from harness.store.names import find_flight
from harness.store.put import Given
from harness.store.spool import pending
from harness.store.store import Store
from harness.store.url import VARIABLE, find_store
from harness.store.whole import read_flight
from plugin.project import PV, PVH, RETRY, Project


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = tmp_path / "history.db"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def opened(path: Path) -> Store:
    url = find_store(str(path), {})
    assert url is not None
    return Store(url)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_flight_is_in_the_store_as_in_its_results(
    project: Project, file: Path, workers: tuple[str, ...]
) -> None:
    result = project.run(*workers, "--branch", "xen-unstable", "--blessing", "real")
    assert result.ret == 0
    with opened(file) as store, store.reading() as connection:
        (line,) = list_flights(connection, now=datetime.now(UTC))
        found = read_flight(connection, find_flight(connection, "latest"))
    assert found == load_results(project.flight_directory)
    assert (line.branch, line.blessing) == ("xen-unstable", "real")
    assert (line.running, line.jobs) == (False, {Status.PASS: 2})
    beside = json.loads((project.flight_directory / "history.json").read_text())
    assert beside == {"branch": "xen-unstable", "blessing": "real"}


def test_the_branch_is_the_flights_name_and_the_blessing_adhoc(
    project: Project, file: Path
) -> None:
    project.run()
    with opened(file) as store, store.reading() as connection:
        (line,) = list_flights(connection, now=datetime.now(UTC))
    assert (line.branch, line.blessing) == ("smoke", "adhoc")


def test_without_a_store_nothing_is_written(project: Project, file: Path) -> None:
    assert project.run("--store", "none").ret == 0
    assert not file.exists()


def test_a_store_that_is_broken_changes_no_verdict(project: Project, file: Path) -> None:
    file.write_text("this is no database\n" * 300)
    result = project.run()
    assert result.ret == 0
    assert project.results["status"] == "pass"
    assert project.results["problems"] == []
    result.stdout.fnmatch_lines(["*not in the history: the store */history.db is no database*"])
    with opened(file) as store:
        assert len(pending(store.url.spool)) == 1


def test_what_fails_still_fails(project: Project, file: Path) -> None:
    file.write_text("this is no database\n" * 300)
    project.suite("def test_guest_boot(guest): assert 1 == 2")
    assert project.run().ret == 5
    assert {job["status"] for job in project.results["jobs"]} == {"fail"}
    assert {job["name"] for job in project.results["jobs"]} == {PV, PVH}


RETRIED = """
from pathlib import Path
from harness.errors import LabError

def test_guest_boot(guest):
    seen = Path({seen!r})
    if not seen.exists():
        seen.touch()
        raise LabError("the pool is full")
def test_guest_gone(guest): guest.note("gone")
"""


def test_both_attempts_of_a_job_are_in_the_store(project: Project, file: Path) -> None:
    project.suite(RETRIED.format(seen=str(project.path / "seen")))
    assert project.run("--only", "*-pv-*", RETRY).ret == 0
    with opened(file) as store, store.reading() as connection:
        assert read_flight(connection, find_flight(connection, "latest")) == load_results(
            project.flight_directory
        )
        lines = job_lines(connection, PV)
        (line,) = list_flights(connection, now=datetime.now(UTC))
    assert [(line.attempt, line.status) for line in lines] == [
        (2, Status.PASS),
        (1, Status.BROKEN),
    ]
    assert [line.host for line in lines] == ["rack", "rack"]
    assert line.jobs == {Status.PASS: 1}


KILLED = """
import os
import signal
import sqlite3
from contextlib import closing
from datetime import timedelta
from harness.wait import Deadline, NotYet, wait_for

def test_guest_boot(guest): guest.note("boot")
def test_guest_gone(guest):
    def known():
        words = "SELECT count(*) FROM steps WHERE testid = 'guest-boot' AND status = 'pass'"
        try:
            with closing(sqlite3.connect("file:" + {file!r} + "?mode=ro", uri=True)) as store:
                found = store.execute(words).fetchone()[0]
        except sqlite3.OperationalError as error:
            raise NotYet(str(error))
        if not found:
            raise NotYet("the step before is not in the store")

    wait_for(known, what="the store", deadline=Deadline.after(timedelta(seconds=60)))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_controller_that_is_killed_leaves_a_true_record(project: Project, file: Path) -> None:
    project.suite(KILLED.format(file=str(file)))
    assert project.run_apart().ret == -signal.SIGKILL
    with opened(file) as store:
        with store.reading() as connection:
            (alive,) = list_flights(connection, now=datetime.now(UTC))
            (line,) = list_flights(connection, now=datetime.now(UTC) + timedelta(days=1))
            found = read_flight(connection, find_flight(connection, "latest"))
        assert (alive.running, line.running, line.status) == (True, False, Status.ABORTED)
        job = found.jobs[0]
        assert job.status is Status.ABORTED
        assert (job.steps[0].testid, job.steps[0].status) == ("guest-boot", Status.PASS)
        # All that was written down comes with an import of its directory.
        import_files(store, [project.flight_directory.resolve()], Said(), Given())
        with store.reading() as connection:
            again = read_flight(connection, find_flight(connection, "latest"))
    assert again == recover_results(project.flight_directory)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--store", "mysql://h/d", "no kind of store"),
        ("--store", "postgresql://u:secretsecret@h/d", "password on the command line"),
        ("--branch", "a b", "can't name a branch"),
        ("--blessing", "Real!", "is no blessing"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(
    project: Project, file: Path, option: str, value: str, said: str
) -> None:
    result = project.run(option, value)
    assert result.ret == 2
    text = result.stdout.str() + result.stderr.str()
    assert said in text
    assert "secretsecret" not in text
    assert not (project.path / "reports").exists()
    assert project.did == []
