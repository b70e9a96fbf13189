"""A controller that is killed, a server that goes away, tables as migrations make them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres import PostgresServer, find_programs, running_postgres
from storelab import JOB, NOW, OTHER, Flying, about, flight, put, url_of

from harness.results.layout import FlightDirectory
from harness.results.load import load_results, recover_results
from harness.status import Status
from harness.store.faults import StoreError
from harness.store.importing import import_files
from harness.store.junit.flight import Said
from harness.store.look import list_flights
from harness.store.names import find_flight
from harness.store.put import Given, Outcome
from harness.store.schema import VERSION_TABLE, VERSIONS
from harness.store.spool import pending
from harness.store.store import Store
from harness.store.tables import Base
from harness.store.whole import read_flight
from harness.store.writer import StoreWriter
from harness.wait import Deadline, NotYet, wait_for

HERE = Path(__file__).parents[1]
FLY = """
import sys
from pathlib import Path
from storelab import JOB, OTHER, Flying, about, url_of
from harness.results.layout import FlightDirectory
from harness.store.store import Store
from harness.store.writer import StoreWriter

directory = Path(sys.argv[2])
writer = StoreWriter(
    Store(url_of(sys.argv[1])), about(directory=str(directory)), FlightDirectory(directory)
)
flying = Flying(directory, writer)
flying.job(JOB)
flying.recorder.step_started(OTHER, "guest-create")
print("flying", flush=True)
sys.stdin.read()
"""
SOON = timedelta(seconds=120)


def status_of(store: Store, flight_id: str) -> tuple[list[Status], bool]:
    with store.reading() as connection:
        found = read_flight(connection, find_flight(connection, flight_id))
    return [job.status for job in found.jobs], found.ended is None


def test_kill_9_leaves_a_true_record(store: Store, tmp_path: Path) -> None:
    directory = tmp_path / "f1"
    words = [sys.executable, "-c", FLY, str(store.url.path or store.url.shown), str(directory)]
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    env = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(words, stdin=-1, stdout=-1, env=env, text=True) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == "flying\n"

        def written() -> None:
            if status_of(store, "f1") != ([Status.PASS, Status.ABORTED], True):
                msg = "the last event is not in the store"
                raise NotYet(msg)

        def there() -> None:
            with store.reading() as connection:
                if not list_flights(connection, now=NOW):
                    msg = "no flight"
                    raise NotYet(msg)

        wait_for(there, what="the flight", deadline=Deadline.after(SOON))
        wait_for(written, what="its jobs", deadline=Deadline.after(SOON))
        controller.send_signal(signal.SIGKILL)
    assert status_of(store, "f1") == ([Status.PASS, Status.ABORTED], True)
    with store.reading() as connection:
        (line,) = list_flights(connection, now=NOW + timedelta(days=9999))
    assert (line.status, line.running) == (Status.ABORTED, False)
    # What it had written down and not yet into the store comes with an import.
    done = import_files(store, [directory], Said(), Given())
    assert sum(done.outcomes.values()) == 1
    with store.reading() as connection:
        found = read_flight(connection, find_flight(connection, "f1"))
    assert found == recover_results(directory)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """One of the test's own, which may be ended."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with running_postgres(programs) as found:
        yield found


def test_a_server_that_goes_away_in_mid_flight(server: PostgresServer, tmp_path: Path) -> None:
    """The flight goes on; what could not be written is kept, and comes with the next run."""
    url = url_of(server.new_database())
    with Store(url) as store:
        writer = StoreWriter(store, about(), FlightDirectory(tmp_path / "f1"))
        flying = Flying(tmp_path / "f1", writer)
        flying.job(JOB)
        server.stop()
        flying.step(OTHER, "guest-create")
        flying.step(OTHER, "guest-boot", Status.FAIL)
        flying.recorder.job_ended(OTHER)
        result = flying.recorder.finish()
        (note,) = writer.close(SOON)
        assert result.status is Status.FAIL
        assert result == load_results(tmp_path / "f1")
        assert "the store postgresql://xenflight@/" in note
        assert "the next run delivers it" in note
        assert len(pending(url.spool)) == 1
        with pytest.raises(StoreError, match=r"can't be reached|went away"):
            put(store, flight(1))
        server.start()
        writer = StoreWriter(store, about(), FlightDirectory(tmp_path / "f2"))
        flying = Flying(tmp_path / "f2", writer)
        flying.recorder.finish()
        assert writer.close(SOON) == ["1 flight from before delivered to the store"]
        with store.reading() as connection:
            assert read_flight(connection, find_flight(connection, "f1")) == result
        assert pending(url.spool) == []


def test_a_server_that_comes_back_in_mid_flight(server: PostgresServer, tmp_path: Path) -> None:
    with Store(url_of(server.new_database())) as store:
        at_once = timedelta()
        files = FlightDirectory(tmp_path / "f1")
        writer = StoreWriter(store, about(), files, retry=at_once)
        flying = Flying(tmp_path / "f1", writer)
        flying.job(JOB)
        server.stop()
        flying.step(OTHER, "guest-create")
        server.start()
        flying.step(OTHER, "guest-boot")
        result = flying.recorder.finish()
        assert writer.close(SOON) == []
        with store.reading() as connection:
            assert read_flight(connection, find_flight(connection, "f1")) == result


def test_one_that_waits_is_refused_in_time(postgres: PostgresServer, tmp_path: Path) -> None:
    """Another who holds a lock and does not let go: said after our patience, not for ever."""
    name = postgres.new_database()
    with Store(url_of(name)) as store, Store(url_of(name), patience=timedelta(seconds=1)) as late:
        put(store, flight(1))
        with store.writing() as connection:
            connection.exec_driver_sql("LOCK TABLE flights IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreError, match="is locked by another program") as caught:
                put(late, flight(2))
        assert caught.value.passing
        assert put(late, flight(2)) is Outcome.NEW


def test_who_may_not_write_is_told_so(postgres: PostgresServer) -> None:
    name = postgres.new_database()
    with Store(url_of(name)) as store:
        put(store, flight(1))
    database = name.partition("@/")[2].partition("?")[0]
    postgres.tell("CREATE ROLE looker LOGIN")
    postgres.tell("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker", database)
    with Store(url_of(name.replace("xenflight@", "looker@"))) as mine:
        with mine.reading() as connection:
            assert len(list_flights(connection, now=NOW)) == 1
        with pytest.raises(StoreError, match="does not let this user write"):
            put(mine, flight(2))
    with (
        Store(url_of(name.replace(database, "nowhere"))) as none,
        pytest.raises(StoreError, match="nowhere"),
    ):
        put(none, flight(1))


def test_migrations_make_the_tables_that_we_use(store: Store) -> None:
    with store.reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, Base.metadata)
    assert found == []


def test_all_versions_are_known() -> None:
    config = Config()
    where = HERE.parent / "harness" / "store" / "migrations"
    config.set_main_option("script_location", str(where))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts) == tuple(reversed(VERSIONS))


def test_what_nobody_kept_is_no_trouble(store: Store, tmp_path: Path) -> None:
    writer = StoreWriter(store, about(), FlightDirectory(tmp_path / "f1"))
    assert writer.close() == []
    assert put(store, flight(1)) is Outcome.NEW
