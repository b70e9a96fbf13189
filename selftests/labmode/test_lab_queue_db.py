"""What the queue does with what workers tell, in a real PostgreSQL; the workers are this test."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from storelab import url_of

from harness.errors import UsageError
from harness.flight.build import build_plan
from harness.lab.fetch import fetch
from harness.lab.flow import forget_in_queue, now
from harness.lab.join import cut_short, unrun_job, waiting_job
from harness.lab.lab import Lab, open_lab
from harness.lab.look import find_queued, lab_workers, open_jobs, queued_flights
from harness.lab.operate import cancel, retry
from harness.lab.run import Begun, WorkerId, begin, end, follow, lost, store_files
from harness.lab.schema import NOW, init, read_version
from harness.lab.submit import Terms, submit
from harness.lab.tables import SCHEMA, VERSION
from harness.lab.tend import say_alive, starve, take_over
from harness.lab.told import Told
from harness.lab.words import Outcome
from harness.results.load import load_results
from harness.results.model import HostFacts, JobResult, StepResult
from harness.status import Status
from harness.store.faults import StoreError
from harness.store.look import list_flights
from harness.store.names import find_flight
from harness.store.prune import Pruning, prunable, prune
from harness.store.store import Store
from harness.store.whole import read_flight
from labmode.project import HOSTS, LabProject, header_of

NUMBERS: dict[int, int] = {}
"""procrastinate's, of attempts."""
BOOKWORM, TRIXIE = (f"boot-{dist}-amd64-pv-direct" for dist in ("bookworm", "trixie"))


def fetched(lab: Lab, worker: WorkerId) -> tuple[int, str, int] | None:
    """What procrastinate gives a worker: its number, the flight, the job's number."""
    with lab.writing() as connection:
        row = connection.execute(
            text("SELECT id, args FROM procrastinate_fetch_job_v2(NULL, :worker)"),
            {"worker": worker.number},
        ).one()
    return None if row.id is None else (row.id, row.args["flight_id"], row.args["job_no"])


def registered(lab: Lab, *hosts: str) -> WorkerId:
    with lab.writing() as connection:
        number = connection.scalar(text("SELECT * FROM procrastinate_register_worker_v1()"))
    assert isinstance(number, int)
    return WorkerId(number=number, name=f"ci{number}:1", hosts=hosts or ("sim1", "sim2"))


def taken(lab: Lab, worker: WorkerId) -> Begun:
    """The next job, begun."""
    found = fetched(lab, worker)
    assert found
    number, flight_id, job_no = found
    begun = begin(lab, flight_id, job_no, number, worker)
    assert begun
    NUMBERS[begun.attempt] = number
    return begun


def ended(lab: Lab, begun: Begun, told: Told, worker: WorkerId) -> Outcome | None:
    """It is over, for us and then for procrastinate."""
    outcome = end(lab, begun, told, worker)
    with lab.writing() as connection:
        forget_in_queue(connection, NUMBERS[begun.attempt])
    return outcome


def result(begun: Begun, status: Status = Status.PASS, on: str = "sim1") -> JobResult:
    """What a run tells that ended like this."""
    if status is Status.SKIP:
        return unrun_job(begun.planned, status, f"{on} can't", now())
    if status is Status.PASS:
        steps = tuple(
            StepResult(testid=name, status=Status.PASS, started=now(), duration=1.0)
            for name in begun.planned.steps
        )
        base = waiting_job(begun.planned)
        found = base.model_copy(update={"status": status, "steps": steps, "reason": None})
    else:
        found = unrun_job(begun.planned, status, "so", now())
    return found.model_copy(update={"host": on, "started": now(), "duration": 8.0})


def told(begun: Begun, status: Status = Status.PASS, on: str = "sim1") -> Told:
    host = HostFacts(name=on, kind="sim", xen_version="4.17.5")
    return Told(job=result(begun, status, on), over=True, hosts=(host,))


def finished(lab: Lab, worker: WorkerId, *statuses: Status) -> None:
    """Each job in turn ends like that."""
    for status in statuses:
        begun = taken(lab, worker)
        ended(lab, begun, told(begun, status), worker)


