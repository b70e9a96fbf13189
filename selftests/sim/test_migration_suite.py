"""The suite ``migration`` between two simulated hosts: all of it, what it skips, and what fails."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from harness.flight.faults import Fault, FaultKind
from harness.sim.faults import Faults
from harness.sim.host import SimHost
from harness.sim.request import Answer, Request
from harness.sim.xl import info
from sim.project import OTHER, ROOT, SimProject, culprit

PV, PVH = (f"migration-bookworm-amd64-{way}" for way in ("pv-direct", "pvh-direct"))
DEAF = f"{PV}-deaf"
MOVES = ["guest-migrate.there", "guest-migrate.back", "guest-move.there", "guest-move.back"]
STEPS = [
    *("guest-create", "guest-boot", "guest-console", "guest-ssh", "guest-data", "peer-ready"),
    *MOVES,
    *("guest-shutdown", "guest-gone", "leak-check/check"),
]


@pytest.fixture
def pair(project: SimProject) -> SimProject:
    project.hosts(count=2)
    for name in ("migration", "must-fail"):
        text = (ROOT / "flights" / f"{name}.yaml").read_text()
        lines = [line for line in text.splitlines() if not line.startswith("hosts:")]
        project.write(f"flights/{name}.yaml", "\n".join(lines))
    return project


def newer(host: SimHost, request: Request) -> Answer:
    """A host's ``xl info`` with a newer Xen."""
    said = info(host, request).stdout.replace("4.17.7", "4.20.2")
    return Answer(stdout=said.replace("xen_minor              : 17", "xen_minor              : 20"))


def skipped(job: dict[str, Any]) -> dict[str, str]:
    return {step["testid"]: step["reason"] for step in job["steps"] if step["status"] == "skip"}


def test_all_of_it_passes_and_leaves_nothing_on_either(pair: SimProject) -> None:
    before = pair.states()
    result = pair.run("--only", PVH, flight="migration")
    job = pair.job(PVH)
    assert int(result.ret) == 0, culprit(job)
    assert [step["testid"] for step in job["steps"]] == STEPS
    assert {step["status"] for step in job["steps"]} == {"pass"}, culprit(job)
    assert not pair.more_than(before)
    assert pair.results["problems"] == []
    runvars = job["runvars"]
    assert {job["host"], runvars["peer"]} == set(pair.names)
    assert len(runvars["peer_domids"].split()) == 2
    moved = [step["facts"]["moved"] for step in job["steps"] if step["testid"] in MOVES]
    there, back = f"{job['host']} -> {runvars['peer']}", f"{runvars['peer']} -> {job['host']}"
    assert moved == [there, back, there, back]


def test_what_no_pv_guest_can_is_skipped(pair: SimProject) -> None:
    assert int(pair.run("--only", PV, flight="migration").ret) == 0
    found = skipped(pair.job(PV))
    assert list(found) == MOVES[:2]
    assert "cannot follow what a PV guest writes" in found[MOVES[0]]
    assert "it did not leave" in found[MOVES[1]]


def test_from_an_older_xen_to_a_newer_one(pair: SimProject) -> None:
    pair.host_named(OTHER).programs["xl info"] = newer
    before = pair.states()
    name = f"{PVH}-newer"
    assert int(pair.run("--only", name, flight="migration").ret) == 0, culprit(pair.job(name))
    job = pair.job(name)
    assert (job["host"], job["runvars"]["peer"]) == tuple(pair.names)
    found = skipped(job)
    assert list(found) == MOVES[1:]
    assert "sim2 has Xen 4.20.2, and sim1 4.17.7" in found[MOVES[1]]
    assert found[MOVES[2]] == "it is there already"
    assert not pair.more_than(before), "it ended on its second host"


def test_there_is_no_second_host_of_that_kind(pair: SimProject) -> None:
    result = pair.run("--only", f"{PVH}-newer", flight="migration")
    assert int(result.ret) == 3
    steps = pair.job(f"{PVH}-newer")["steps"]
    assert {step["status"] for step in steps} == {"skip"}
    assert "has a newer Xen (sim1: Xen 4.17, sim2: Xen 4.17)" in steps[0]["reason"]


def test_a_flight_of_one_host(pair: SimProject) -> None:
    shutil.rmtree(pair.path / "cache", ignore_errors=True)
    pair.names = pair.names[:1]
    assert int(pair.run("--only", PVH, flight="migration").ret) == 3
    assert "no second host" in pair.job(PVH)["steps"][0]["reason"]


def test_a_second_host_that_is_away_breaks_it(pair: SimProject) -> None:
    pair.host_named(OTHER).lose_power()
    assert int(pair.run("--only", PVH, "--no-retry", flight="migration").ret) == 4
    bad = culprit(pair.job(PVH))
    assert bad
    assert bad["status"] == "broken"
    assert "sim2" in bad["reason"]


