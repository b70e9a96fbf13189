"""A store that can't be used says so, is never overwritten, and never hinders a flight."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.pool import Pool
from storelab import JOB, NOW, OTHER, Flying, about, flight, put, url_of

from harness.errors import UsageError
from harness.results.layout import FlightDirectory
from harness.results.load import load_results
from harness.status import Status
from harness.store.deliver import deliver_pending
from harness.store.faults import StoreError
from harness.store.look import list_flights
from harness.store.names import find_flight
from harness.store.schema import HEAD, VERSION_TABLE
from harness.store.spool import pending, read_spooled
from harness.store.stats import check_whole
from harness.store.store import Store
from harness.store.upgrade import upgrade
from harness.store.whole import read_flight
from harness.store.writer import StoreWriter

SHORT = timedelta(milliseconds=50)
AT_ONCE = timedelta()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "history.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    found = Store(url_of(path), patience=SHORT)
    put(found, flight(1))
    yield found
    found.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes, and does not come to its end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def ids(store: Store) -> set[str]:
    with store.reading() as connection:
        return {line.flight_id for line in list_flights(connection, now=NOW, limit=100)}


# -- what is said ----------------------------------------------------------------------


def test_locked(store: Store, path: Path) -> None:
    with locked(path):
        with pytest.raises(StoreError, match=r"history\.db is locked by another program") as caught:
            put(store, flight(2))
        # Readers never wait for a writer.
        assert ids(store) == {"smoke-000001"}
    assert caught.value.passing
    put(store, flight(2))


@contextmanager
def small_disk(pages: int) -> Iterator[None]:
    """SQLite finds the disk full when a file has that many pages."""

    def bound(connection: sqlite3.Connection, record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(Pool, "connect", bound)
    try:
        yield
    finally:
        event.remove(Pool, "connect", bound)


def fill(store: Store) -> None:
    for number in range(2, 2000):
        put(store, flight(number))


def test_disk_full(store: Store, path: Path) -> None:
    store.close()
    with small_disk(10):
        full = Store(url_of(path), patience=SHORT)
        with pytest.raises(StoreError, match=r"can't grow: the disk is full.*xenflight db prune"):
            fill(full)
        full.close()
    check_whole(store)
    assert "smoke-000001" in ids(store)


def garbage(path: Path) -> None:
    path.write_bytes(b"this was a database once\n" * 400)


def holes(path: Path) -> None:
    """As after a crash of a disk: whole pages are lost."""
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 20] = b"\xa5" * (4096 * 19)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [garbage, holes])
def test_damaged_is_said_and_left_as_it_is(
    store: Store, path: Path, damage: Callable[[Path], None]
) -> None:
    store.close()
    damage(path)
    before = path.read_bytes()
    again = Store(url_of(path), patience=SHORT)
    for attempt in (lambda: put(again, flight(2)), lambda: ids(again), lambda: upgrade(again)):
        with pytest.raises(StoreError, match=r"damaged.*nothing was changed in it; move it away"):
            attempt()
    again.close()
    assert path.read_bytes() == before


def test_damage_that_nobody_has_met_is_found_by_a_check(store: Store, path: Path) -> None:
    for number in range(2, 60):
        put(store, flight(number))
    store.close()
    data = bytearray(path.read_bytes())
    assert len(data) > 4096 * 40
    data[-4096:] = b"\xa5" * 4096
    path.write_bytes(data)
    again = Store(url_of(path))
    with pytest.raises(StoreError, match="is damaged"):
        check_whole(again)
    again.close()


def set_version(path: Path, version: str) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (version,))
        other.commit()


def test_a_newer_store_is_left_alone(store: Store, path: Path) -> None:
    set_version(path, "9001")
    with pytest.raises(StoreError, match=f"newer xenflight: its schema is 9001.* knows {HEAD}"):
        put(store, flight(2))
    for attempt in (lambda: ids(store), lambda: upgrade(store)):
        with pytest.raises(StoreError, match=r"update xenflight; nothing was changed"):
            attempt()
    set_version(path, HEAD)
    assert ids(store) == {"smoke-000001"}


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE flights (destination TEXT)")
        other.commit()
    before = path.read_bytes()
    with Store(url_of(path)) as store:
        with pytest.raises(StoreError, match="database of something else"):
            put(store, flight(1))
        with pytest.raises(StoreError, match="database of something else"):
            upgrade(store)
    assert path.read_bytes() == before


def test_none_there_is_no_reason_to_make_one_for_a_reader(path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store yet"):
        ids(Store(url_of(path)))
    assert not path.exists()


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "x.db").mkdir()
    with pytest.raises(StoreError, match="can't be opened"):
        put(Store(url_of(tmp_path / "x.db")), flight(1))


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"can't be used: (Not a directory|File exists)"):
        put(Store(url_of(tmp_path / "file" / "x" / "x.db")), flight(1))


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    store = Store(url_of(f"postgresql://u@/db?host={tmp_path}"))
    with pytest.raises(StoreError, match="can't be reached") as caught:
        put(store, flight(1))
    assert caught.value.passing


# -- bringing it up to date ------------------------------------------------------------


def test_upgrade_makes_and_says_so(path: Path) -> None:
    store = Store(url_of(path))
    assert upgrade(store).startswith("made ")
    assert upgrade(store).endswith(f"is up to date: version {HEAD}")
    store.close()


def older(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """As if there had been a version before ours."""
    monkeypatch.setattr("harness.store.schema.VERSIONS", ("0000", HEAD))
    set_version(path, "0000")


def test_upgrade_keeps_a_copy_and_changes_all_or_nothing(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older(monkeypatch, path)
    with pytest.raises(StoreError, match=r"older version: 0000.*xenflight db upgrade"):
        put(store, flight(2))

    def fails(connection: Connection, version: str) -> None:
        connection.exec_driver_sql("CREATE TABLE half_done (x)")
        connection.exec_driver_sql("SELECT nonsense")

    with pytest.raises(StoreError, match="nonsense"):
        upgrade(store, steps=fails)
    copy = path.with_name(f"{path.name}.before-{HEAD}")
    with closing(sqlite3.connect(copy)) as kept:
        assert kept.execute("SELECT flight_id FROM flights").fetchall() == [("smoke-000001",)]
    with closing(sqlite3.connect(path)) as now:
        assert not now.execute("SELECT 1 FROM sqlite_master WHERE name='half_done'").fetchall()
    with pytest.raises(StoreError, match="is there already, from another upgrade"):
        upgrade(store, steps=fails)
    copy.unlink()

    def works(connection: Connection, version: str) -> None:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")

    assert f"as it was before: {copy}" in upgrade(store, steps=works)
    put(store, flight(2))


# -- a flight goes on ------------------------------------------------------------------


def flying(store: Store, directory: Path, retry: timedelta = AT_ONCE) -> tuple[Flying, StoreWriter]:
    beside = about(directory=str(directory))
    writer = StoreWriter(store, beside, FlightDirectory(directory), retry=retry)
    return Flying(directory, writer), writer


def test_what_could_not_be_written_is_kept_and_delivered_by_the_next_run(
    store: Store, path: Path, tmp_path: Path
) -> None:
    with locked(path):
        one, writer = flying(store, tmp_path / "f1")
        one.job(JOB)
        one.step(OTHER, "guest-boot", Status.FAIL)
        result = one.recorder.finish()
        (note,) = writer.close()
    (kept,) = pending(store.url.spool)
    assert "is locked by another program" in note
    assert f"kept in {kept}: the next run delivers it" in note
    assert result == load_results(tmp_path / "f1")
    assert ids(store) == {"smoke-000001"}
    two, writer = flying(store, tmp_path / "f2")
    two.job(JOB)
    two.recorder.finish()
    assert writer.close() == ["1 flight from before delivered to the store"]
    assert pending(store.url.spool) == []
    assert ids(store) == {"smoke-000001", "f1", "f2"}
    with store.reading() as connection:
        assert read_flight(connection, find_flight(connection, "f1")) == result


def test_a_store_that_comes_back_gets_all_of_it(store: Store, path: Path, tmp_path: Path) -> None:
    with locked(path):
        one, writer = flying(store, tmp_path / "f1")
        one.job(JOB)
    one.job(OTHER)
    result = one.recorder.finish()
    assert writer.close() == []
    assert pending(store.url.spool) == []
    with store.reading() as connection:
        assert read_flight(connection, find_flight(connection, "f1")) == result


def test_it_is_left_alone_for_a_while_after_a_fault(
    store: Store, path: Path, tmp_path: Path
) -> None:
    garbage_store = Store(url_of(tmp_path / "garbage.db"), patience=SHORT)
    garbage(tmp_path / "garbage.db")
    one, writer = flying(garbage_store, tmp_path / "f1", retry=timedelta(hours=1))
    one.job(JOB)
    one.recorder.finish()
    (note,) = writer.close()
    assert "damaged" in note
    assert len(pending(garbage_store.url.spool)) == 1


def test_what_was_kept_goes_on_with_its_flight(store: Store, path: Path, tmp_path: Path) -> None:
    """A controller that is killed while the store is away: its directory knows more."""
    with locked(path):
        one, writer = flying(store, tmp_path / "f1")
        one.job(JOB)
        (_note,) = writer.close()
    one.job(OTHER)
    (kept,) = pending(store.url.spool)
    log = read_spooled(kept).log
    assert [job.status for job in log.result().jobs] == [Status.PASS, Status.PASS]
    # Without its directory there is what was kept.
    (tmp_path / "f1" / "events.jsonl").unlink()
    log = read_spooled(kept).log
    assert [job.status for job in log.result().jobs] == [Status.PASS, Status.ABORTED]
    assert deliver_pending(store) == ["1 flight from before delivered to the store"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"branch"', '"bronch"'), "the file is damaged: KeyError"),
        (lambda text: text.replace('"xenflight_spool": 1', '"xenflight_spool": 7'), "version 7"),
        (lambda text: text.partition("\n")[0], "does not begin with flight-started"),
        (
            lambda text: text.replace("step-finished", "step-fini"),
            r"jsonl:\d+: the file is damaged",
        ),
        (lambda text: "", "the file is damaged"),
    ],
)
def test_kept_results_that_are_damaged_stay(
    store: Store,
    path: Path,
    tmp_path: Path,
    change: Callable[[str], str],
    said: str,
) -> None:
    with locked(path):
        one, writer = flying(store, tmp_path / "f1")
        one.job(JOB)
        one.recorder.finish()
        writer.close()
    (kept,) = pending(store.url.spool)
    kept.write_text(change(kept.read_text()))
    (note,) = deliver_pending(store)
    assert note.startswith("kept results could not be delivered: ")
    with pytest.raises(UsageError, match=said):
        read_spooled(kept)
    assert pending(store.url.spool) == [kept]


def test_no_room_to_keep_it_either(store: Store, path: Path, tmp_path: Path) -> None:
    store.url.spool.parent.mkdir(parents=True)
    store.url.spool.write_text("in the way")
    with locked(path):
        one, writer = flying(store, tmp_path / "f1")
        one.recorder.finish()
        (note,) = writer.close()
    assert "nor can it be kept for later" in note
    assert note.endswith(f"xenflight db import {tmp_path / 'f1'}")


def test_a_store_that_hangs_does_not_hold_the_end_up(store: Store, tmp_path: Path) -> None:
    let_go = threading.Event()

    class Hanging(Store):
        @contextmanager
        def writing(self, *, make: bool = False) -> Iterator[Connection]:
            let_go.wait(60)
            with super().writing(make=make) as connection:
                yield connection

    hanging = Hanging(store.url)
    one, writer = flying(hanging, tmp_path / "f1")
    one.recorder.finish()
    (note,) = writer.close(SHORT)
    let_go.set()
    assert "did not answer" in note
    assert len(pending(store.url.spool)) == 1


def test_a_bug_in_the_writer_is_told_and_the_flight_is_kept(store: Store, tmp_path: Path) -> None:
    class Odd(Store):
        @contextmanager
        def writing(self, *, make: bool = False) -> Iterator[Connection]:
            msg = "nobody thought of this"
            raise RuntimeError(msg)
            yield

    one, writer = flying(Odd(store.url), tmp_path / "f1")
    one.recorder.finish()
    (note,) = writer.close()
    assert "broke down: RuntimeError: nobody thought of this" in note
    assert len(pending(store.url.spool)) == 1


def test_what_is_kept_can_be_read_by_others(store: Store, path: Path, tmp_path: Path) -> None:
    with locked(path):
        one, writer = flying(store, tmp_path / "f1")
        one.recorder.finish()
        writer.close()
    (kept,) = pending(store.url.spool)
    head = json.loads(kept.read_text().partition("\n")[0])
    assert head["xenflight_spool"] == 1
    assert (head["branch"], head["blessing"]) == ("smoke", "real")
    assert head["store"] == str(path)
