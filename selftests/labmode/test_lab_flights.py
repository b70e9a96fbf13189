"""Flights through the queue: two workers, killed ones, cancelled jobs, a database that goes."""

from __future__ import annotations

import signal

from postgres import PostgresServer

from harness.lab.operate import cancel
from harness.results.load import load_results
from harness.store.names import find_flight
from harness.store.whole import read_flight
from labmode.project import DISTS, LabProject

JOBS = [f"boot-{dist}-amd64-pv-direct" for dist in DISTS]
PAIR = """\
flight: pair
mirror: auto
hosts: [sim1, sim2]
defaults: {suite: migration, memory: 256M, vcpus: 1, disk: 2G, peer: same}
matrix: {dist: [bookworm], arch: [amd64], virt: [pvh], boot: [direct]}
"""
GATED = [f"gated-{dist}-amd64-pv-direct" for dist in DISTS]


def test_two_workers_fly_a_flight_and_it_is_like_any_other(project: LabProject) -> None:
    flight_id = project.submit()
    assert {job.shown for job in project.jobs(flight_id).values()} == {"waiting"}
    workers = [project.worker(name, until_empty=True) for name in ("sim1", "sim2")]
    assert [worker.end() for worker in workers] == [0, 0], [one.said for one in workers]
    jobs = project.jobs(flight_id).values()
    assert {job.status for job in jobs} == {"pass"}, [one.said for one in workers]
    assert all(job.attempts == 1 for job in jobs)
    results = project.results(flight_id)
    assert results["status"] == "pass"
    assert results["ended"]
    assert [job["name"] for job in results["jobs"]] == JOBS
    assert {step["status"] for job in results["jobs"] for step in job["steps"]} == {"pass"}
    assert {host["name"] for host in results["hosts"]} <= {"sim1", "sim2"}
    directory = project.path / "reports" / "runs" / flight_id
    for job in results["jobs"]:
        assert b"login:" in (directory / job["console_log"]).read_bytes()
    with project.lab() as lab, lab.store.reading() as connection:
        stored = read_flight(connection, find_flight(connection, flight_id))
    assert stored == load_results(directory)


def test_a_job_for_two_hosts_waits_for_a_worker_that_has_both(project: LabProject) -> None:
    project.write("flights/pair.yaml", PAIR)
    flight_id = project.run("submit", "pair").splitlines()[0]
    half = project.worker("sim1", until_empty=True)
    assert half.end() == 0, half.said
    assert {job.shown for job in project.jobs(flight_id).values()} == {"waiting"}
    whole = project.worker(until_empty=True)
    assert whole.end() == 0, whole.said
    (job,) = project.results(flight_id)["jobs"]
    assert job["status"] == "pass", whole.said
    assert {job["host"], job["runvars"]["peer"]} == {"sim1", "sim2"}
    assert job["attempts"] == []


def test_a_worker_is_killed_and_nothing_is_lost(project: LabProject) -> None:
    """Its job is done again by the other, and both attempts are told; its run ends by itself."""
    project.write("flights/gated.yaml", project.gated("bookworm", "trixie"))
    flight_id = project.submit("gated")
    doomed = project.worker("sim1")
    project.until(lambda: any(map(project.began, GATED)), "a job at its gate")
    (job,) = (name for name in GATED if project.began(name))
    doomed.kill()
    project.until(lambda: project.runs() == ["aborted"], "its run to notice, and to clean up")
    project.open_gate()
    heir = project.worker(until_empty=True)
    assert heir.end() == 0, heir.said
    assert project.status(flight_id) == {"pass"}, heir.said
    found = {one["name"]: one for one in project.results(flight_id)["jobs"]}
    other = next(name for name in found if name != job)
    assert found[other]["attempts"] == []
    (attempt,) = found[job]["attempts"]
    assert attempt["status"] == "broken"
    assert "was lost: last heard of at" in attempt["reason"]
    assert f"{job} waits again" in heir.said


def test_a_job_that_runs_is_cancelled_and_one_that_waits(project: LabProject) -> None:
    project.write("flights/gated.yaml", project.gated("bookworm", "trixie"))
    flight_id = project.submit("gated")
    worker = project.worker()
    project.until(lambda: any(map(project.began, GATED)), "a job at its gate")
    with project.lab() as lab:
        done = cancel(lab, flight_id, None, "ada@ci7")
    assert (done.ending, done.ended) == ([GATED[0]], [GATED[1]])
    project.until(lambda: project.status(flight_id) == {"aborted"}, "the end of both")
    worker.tell(signal.SIGTERM)
    assert worker.end() == 0
    running, waiting = project.results(flight_id)["jobs"]
    assert [step["status"] for step in running["steps"]][:2] == ["pass", "aborted"]
    assert "before it began" in waiting["reason"]


def test_a_worker_that_is_told_to_stop_gives_its_job_back(project: LabProject) -> None:
    flight_id = project.submit("gated")
    first = project.worker()
    project.until(lambda: any(map(project.began, GATED)), "a job at its gate")
    first.tell(signal.SIGINT)
    assert first.end() == 0, first.said
    (job,) = project.jobs(flight_id).values()
    assert (job.shown, job.note) == ("waiting", "its worker was told to stop")
    project.open_gate()
    assert project.worker(once=True).end() == 0
    (found,) = project.results(flight_id)["jobs"]
    assert found["status"] == "pass"
    assert [one["status"] for one in found["attempts"]] == ["aborted"]


def test_the_database_goes_away_and_comes_back(
    project: LabProject, postgres: PostgresServer
) -> None:
    flight_id = project.submit("gated")
    worker = project.worker(once=True)
    project.until(lambda: any(map(project.began, GATED)), "a job at its gate")
    postgres.stop()
    try:
        project.open_gate()
        project.until(lambda: "waiting for the database" in worker.said, "it to notice")
    finally:
        postgres.start()
    assert worker.end() == 0, worker.said
    (job,) = project.jobs(flight_id).values()
    assert (job.status, job.attempts) == ("pass", 1), worker.said