def stored(lab: Lab, flight_id: str) -> dict[str, JobResult]:
    with lab.store.reading() as connection:
        found = read_flight(connection, find_flight(connection, flight_id))
    return {job.name: job for job in found.jobs}


# -- submitting ------------------------------------------------------------------------


def test_a_flight_is_in_the_queue_and_in_the_store(project: LabProject) -> None:
    flight_id = project.submit(priority=7)
    with project.lab() as lab:
        assert {job.status for job in stored(lab, flight_id).values()} == {Status.ABORTED}
        with lab.reading() as connection:
            (flight,) = queued_flights(connection)
            (line,) = list_flights(connection, now=now(), limit=9)
        assert (flight.flight_id, flight.priority, flight.jobs) == (flight_id, 7, {"waiting": 2})
        assert line.running
        assert line.blessing == "simulated", "whatever was said"
        assert open_jobs(lab, ["sim1"]) == 2
        assert open_jobs(lab, ["rack9"]) == 0


def test_twice_is_refused_and_changes_nothing(project: LabProject) -> None:
    plan = build_plan(str(project.path / "flights" / "nightly.yaml"))
    terms = Terms(owner="ada@ci7", branch="nightly")
    with project.lab() as lab:
        assert submit(lab, plan, header_of(plan), terms) == 2
        with pytest.raises(UsageError, match="is queued already; nothing was changed"):
            submit(lab, plan, header_of(plan), terms)
        assert open_jobs(lab, ["sim1"]) == 2
    assert project.submit() != plan.flight_id, "another flight of that name is another flight"


def test_half_a_flight_is_never_queued(project: LabProject) -> None:
    plan = build_plan(str(project.path / "flights" / "nightly.yaml"))
    head = header_of(plan)
    half = head.model_copy(update={"jobs": head.jobs[:1]})
    with project.lab() as lab:
        with pytest.raises(IndexError):
            submit(lab, plan, half, Terms(owner="ada@ci7", branch="nightly"))
        with lab.reading() as connection:
            assert queued_flights(connection) == []
            assert list_flights(connection, now=now(), limit=9) == []
        assert fetched(lab, registered(lab)) is None


def test_what_can_run_nowhere_is_skipped_at_once(project: LabProject) -> None:
    flight = (project.path / "flights" / "nightly.yaml").read_text()
    excluded = "exclude: [{where: {dist: trixie}, reason: not today}]\n"
    project.write("flights/nightly.yaml", flight + excluded)
    flight_id = project.submit()
    assert project.jobs(flight_id)[TRIXIE].status == "skip"
    assert project.jobs(flight_id)[BOOKWORM].shown == "waiting"


def with_peer(project: LabProject, hosts: str) -> str:
    flight = project.gated("bookworm").replace("suite: gated", "suite: gated, peer: any")
    project.write("flights/gated.yaml", flight.replace("hosts: [sim1, sim2]", f"hosts: [{hosts}]"))
    return project.submit("gated")


def test_a_job_for_two_hosts_is_skipped_where_the_flight_has_one(project: LabProject) -> None:
    (job,) = project.jobs(with_peer(project, "sim2")).values()
    assert (job.status, job.note) == (
        "skip",
        "it needs a second host (peer), and the flight has one: sim2",
    )


def test_a_job_for_two_hosts_is_no_work_for_who_has_one(project: LabProject) -> None:
    with_peer(project, "sim1, sim2")
    with project.lab() as lab:
        assert open_jobs(lab, ["sim1"]) == open_jobs(lab, ["sim2"]) == 0
        assert open_jobs(lab, ["sim1", "sim2"]) == 1


@pytest.mark.parametrize("status", [Status.BROKEN, Status.SKIP])
def test_it_does_not_wait_for_a_single_host_that_is_left(
    project: LabProject, status: Status
) -> None:
    project.write("flights/hosts.yaml", f"{HOSTS}  sim3: {{sim: {{}}}}\n")
    flight_id = with_peer(project, "sim1, sim2, sim3")
    with project.lab() as lab:
        worker = registered(lab, "sim1", "sim2")
        begun = taken(lab, worker)
        assert begun.hosts == ("sim1", "sim2")
        ended(lab, begun, told(begun, status), worker)
        (done,) = stored(lab, flight_id).values()
    assert done.status is status


