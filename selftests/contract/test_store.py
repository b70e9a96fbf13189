"""The contract of a store, kept by SQLite and by PostgreSQL alike."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from storelab import (
    JOB,
    NOW,
    OTHER,
    START,
    Flying,
    about,
    flight,
    host,
    job,
    put,
    step,
    url_of,
)

from harness.errors import UsageError
from harness.judge.memory import MemoryHistory
from harness.judge.records import flight_record
from harness.judge.waiver import Waiver, WaiverKind
from harness.results.layout import FlightDirectory
from harness.results.load import load_results, recover_results
from harness.results.model import (
    AttemptResult,
    EvidenceResult,
    FlightResult,
    HostFacts,
    ImageFacts,
    JobResult,
    PhaseResult,
    StepResult,
)
from harness.status import Status
from harness.steps import LEAK_CHECK
from harness.store.details import read_details
from harness.store.exporting import export_file
from harness.store.history import OPEN, StoreHistory
from harness.store.importing import import_files
from harness.store.junit.flight import Said
from harness.store.live import LiveFlight
from harness.store.look import job_lines, list_flights
from harness.store.names import find_flight
from harness.store.prune import Pruning, prunable, prune
from harness.store.put import Given, Outcome, put_result
from harness.store.remarks import add_note, record_gate, record_waivers
from harness.store.rows import clean, digest
from harness.store.schema import HEAD, SchemaState, read_schema
from harness.store.stats import check_whole, read_stats
from harness.store.store import Store
from harness.store.tables import (
    CHILDREN,
    SHARED,
    AttemptRow,
    FlightHostRow,
    FlightRow,
    HostEventRow,
    HostStateRow,
    NoteRow,
    RevisionRow,
    WaiverRow,
    WaiverUseRow,
)
from harness.store.url import StoreUrl
from harness.store.whole import read_flight
from harness.store.writer import StoreWriter

DATA = Path(__file__).parents[1] / "data" / "results"
FAIL = Status.FAIL
PATIENT = timedelta(minutes=5)
"""A test machine may be busy, and nobody is to be late here."""


def stored(store: Store, flight_id: str) -> FlightResult:
    with store.reading() as connection:
        return read_flight(connection, find_flight(connection, flight_id))


def rows(store: Store) -> dict[str, int]:
    return read_stats(store).rows


# -- a flight comes back as it was -----------------------------------------------------


@pytest.mark.parametrize("file", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_real_flights_of_every_schema_come_back_as_they_were(store: Store, file: Path) -> None:
    result = load_results(file)
    assert put(store, result) is Outcome.NEW
    again = stored(store, result.flight_id)
    assert again == result.model_copy(update={"schema_version": again.schema_version})
    assert digest(again) == digest(result)


TEXTS = st.text(max_size=40)
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=9)
PHASES = st.builds(PhaseResult, name=TEXTS, started=st.floats(0, 1e6), duration=st.floats(0, 1e6))
FLIGHT_STEPS = st.builds(
    step,
    NAMES,
    st.sampled_from(Status),
    reason=st.none() | TEXTS,
    failure_class=st.none() | TEXTS,
    phase=st.none() | TEXTS,
    evidence=TEXTS,
    facts=st.dictionaries(TEXTS, TEXTS, max_size=3),
    phases=st.lists(PHASES, max_size=3).map(tuple),
)
ATTEMPTS = st.builds(
    AttemptResult,
    status=st.sampled_from(Status),
    reason=st.none() | TEXTS,
    steps=st.lists(FLIGHT_STEPS, max_size=2).map(tuple),
    host=st.sampled_from([None, "rack1", "rack2"]),
    started=st.none() | st.just(START),
    duration=st.floats(0, 1e6),
    runvars=st.dictionaries(TEXTS, TEXTS, max_size=2),
    console_log=st.none() | TEXTS,
    evidence=st.none() | st.builds(EvidenceResult, note=TEXTS),
)
JOBS = st.builds(
    JobResult,
    name=NAMES,
    suite=TEXTS,
    dist=TEXTS,
    arch=TEXTS,
    virt=TEXTS,
    boot=TEXTS,
    status=st.sampled_from(Status),
    reason=st.none() | TEXTS,
    steps=st.lists(FLIGHT_STEPS, max_size=4).map(tuple),
    runvars=st.dictionaries(TEXTS, TEXTS, max_size=3),
    console_log=st.none() | TEXTS,
    started=st.none() | st.just(START),
    duration=st.floats(0, 1e6),
    kept=st.booleans(),
    host=st.sampled_from([None, "rack1", "rack2", "rack3"]),
    attempts=st.lists(ATTEMPTS, max_size=2).map(tuple),
    waits=st.dictionaries(TEXTS, st.floats(0, 1e6), max_size=2),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jobs=st.lists(JOBS, min_size=1, max_size=3, unique_by=lambda one: one.name),
    problems=st.lists(TEXTS, max_size=2).map(tuple),
    hosts=st.sampled_from([(), (host(),), (host(), host(name="rack2"))]),
    left=st.none() | FLIGHT_STEPS,
)
def test_whatever_guests_print_comes_back(
    store: Store,
    jobs: list[JobResult],
    problems: tuple[str, ...],
    hosts: tuple[HostFacts, ...],
    left: StepResult | None,
) -> None:
    beside = {"hosts": hosts, "leak_check": left}
    result = flight(1, *jobs, problems=problems).model_copy(update=beside)
    with store.writing() as connection:
        put_result(connection, result, about(), Given(replace=True), now=NOW)
    again = stored(store, result.flight_id)
    # NUL alone can't be kept: PostgreSQL has no text with it. Of two names that differ by it
    # only, one stays.
    wanted = FlightResult.model_validate(clean(result.model_dump()))
    assert again == wanted.model_copy(update={"images": result.images, "hosts": result.hosts})


# -- twice is once ---------------------------------------------------------------------


def test_twice_is_once(store: Store) -> None:
    assert put(store, flight(1)) is Outcome.NEW
    before = rows(store)
    assert put(store, flight(1)) is Outcome.SAME
    assert rows(store) == before


def test_the_same_id_with_other_results_is_refused_unless_told(store: Store) -> None:
    put(store, flight(1))
    other = flight(1, job(statuses=[FAIL]))
    with pytest.raises(UsageError, match="in the store already, with other results"):
        put(store, other)
    assert stored(store, other.flight_id).status is Status.PASS
    with store.writing() as connection:
        put_result(connection, other, about(), Given(replace=True), now=NOW)
    assert stored(store, other.flight_id).status is FAIL
    assert rows(store)["flights"] == 1


def test_another_branch_for_a_flight_that_is_there_is_refused(store: Store) -> None:
    put(store, flight(1))
    with (
        pytest.raises(UsageError, match="branch smoke, not nightly"),
        store.writing() as connection,
    ):
        put_result(connection, flight(1), None, Given(branch="nightly"), now=NOW)


def test_a_flight_that_was_cut_off_is_brought_up_to_date_and_never_back(store: Store) -> None:
    partial = flight(1, job(statuses=[Status.PASS, Status.ABORTED]), ended=False)
    put(store, partial)
    assert put(store, partial) is Outcome.SAME
    assert put(store, flight(1)) is Outcome.BETTER
    assert put(store, partial) is Outcome.SAME
    assert stored(store, partial.flight_id).ended is not None


def test_shared_rows_are_there_once(store: Store) -> None:
    for number in range(3):
        put(store, flight(number))
    found = rows(store)
    assert (found["hosts"], found["host_states"]) == (1, 1)
    # xen, dom0-kernel, image and, for people, mirror.
    assert found["revisions"] == 4


# -- written as it flies ---------------------------------------------------------------


def fly(store: Store, directory: Path) -> tuple[Flying, StoreWriter]:
    writer = StoreWriter(store, about(directory=str(directory)), FlightDirectory(directory))
    return Flying(directory, writer), writer


def test_a_flight_that_ends_is_in_the_store_as_in_its_results(store: Store, tmp_path: Path) -> None:
    flying, writer = fly(store, tmp_path / "f1")
    flying.job(JOB)
    flying.step(OTHER, "guest-create")
    flying.step(OTHER, "guest-boot", FAIL, failure_class="kernel-panic", reason="it panicked")
    flying.recorder.job_ended(OTHER)
    flying.recorder.problem("an LV is still there")
    flying.recorder.finish()
    assert writer.close() == []
    result = load_results(tmp_path / "f1")
    assert stored(store, "f1") == result
    # An import of its directory finds that it is there.
    done = import_files(store, [tmp_path / "f1"], Said(), Given(), now=lambda: NOW)
    assert done.outcomes == {Outcome.SAME: 1}
    with store.reading() as connection:
        (line,) = list_flights(connection, now=START)
    assert (line.branch, line.running, line.jobs) == ("smoke", False, {Status.PASS: 1, FAIL: 1})


def test_a_flight_whose_controller_dies_stays_aborted(store: Store, tmp_path: Path) -> None:
    flying, writer = fly(store, tmp_path / "f1")
    flying.job(JOB)
    flying.recorder.step_started(OTHER, "guest-create")
    # No `finish`: what follows stands for the moments before a kill.
    writer.close()
    with store.reading() as connection:
        history = StoreHistory(connection)
        found = history.flight("f1")
        (alive,) = list_flights(connection, now=NOW - timedelta(days=40))
        (line,) = list_flights(connection, now=NOW + timedelta(days=3650))
    assert found is not None
    assert not found.ended
    assert [one.status for one in found.jobs] == [Status.PASS, Status.ABORTED]
    assert line.status is Status.ABORTED
    assert not line.running
    assert alive.running
    assert stored(store, "f1") == recover_results(tmp_path / "f1")


@pytest.mark.parametrize("hosts", [("rack1",), ("rack1", "rack2"), ("rack1", "rack2", "rack3")])
def test_each_save_is_what_is_known_then(
    store: Store, tmp_path: Path, hosts: tuple[str, ...]
) -> None:
    """Saved after every event, the rows are those that a save of all at once would make."""
    live = LiveFlight(about(directory=str(tmp_path / "f1")))

    class Each:
        def took(self, event: object) -> None:
            live.took(event)  # type: ignore[arg-type]
            with store.writing() as connection:
                live.save(connection, NOW)
            live.saved()
            log = live._log
            assert log is not None
            now = log.result()
            found = stored(store, "f1")
            assert (found.jobs, found.hosts) == (now.jobs, now.hosts)
            with store.reading() as connection:
                record = StoreHistory(connection).flight("f1")
            assert record == flight_record(now, blessing="real")

    flying = Flying(tmp_path / "f1", Each())
    flying.step(JOB, "guest-create")
    # From now on nobody knows where that was, until it ends.
    for name in hosts[1:]:
        flying.recorder.host_known(host(name=name))
    flying.retried(JOB, hosts[0])
    flying.job(JOB, hosts[-1])
    flying.step(OTHER, "guest-boot", FAIL, evidence="Kernel panic", facts={"domid": "7"})
    # A worse result of the same step takes the place of the first, phases and all.
    flying.step(OTHER, "guest-gone", phases=(PhaseResult(name="a", started=0, duration=1),))
    flying.step(OTHER, "guest-gone", Status.BROKEN)
    flying.recorder.problem("a leftover")
    # The leak check of a job is told after its end, and the flight's after all of them.
    flying.recorder.step_finished(JOB, step(LEAK_CHECK, Status.BROKEN, reason="a domain"))
    flying.recorder.flight_checked(step(LEAK_CHECK, Status.BROKEN, reason="an LV is left"))
    flying.recorder.finish()
    assert stored(store, "f1") == load_results(tmp_path / "f1")


def test_a_job_that_was_tried_again_on_another_host(store: Store, tmp_path: Path) -> None:
    """Both attempts are runs of their own in its history, and in the hosts'."""
    flying, writer = fly(store, tmp_path / "f1")
    flying.recorder.host_known(host("4.20.0", "rack2"))
    unusable = host(name="rack3").model_copy(update={"unusable": "no thin pool"})
    flying.recorder.host_known(unusable)
    flying.retried(JOB, "rack1")
    files = FlightDirectory(tmp_path / "f1").job(JOB)
    files.path.mkdir(parents=True)
    files.xl_cfg.write_text("name = 'first'\n")
    files.put_by()
    files.xl_cfg.write_text("name = 'second'\n")
    flying.job(JOB, "rack2")
    flying.job(OTHER, "rack1")
    result = flying.recorder.finish()
    assert writer.close() == []
    assert stored(store, "f1") == result
    with store.reading() as connection:
        history = StoreHistory(connection)
        runs = history.job_history(JOB, "smoke", 9)
        steps = history.step_history(JOB, "guest-boot", "smoke", None)
        by_host = {
            name: [line.status for line in job_lines(connection, JOB, host=name)]
            for name in ("rack1", "rack2", "rack3")
        }
        (line,) = list_flights(connection, now=NOW)
        events = connection.execute(
            select(HostEventRow.host, HostEventRow.kind).order_by(HostEventRow.host)
        ).all()
        details = read_details(connection, line.number, NOW)
    assert [(run.host, run.status) for run in runs] == [
        ("rack2", Status.PASS),
        ("rack1", Status.BROKEN),
    ]
    assert [run.revisions["xen"] for run in runs] == ["4.20.0", "4.17.5"]
    assert [(run.host, run.status) for run in steps] == [
        ("rack2", Status.PASS),
        ("rack1", Status.BROKEN),
    ]
    assert by_host == {"rack1": [Status.BROKEN], "rack2": [Status.PASS], "rack3": []}
    assert (line.hosts, line.xen) == (("rack1", "rack2", "rack3"), ("4.17.5", "4.20.0"))
    assert line.jobs == {Status.PASS: 2}
    assert {tuple(event) for event in events} == {
        *((name, kind) for name in ("rack1", "rack2") for kind in ("flight-began", "flight-ended")),
        ("rack3", "unusable"),
    }
    # What a step of the first attempt stored is not the job's.
    assert details.sources[JOB] == {"memory": "definition", "slot": "execution"}
    configs = [one.path for one in details.artifacts if one.kind == "config"]
    assert configs == [f"jobs/{JOB}/attempt-1/xl.cfg", f"jobs/{JOB}/xl.cfg"]


