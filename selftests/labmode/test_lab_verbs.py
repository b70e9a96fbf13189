"""The verbs of the lab, as people type them."""

from __future__ import annotations

import json

import pytest

from harness.flight.build import build_plan
from harness.lab.flow import HeldFlight
from harness.lab.look import queued_flights
from harness.results.events import FlightHeader
from labmode.project import LabProject, header_of

TRIXIE = "boot-trixie-amd64-pv-direct"


def test_a_flight_is_submitted_looked_at_and_cancelled(project: LabProject) -> None:
    said = project.run("submit", "nightly", "--priority", "3", "--branch", "b/1")
    flight_id = said.splitlines()[0]
    assert f"2 jobs queued; xenflight queue {flight_id}" in said
    with project.lab() as lab, lab.writing() as connection:
        flight = HeldFlight(lab, connection, flight_id)
        assert (flight.row.priority, flight.row.branch) == (3, "b/1")
        plan = build_plan(str(project.path / "flights" / "nightly.yaml"))
        wanted = [(job.name, job.steps) for job in header_of(plan).jobs]
        header: FlightHeader = flight.header
        assert [(job.name, job.steps) for job in header.jobs] == wanted
        assert header.jobs[0].runvars["memory"] == "512M"
    data = json.loads(project.run("queue", flight_id, "--json"))
    assert [job["shown"] for job in data["jobs"]] == ["waiting", "waiting"]
    assert f"cancelled: {TRIXIE}" in project.run("queue", "cancel", "latest", TRIXIE)
    shown = project.run("queue")
    assert flight_id in shown
    assert "1 ended, 1 waiting" in shown
    assert "no worker lives" in shown
    assert "is not over" in project.run("queue", "fetch", flight_id, code=2)


@pytest.mark.parametrize(
    ("words", "store", "code", "said"),
    [
        (["queue"], "none", 2, "the queue is in the store, and there is none"),
        (["queue"], "h.db", 2, "the queue needs PostgreSQL, and the store is a file"),
        (["submit"], "postgresql://x@/x?host=/nonexistent", 4, "can't be reached"),
    ],
)
def test_other_stores_have_no_queue(
    project: LabProject, words: list[str], store: str, code: int, said: str
) -> None:
    assert said in project.run(*words, code=code, XENFLIGHT_STORE=store)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit", "nightly", "--only", "no-such-*"], "no-such-"),
        (["submit", "nightly", "--patience", "soon"], "--patience"),
        (["submit", "nightly", "--priority", "4000"], "a priority is between"),
        (["worker", "--hosts", "sim3"], "unknown host 'sim3'"),
    ],
)
def test_mistakes_are_told_before_anything_is_queued(
    project: LabProject, words: list[str], said: str
) -> None:
    assert said in project.run(*words, code=2)
    with project.lab() as lab, lab.reading() as connection:
        assert queued_flights(connection) == []


def test_simulated_hosts_are_for_our_own_tests(project: LabProject) -> None:
    said = project.run("submit", "nightly", code=2, PYTEST_PLUGINS="")
    assert "simulated host" in said