# -- running ---------------------------------------------------------------------------


def test_a_flight_ends_with_its_last_job_and_can_be_fetched(
    project: LabProject, tmp_path: Path
) -> None:
    flight_id = project.submit()
    with project.lab() as lab:
        worker = registered(lab)
        first = taken(lab, worker)
        assert follow(lab, first, told(first))
        assert stored(lab, flight_id)[BOOKWORM].status is Status.PASS
        with pytest.raises(UsageError, match="is not over"):
            fetch(lab, flight_id, tmp_path)
        store_files(lab, first, {"console.log": b"hello\0", "evidence/xl-info.txt": b"info"})
        assert ended(lab, first, told(first), worker) is Outcome.DONE
        finished(lab, worker, Status.FAIL)
        found, path = fetch(lab, flight_id, tmp_path)
        with lab.store.reading() as connection:
            kept = read_flight(connection, find_flight(connection, flight_id))
    assert found == kept == load_results(path)
    assert found.ended
    assert found.status is Status.FAIL
    assert [host.name for host in found.hosts] == ["sim1"]
    assert (path / "jobs" / BOOKWORM / "console.log").read_bytes() == b"hello\0"
    evidence = path / "jobs" / BOOKWORM / "evidence" / "xl-info.txt"
    assert evidence.stat().st_mode & 0o777 == 0o600
    assert (path / "junit.xml").exists()


def test_higher_priorities_first_whosever_they_are(project: LabProject) -> None:
    low, high = project.submit(), project.submit(priority=1)
    with project.lab() as lab:
        worker = registered(lab)
        assert [taken(lab, worker).flight_id for _ in range(3)] == [high, high, low]


def test_a_job_is_broken_and_is_tried_on_another_workers_host(project: LabProject) -> None:
    flight_id = project.submit("gated")
    with project.lab() as lab:
        one, two = registered(lab, "sim1"), registered(lab, "sim2")
        begun = taken(lab, one)
        assert begun.hosts == ("sim1",)
        ended(lab, begun, told(begun, Status.BROKEN), one)
        (job,) = project.jobs(flight_id).values()
        assert (job.shown, job.hosts) == ("waiting", ("sim2",))
        again = taken(lab, two)
        end(lab, again, told(again, Status.BROKEN, on="sim2"), two)
        (done,) = stored(lab, flight_id).values()
    assert done.status is Status.BROKEN
    assert [one.host for one in done.attempts] == ["sim1"]


def test_only_what_no_host_can_run_is_skipped(project: LabProject) -> None:
    flight_id = project.submit("gated")
    with project.lab() as lab:
        one, two = registered(lab, "sim1"), registered(lab, "sim2")
        begun = taken(lab, one)
        assert ended(lab, begun, told(begun, Status.SKIP), one) is Outcome.MISFIT
        (job,) = project.jobs(flight_id).values()
        assert (job.shown, job.hosts) == ("waiting", ("sim2",))
        again = taken(lab, two)
        end(lab, again, told(again, Status.SKIP, on="sim2"), two)
        (done,) = stored(lab, flight_id).values()
    assert done.status is Status.SKIP
    assert done.attempts == (), "nothing was tried"
    assert done.reason == "sim1 can't; sim2 can't"


# -- lost workers ----------------------------------------------------------------------