def test_what_a_run_gave_and_what_steps_stored_are_told_apart(store: Store, tmp_path: Path) -> None:
    flying, writer = fly(store, tmp_path / "f1")
    flying.step(JOB, "guest-create", facts={"domid": "7"})
    flying.recorder.job_ended(JOB, runvars={"slot": "1"})
    flying.recorder.finish()
    writer.close()
    with store.reading() as connection:
        found = read_details(connection, find_flight(connection, "f1"), NOW)
    assert found.sources[JOB] == {
        "memory": "definition",
        "domid": "execution",
        "slot": "execution",
    }
    kinds = {one.kind for one in found.artifacts}
    assert kinds == {"events", "results"}
    assert found.revisions[JOB]["mirror"] == "main 2024-11-09T10:04:22Z"


# -- many at once ----------------------------------------------------------------------


def test_many_flights_at_once(store: Store, tmp_path: Path) -> None:
    """Controllers, each with a flight of its own, and two who import the same."""
    problems: list[object] = []

    def fly_one(name: str) -> None:
        with Store(store.url, patience=PATIENT) as mine:
            flying, writer = fly(mine, tmp_path / name)
            for testid in ("guest-create", "guest-boot"):
                flying.step(JOB, testid)
            flying.job(OTHER)
            flying.recorder.finish()
            problems.extend(writer.close(PATIENT))

    def take_in() -> None:
        with Store(store.url, patience=PATIENT) as mine:
            for number in range(10):
                put(mine, flight(number, xen=f"4.{number}.0"))

    threads = [threading.Thread(target=fly_one, args=(f"f{n}",)) for n in range(4)]
    threads += [threading.Thread(target=take_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT.total_seconds())
    assert problems == []
    for n in range(4):
        assert stored(store, f"f{n}") == load_results(tmp_path / f"f{n}")
    assert rows(store)["flights"] == 14
    check_whole(store)


def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    put(store, flight(1))
    with store.reading() as connection:
        if connection.dialect.name == "postgresql":
            pytest.skip(
                "a PostgreSQL reader sees each statement's own state, and never half of one"
            )
        assert len(list_flights(connection, now=NOW)) == 1
        with Store(store.url) as other:
            put(other, flight(2))
        assert len(list_flights(connection, now=NOW)) == 1
    with store.reading() as connection:
        assert len(list_flights(connection, now=NOW)) == 2


def test_two_who_make_a_store_at_once(empty_url: StoreUrl) -> None:
    errors: list[BaseException] = []

    def make() -> None:
        try:
            with Store(empty_url) as mine:
                mine.make()
        except BaseException as error:  # noqa: BLE001  # it is looked at below
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    with Store(empty_url) as mine, mine.reading() as connection:
        schema = read_schema(connection)
    assert (schema.state, schema.version) == (SchemaState.CURRENT, HEAD)


def test_what_goes_wrong_in_a_transaction_undoes_all_of_it(store: Store) -> None:
    before = rows(store)

    def interrupted() -> None:
        with store.writing() as connection:
            put_result(connection, flight(1), about(), Given(), now=NOW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert rows(store) == before


# -- history, as the judge asks for it -------------------------------------------------

WORDS = st.sampled_from(Status)
MADE = st.lists(
    st.tuples(
        st.sampled_from(["nightly", "weekly"]),
        st.sampled_from(["real", "adhoc"]),
        st.sampled_from(["4.17.5", "4.20.0"]),
        st.booleans() | st.none(),
        st.lists(
            st.tuples(st.sampled_from([JOB, OTHER]), st.lists(WORDS, max_size=4), st.integers(0, 2))
        ),
    ),
    max_size=6,
)


def tried(name: str, statuses: list[Status], tries: int, began: datetime) -> JobResult:
    """A job that was broken *tries* times before, here and there."""
    earlier = [
        AttemptResult(
            status=Status.BROKEN,
            steps=(step("guest-create"), step("guest-boot", Status.BROKEN, reason="no dom0")),
            host=f"rack{number + 1}",
            started=began + timedelta(minutes=number),
        )
        for number in range(tries)
    ]
    where = {"host": f"rack{2 - tries % 2}", "started": began + timedelta(minutes=tries)}
    return job(name, statuses, attempts=tuple(earlier), **where)


@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(made=MADE, data=st.data())
def test_it_answers_as_history_in_memory_does(
    store: Store, made: list[Any], data: st.DataObject
) -> None:
    records = []
    with store.writing() as connection:
        for number in connection.scalars(select(FlightRow.id)).all():
            connection.execute(FlightRow.__table__.delete().where(FlightRow.id == number))
        for number, (branch, blessing, xen, gate, jobs) in enumerate(made):
            began = START + timedelta(hours=number)
            found = {
                name: tried(name, statuses, tries, began + timedelta(minutes=9 * place + 1))
                for place, (name, statuses, tries) in enumerate(jobs)
            }
            hosts = (host(xen), host("4.19.0", "rack2"))
            result = flight(number, *found.values(), hosts=hosts)
            put_result(connection, result, about(branch, blessing), Given(), now=NOW)
            word = None if gate is None else ("open" if gate else "shut")
            connection.execute(
                update(FlightRow).where(FlightRow.flight_id == result.flight_id).values(gate=word)
            )
            records.append(flight_record(result, branch=branch, blessing=blessing, gate_open=gate))
    memory = MemoryHistory(records)
    before = START + timedelta(hours=data.draw(st.integers(0, 7)))
    limit = data.draw(st.integers(1, 5))
    with store.reading() as connection:
        history = StoreHistory(connection)
        for record in records:
            assert history.flight(record.flight) == record
        for branch in ("nightly", "weekly", "none"):
            assert history.flights(branch, before, limit) == memory.flights(branch, before, limit)
            assert history.flights(branch, None, 9) == memory.flights(branch, None, 9)
            assert history.baseline(branch, before) == memory.baseline(branch, before)
            for name in (JOB, OTHER, "other"):
                assert history.job_history(name, branch, limit) == list(
                    memory.job_history(name, branch, limit)
                )
                for testid, most in (("guest-boot", None), ("guest-ssh", limit), ("none", None)):
                    assert history.step_history(name, testid, branch, most) == list(
                        memory.step_history(name, testid, branch, most)
                    )
        for revisions in ({}, {"xen": "4.20.0"}, {"xen": "4.17.5", "image": "0f3c0f3c0f3c0f3c"}):
            for name in (JOB, OTHER):
                assert history.passes_at(revisions, name) == memory.passes_at(revisions, name)


def test_a_flight_that_nobody_knows_is_none(store: Store) -> None:
    with store.reading() as connection:
        assert StoreHistory(connection).flight("smoke-none") is None


def test_revisions_for_people_are_kept_and_do_not_tell_runs_apart(store: Store) -> None:
    booted = job(runvars={"guest_kernel": "6.1.0-48"})
    put(store, flight(1, booted))
    put(store, flight(2, job(statuses=[Status.PASS, FAIL])))
    with store.reading() as connection:
        one, two = StoreHistory(connection).job_history(JOB, "smoke", 5)
        assert one.revisions == two.revisions
        shown = read_details(connection, find_flight(connection, "smoke-000001"), NOW)
    assert shown.revisions[JOB]["guest-kernel"] == "6.1.0-48"


def test_a_runvar_says_which_of_several_images_it_was(store: Store) -> None:
    other = ImageFacts(key="ffff", dist="bookworm", arch="amd64", builder="import", reused=True)
    result = flight(1, job(runvars={"image": "ffff"}))
    put(store, result.model_copy(update={"images": (*result.images, other)}))
    with store.reading() as connection:
        (run,) = StoreHistory(connection).job_history(JOB, "smoke", 5)
    assert run.revisions["image"] == "ffff"


# -- forgetting, and moving elsewhere --------------------------------------------------


def fill(store: Store, count: int) -> None:
    for number in range(count):
        put(store, flight(number), about("a" if number % 2 else "b"))


def pruned(store: Store, **more: object) -> list[str]:
    values: dict[str, Any] = {"before": NOW, "keep": 0, **more}
    with store.reading() as connection:
        return [one.flight_id for one in prunable(connection, Pruning(**values))]


def test_prune_leaves_nothing_of_a_flight_behind(store: Store) -> None:
    fill(store, 3)
    with store.reading() as connection:
        found = prunable(connection, Pruning(before=NOW, keep=0))
    assert len(found) == 3
    prune(store, found)
    left = rows(store)
    tables = {FlightRow.__table__.name, *(table.__table__.name for table in CHILDREN + SHARED)}
    assert {name: left[name] for name in tables} == dict.fromkeys(tables, 0)
    check_whole(store)


def test_prune_keeps_what_history_needs(store: Store) -> None:
    fill(store, 6)
    with store.writing() as connection:
        for number in (2, 4):
            of = FlightRow.flight_id == f"smoke-{number:06d}"
            connection.execute(update(FlightRow).where(of).values(gate=OPEN))
        noted = connection.scalar(select(FlightRow.id).where(FlightRow.branch == "a").limit(1))
        note = {"at": NOW, "author": "me", "text": "bisected", "flight": noted, "job": None}
        connection.execute(NoteRow.__table__.insert(), [{**note, "host": None}])
    # 4 is the baseline of b, 2 was; 1 has a note.
    assert pruned(store) == ["smoke-000000", "smoke-000002", "smoke-000003", "smoke-000005"]
    assert pruned(store, keep=2) == ["smoke-000000"]
    assert pruned(store, branch="a") == ["smoke-000003", "smoke-000005"]
    assert pruned(store, blessing="adhoc") == []
    assert pruned(store, before=START) == []


def test_prune_takes_nothing_from_who_writes_meanwhile(store: Store) -> None:
    """What flights share must not go while somebody writes another flight that has it."""
    put(store, flight(0))
    with store.reading() as connection:
        found = prunable(connection, Pruning(before=NOW, keep=0))

    def forget() -> None:
        with Store(store.url, patience=PATIENT) as mine:
            prune(mine, found)

    pruner = threading.Thread(target=forget)
    with store.writing() as connection:
        put_result(connection, flight(1), about(), Given(), now=NOW)
        pruner.start()
        pruner.join(1)  # long enough to do what it must not do
    pruner.join(PATIENT.total_seconds())
    known = select(RevisionRow.key)
    states = select(HostStateRow.key)
    with store.reading() as connection:
        lost = select(AttemptRow.revisions).where(AttemptRow.revisions.not_in(known))
        assert connection.execute(lost).all() == []
        lost = select(FlightHostRow.state).where(FlightHostRow.state.not_in(states))
        assert connection.execute(lost).all() == []


def test_prune_keeps_what_was_heard_of_since(store: Store) -> None:
    fill(store, 1)
    assert pruned(store, before=NOW) == ["smoke-000000"]
    with store.writing() as connection:
        connection.execute(update(FlightRow).values(heard=NOW))
    assert pruned(store, before=NOW) == []


def test_what_is_exported_comes_back_in_another_store(store: Store, tmp_path: Path) -> None:
    put(store, flight(1, job(statuses=[FAIL]), job(OTHER)), about("nightly"))
    put(store, flight(2), replace(about("weekly"), revisions={"tools": "v7"}))
    with store.writing() as connection:
        number = find_flight(connection, "smoke-000001")
        of = FlightRow.id == number
        connection.execute(update(FlightRow).where(of).values(gate=OPEN, gate_at=NOW))
        note = {"at": NOW, "author": "me", "text": "known", "flight": number, "job": JOB}
        connection.execute(NoteRow.__table__.insert(), [{**note, "host": None}])
    file = tmp_path / "all.jsonl.gz"
    assert export_file(store, file) == 2
    other = Store(url_of(tmp_path / "other.db"))
    second = tmp_path / "again.jsonl.gz"
    with other:
        for _ in range(2):
            import_files(other, [file], Said(), Given())
        assert export_file(other, second) == 2
    assert gzip.decompress(second.read_bytes()) == gzip.decompress(file.read_bytes())
    assert export_file(store, tmp_path / "one.jsonl", branch="nightly") == 1


def test_steps_are_counted_in_stats(store: Store) -> None:
    fill(store, 2)
    stats = read_stats(store)
    assert stats.rows["steps"] == 8
    assert [one.branch for one in stats.branches] == ["a", "b"]
    assert stats.bytes > 0


# -- what is said of flights -----------------------------------------------------------


def test_gates_make_a_baseline_and_the_last_word_counts(store: Store) -> None:
    for number in (1, 2):
        put(store, flight(number))
    with store.writing() as connection:
        for flight_id in ("smoke-000001", "smoke-000002"):
            assert record_gate(connection, flight_id, opened=True, at=NOW)
        assert record_gate(connection, "smoke-000002", opened=False, at=NOW)
        assert not record_gate(connection, "smoke-none", opened=True, at=NOW)
    with store.reading() as connection:
        assert StoreHistory(connection).baseline("smoke", NOW) == "smoke-000001"
    # Neither an import of better results nor the end of a flight that flies forgets it.
    with store.writing() as connection:
        other = flight(1, job(statuses=[FAIL]))
        put_result(connection, other, about(), Given(replace=True), now=NOW)
    with store.reading() as connection:
        assert StoreHistory(connection).baseline("smoke", NOW) == "smoke-000001"


def test_an_import_of_a_directory_brings_its_verdict(store: Store, tmp_path: Path) -> None:
    Flying(tmp_path / "f1", None).recorder.finish()
    import_files(store, [tmp_path / "f1"], Said(), Given(), now=lambda: NOW)

    def verdict(gate: str, judged: str) -> str | None:
        said = {"gate": gate, "judged": f"2024-11-22T{judged}:00Z"}
        (tmp_path / "f1" / "verdict.json").write_text(json.dumps(said))
        import_files(store, [tmp_path / "f1"], Said(), Given(), now=lambda: NOW)
        with store.reading() as connection:
            return StoreHistory(connection).baseline("smoke", NOW)

    # The flight is there already; its gate was asked since, and the last word counts.
    assert verdict("open", "10:00") == "f1"
    assert verdict("shut", "11:00") is None
    assert verdict("open", "10:30") is None
    assert verdict("ajar", "12:00") is None


WAIVER = Waiver(
    kind=WaiverKind.ALLOWED, name="line 4", owner="me", reason="known", expires=NOW.date()
)


def test_waivers_and_what_they_excused(store: Store) -> None:
    put(store, flight(1))
    with store.writing() as connection:
        twice = [(WAIVER, JOB, "guest-boot"), (WAIVER, JOB, "guest-boot")]
        record_waivers(connection, "smoke-000001", twice, at=NOW)
    later = replace(WAIVER, expires=NOW.date() + timedelta(days=30))
    with store.writing() as connection:
        record_waivers(connection, "smoke-000001", [(later, JOB, "guest-ssh")], at=NOW)
    with store.reading() as connection:
        (row,) = connection.execute(select(WaiverRow.__table__))
        uses = connection.execute(select(WaiverUseRow.job, WaiverUseRow.testid)).all()
    assert (row.owner, row.jobs, row.expires) == ("me", ["*"], later.expires)
    assert [tuple(use) for use in uses] == [(JOB, "guest-ssh")]
    with pytest.raises(UsageError, match="no flight"), store.writing() as connection:
        record_waivers(connection, "smoke-none", [(WAIVER, JOB, "x")], at=NOW)


def test_notes_are_shown_and_keep_their_flight(store: Store) -> None:
    put(store, flight(1))
    with store.writing() as connection:
        add_note(connection, "bisected\0", author="me", at=NOW, flight="smoke-000001", job=JOB)
        add_note(connection, "new firmware", author="me", at=NOW, host="rack1")
    with store.reading() as connection:
        found = read_details(connection, find_flight(connection, "smoke-000001"), NOW)
    assert [(note.text, note.job) for note in found.notes] == [("bisected␀", JOB)]
    assert pruned(store, before=NOW + timedelta(days=1)) == []
    with pytest.raises(UsageError, match="a note has a text"), store.writing() as connection:
        add_note(connection, "on nothing", author="me", at=NOW)
