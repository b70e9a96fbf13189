"""``--fail-fast`` with a whole flight behind it: guests that die, on a simulated host."""

from __future__ import annotations

from sim.project import SimProject

FLIGHT = """
flight: smoke
mirror: auto
defaults: {suite: boot, memory: 512M, vcpus: 1, disk: 2G}
matrix: {dist: [bookworm], arch: [amd64], virt: [pv, pvh], boot: [direct]}
"""
PV, PVH = (f"boot-bookworm-amd64-{virt}-direct" for virt in ("pv", "pvh"))


def test_after_a_panic_no_guest_is_made_and_nothing_is_left(project: SimProject) -> None:
    project.write("flights/smoke.yaml", FLIGHT)
    project.hosts("{kind: kernel-panic, times: 1}")
    before = project.states()
    assert project.run("--fail-fast").ret == 5
    assert project.host.boots == 1
    assert (project.job(PV)["status"], project.job(PVH)["status"]) == ("fail", "blocked")
    assert {step["status"] for step in project.job(PVH)["steps"]} == {"blocked"}
    assert not project.more_than(before)


def test_a_lab_that_breaks_a_job_holds_up_no_other(project: SimProject) -> None:
    project.write("flights/smoke.yaml", FLIGHT)
    project.hosts("{kind: lease-lost, on: xl create, times: 1}")
    assert project.run("--fail-fast", "--no-retry").ret == 4
    assert (project.job(PV)["status"], project.job(PVH)["status"]) == ("broken", "pass")