def test_a_dead_workers_job_waits_again_and_what_it_tells_later_counts_no_more(
    project: LabProject,
) -> None:
    flight_id = project.submit("gated")
    with project.lab() as lab:
        dead, heir = registered(lab), registered(lab)
        found = fetched(lab, dead)
        assert found
        number, _, job_no = found
        begun = begin(lab, flight_id, job_no, number, dead)
        assert begun
        partly = cut_short(result(begun), Status.ABORTED, "half")
        assert follow(lab, begun, Told(job=partly))
        (said,) = take_over(lab, [(number, flight_id, job_no)])
        assert "waits again: its worker" in said
        assert take_over(lab, [(number, flight_id, job_no)]) == [], "once"
        assert not follow(lab, begun, told(begun))
        assert end(lab, begun, told(begun), dead) is None
        (job,) = project.jobs(flight_id).values()
        assert (job.shown, job.status) == ("waiting", "")
        again = taken(lab, heir)
        end(lab, again, told(again), heir)
        (done,) = stored(lab, flight_id).values()
    assert done.status is Status.PASS
    (attempt,) = done.attempts
    assert attempt.status is Status.BROKEN
    assert "was lost: last heard of at" in (attempt.reason or "")
    assert attempt.steps, "what it told before is kept"


def test_a_worker_that_died_before_it_began_loses_nothing(project: LabProject) -> None:
    flight_id = project.submit("gated")
    with project.lab() as lab:
        dead, heir = registered(lab), registered(lab)
        found = fetched(lab, dead)
        assert found
        assert take_over(lab, [found])
        number, _, job_no = found
        assert begin(lab, flight_id, job_no, number, dead) is None, "it is another's now"
        finished(lab, heir, Status.PASS)
        (done,) = stored(lab, flight_id).values()
    assert (done.status, done.attempts) == (Status.PASS, ())


def test_a_job_under_which_workers_die_is_broken_at_last(project: LabProject) -> None:
    flight_id = project.submit("gated")
    with project.lab() as lab:
        worker, said = registered(lab), ""
        for _ in range(3):
            found = fetched(lab, worker)
            assert found
            assert begin(lab, flight_id, found[2], found[0], worker)
            said = lost(lab, flight_id, found[2], found[0], most=3)
        assert "3 workers were lost" in said
        (done,) = stored(lab, flight_id).values()
        assert fetched(lab, worker) is None
    assert done.status is Status.BROKEN
    assert len(done.attempts) == 2


# -- operators -------------------------------------------------------------------------


def test_cancelled_jobs_end_and_what_runs_is_told_to(project: LabProject) -> None:
    flight_id = project.submit()
    with project.lab() as lab:
        worker = registered(lab)
        begun = taken(lab, worker)
        done = cancel(lab, flight_id, None, "bob@ci8")
        assert (done.ending, done.ended) == ([BOOKWORM], [TRIXIE])
        assert project.jobs(flight_id)[BOOKWORM].shown == "ending"
        with lab.reading() as connection:
            asked = connection.scalar(
                text(
                    "SELECT count(*) FROM procrastinate_jobs"
                    " WHERE abort_requested AND status = 'doing'"
                )
            )
        assert asked == 1, "its worker hears of it from procrastinate"
        end(lab, begun, told(begun, Status.ABORTED), worker)
        assert project.status(flight_id) == {"aborted"}
        assert "cancelled by bob@ci8" in (stored(lab, flight_id)[TRIXIE].reason or "")
        with pytest.raises(UsageError, match="waits or runs any more"):
            cancel(lab, flight_id, None, "bob@ci8")


def test_one_job_of_a_flight_is_cancelled(project: LabProject) -> None:
    flight_id = project.submit()
    with project.lab() as lab:
        with pytest.raises(UsageError, match=f"did you mean '{TRIXIE}'"):
            cancel(lab, flight_id, TRIXIE[:-1], "bob@ci8")
        cancel(lab, flight_id, TRIXIE, "bob@ci8")
        assert taken(lab, registered(lab)).job == BOOKWORM
        assert fetched(lab, registered(lab)) is None


def test_what_said_nothing_of_a_guest_is_tried_again(project: LabProject) -> None:
    flight_id = project.submit()
    with project.lab() as lab:
        worker = registered(lab)
        finished(lab, worker, Status.BROKEN, Status.FAIL)
        assert retry(lab, flight_id, None) == [BOOKWORM]
        with pytest.raises(UsageError, match=r"nothing to try again: .* is fail, waiting"):
            retry(lab, flight_id, None)
        with lab.reading() as connection:
            assert queued_flights(connection)[0].finished is None
        finished(lab, worker, Status.PASS)
        done = stored(lab, flight_id)
    assert done[BOOKWORM].status is Status.PASS
    assert [one.status for one in done[BOOKWORM].attempts] == [Status.BROKEN]
    assert done[TRIXIE].attempts == ()