def test_a_job_that_is_given_no_second_host(pair: SimProject) -> None:
    flight = pair.path / "flights" / "migration.yaml"
    flight.write_text(flight.read_text().replace(", peer: same", ""))
    assert int(pair.run("--only", PVH, flight="migration").ret) == 0
    found = skipped(pair.job(PVH))
    assert list(found) == ["peer-ready", *MOVES]
    assert set(found.values()) == {"the flight gives it no second host (key `peer`)"}


def test_a_guest_that_does_not_listen_does_not_move(pair: SimProject) -> None:
    before = pair.states()
    assert int(pair.run("--only", DEAF, flight="must-fail").ret) == 5
    bad = culprit(pair.job(DEAF))
    assert bad
    found = bad["testid"], bad["status"], bad["failure_class"]
    assert found == ("guest-move.there", "fail", "xl-refused")
    assert not pair.more_than(before)


def test_one_that_is_kept_has_nothing_on_its_second_host(pair: SimProject) -> None:
    before = pair.states()
    assert int(pair.run("--only", DEAF, "--keep", "on-failure", flight="must-fail").ret) == 5
    job = pair.job(DEAF)
    check = job["steps"][-1]
    assert job["kept"]
    assert check["status"] == "pass", check["reason"]
    assert "kept for its operator" in check["reason"]
    assert list(pair.more_than(before)) == [job["host"]]


@pytest.mark.parametrize(
    ("fault", "failure_class"),
    [("process-lost", "process-lost"), ("clock-jumps", "clock-drift"), ("data-spoilt", None)],
)
def test_a_guest_that_is_not_the_same_over_there(
    pair: SimProject, fault: str, failure_class: str | None
) -> None:
    pair.host_named(OTHER)
    pair.hosts(fault, count=2)
    before = pair.states()
    assert int(pair.run("--only", PVH, flight="migration").ret) == 5
    bad = culprit(pair.job(PVH))
    assert bad
    assert bad["testid"] in MOVES
    assert bad["failure_class"] == (failure_class or bad["failure_class"])
    assert not pair.more_than(before)


def test_a_disk_that_is_not_the_same_over_there(pair: SimProject) -> None:
    def other(host: SimHost, request: Request) -> Answer:
        return Answer(stdout=f"{host.name}  -\n")

    for name in pair.names:
        pair.host_named(name).programs["read-head"] = other
    assert int(pair.run("--only", PVH, "--no-retry", flight="migration").ret) == 4
    bad = culprit(pair.job(PVH))
    assert bad
    assert (bad["testid"], bad["status"]) == ("peer-ready", "broken")


def test_an_interrupt_in_the_middle_of_a_move_leaves_nothing(pair: SimProject) -> None:
    pair.hosts("{kind: interrupt, on: stat, times: 1}", count=2)
    before = pair.states()
    assert int(pair.run("--only", PVH, flight="migration").ret) == 130
    bad = culprit(pair.job(PVH))
    assert bad
    assert bad["status"] == "aborted"
    assert bad["testid"] in MOVES
    assert not pair.more_than(before)


def test_both_hosts_of_a_broken_job_are_proved_and_waited_for(pair: SimProject) -> None:
    """Which of the two it was, nobody knows; and there is no third one to go on with."""
    pair.run(flight="smoke")
    lost = Fault(kind=FaultKind.CONNECTION_LOST, on="write-config", times=1)
    other = pair.host_named(OTHER)
    other.faults = Faults(other.clock, [lost])
    assert int(pair.run("--only", PVH, flight="migration").ret) == 0, culprit(pair.job(PVH))
    job = pair.job(PVH)
    (first,) = job["attempts"]
    assert (first["host"], job["host"]) == tuple(pair.names)
    assert "lost the SSH connection to sim2" in first["reason"]
    asked = (pair.directory / "host").glob("*/canary-*")
    assert {path.parent.name for path in asked} == set(pair.names)


@pytest.mark.parametrize("command", ["stat", "write-config"])
def test_a_host_that_dies_in_the_middle_of_a_move(pair: SimProject, command: str) -> None:
    pair.hosts(f"{{kind: host-lost, on: {command}, times: 1, lasts: 5s}}", count=2)
    before = pair.states()
    assert int(pair.run("--only", PVH, "--no-retry", flight="migration").ret) == 4
    bad = culprit(pair.job(PVH))
    assert bad
    assert bad["status"] == "broken"
    assert bad["testid"] in MOVES
    assert not pair.more_than(before), "the guest is on neither, nor is its disk"