# -- waiting in vain -------------------------------------------------------------------


def test_a_job_without_any_worker_is_starved_in_time(project: LabProject) -> None:
    flight_id = project.submit("gated", patience=timedelta(minutes=5))
    with project.lab() as lab:
        assert starve(lab, now() + timedelta(minutes=4)) == []
        worker = registered(lab, "sim2")
        say_alive(lab, worker, 1)
        say_alive(lab, registered(lab, "rack9"), 1)
        with lab.reading() as connection:
            assert len(lab_workers(connection, timedelta(seconds=30))) == 2
        (said,) = starve(lab, now() + timedelta(minutes=6))
        assert "no worker with a host that it may run on: sim1, sim2" in said
        (done,) = stored(lab, flight_id).values()
        assert fetched(lab, worker) is None
    assert done.status is Status.STARVED
    assert project.results(flight_id)["status"] == "starved"


def test_nor_does_it_wait_for_ever_where_there_are_some(project: LabProject) -> None:
    flight_id = project.submit("gated", longest=timedelta(hours=2))
    with project.lab() as lab:
        (said,) = starve(lab, now() + timedelta(hours=3))
    assert flight_id in said


# -- databases -------------------------------------------------------------------------


def test_a_database_without_a_queue_says_what_makes_it(project: LabProject) -> None:
    with project.lab() as lab:
        with lab.store.writing() as connection:
            connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
        with pytest.raises(StoreError, match=r"there is no queue in .* yet \(xenflight queue init"):
            open_lab(project.url)
        assert init(lab.store).startswith("made the queue")
        assert init(lab.store).endswith(f"up to date: version 1, procrastinate {NOW.procrastinate}")
    open_lab(project.url).store.close()


def test_what_is_pruned_from_the_store_goes_from_the_queue(project: LabProject) -> None:
    flight_id = project.submit("gated")
    with project.lab() as lab:
        worker = registered(lab)
        begun = taken(lab, worker)
        store_files(lab, begun, {"console.log": b"x"})
        ended(lab, begun, told(begun), worker)
        with lab.store.writing() as connection:
            old = Pruning(before=now() + timedelta(days=1), keep=0)
            found = prunable(connection, old)
        prune(lab.store, found)
        with lab.reading() as connection:
            assert queued_flights(connection) == []
            for table in ("lab_files", "lab_attempts", "lab_jobs", "procrastinate_jobs"):
                assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        with pytest.raises(UsageError, match="there is no flight"):
            cancel(lab, flight_id, None, "ada@ci7")


def test_an_older_queue_is_refused_and_changed_only_when_asked(project: LabProject) -> None:
    with project.lab() as lab:
        with lab.writing() as connection:
            # No change of procrastinate's came after that.
            connection.execute(VERSION.update().values(procrastinate="3.9.9"))
        with pytest.raises(StoreError, match="is of an older version: version 1, procrastinate 3"):
            open_lab(project.url)
        assert "is now of version 1" in init(lab.store)
        with lab.store.reading() as connection:
            assert read_version(connection) == NOW


def test_an_empty_postgresql_gets_store_and_queue(postgres_url: str) -> None:
    with pytest.raises(StoreError, match="has no tables yet"):
        open_lab(postgres_url)
    with Store(url_of(postgres_url)) as store:
        assert init(store).startswith("made the queue")


def test_a_flight_is_found_by_the_beginning_of_its_id(project: LabProject) -> None:
    one, two = project.submit("gated"), project.submit()
    with project.lab() as lab, lab.reading() as connection:
        assert find_queued(connection, "nigh") == two
        assert find_queued(connection, "latest") == two
        assert find_queued(connection, one) == one
        with pytest.raises(UsageError, match="there is no flight 'nightlx' in the queue"):
            find_queued(connection, "nightlx")
