"""Whole flights on a simulated host, through all else that is real; nobody can take it for one."""

from __future__ import annotations

import shutil
import time
from xml.etree import ElementTree

from harness.report.grid import grid_text
from harness.results.load import load_results
from harness.sim.state import state_of
from harness.sim.xlcfg import read_config
from harness.wait import SYSTEM_CLOCK
from sim.project import HOST, JOB, OTHER, ROOT, SimProject

STEPS = [
    "guest-create",
    "guest-boot",
    "guest-console",
    "guest-ssh",
    "guest-network",
    "guest-shutdown",
    "guest-gone",
    "leak-check/check",
]
MUST_FAIL = {
    "panic": ("guest-boot", "initramfs", "kernel-panic"),
    "wrong-root": ("guest-boot", "initramfs", "root-not-found"),
    "no-getty": ("guest-boot", "login", "no-login-prompt"),
    "no-network": ("guest-ssh", "network", "no-address"),
    "wrong-root-in-menu": ("guest-boot", "initramfs", "root-not-found"),
}
"""As on a real Xen: `EVIDENCE` in selftests/xen/test_flights.py."""
LOUD = "SIMULATED: no Xen and no guest was real, and this verdict counts for nothing"


def test_a_good_guest_passes_and_leaves_nothing(project: SimProject) -> None:
    before = project.state
    began = time.monotonic()
    result = project.run()
    assert int(result.ret) == 0, str(result.stdout)
    assert [(step["testid"], step["status"]) for step in project.job()["steps"]] == [
        (testid, "pass") for testid in STEPS
    ]
    assert not project.state.more_than(before)
    assert project.results["problems"] == []
    phases = {one["name"]: one["duration"] for one in project.job()["steps"][1]["phases"]}
    assert list(phases)[:5] == ["create", "kernel", "initramfs", "init", "login"]
    assert sum(phases.values()) > 10, "of its own time"
    assert project.world.clock.monotonic() > 60
    # Nobody slept: the process goes by its own time again, and not much of it went by.
    assert time.monotonic() - began < 60
    assert abs(SYSTEM_CLOCK.monotonic() - time.monotonic()) < 1


def test_its_files_are_those_of_any_flight(project: SimProject) -> None:
    project.run()
    job = project.directory / "jobs" / JOB
    console = (job / "console.log").read_bytes()
    assert console.startswith(b"[    0.000000] Linux version")
    assert b" login: " in console
    assert b"reboot: System halted" in console
    password = next((project.path / "cache").glob("**/password"), None)
    assert password is None, "the flight's secrets are gone"
    assert 'type = "pv"' in (job / "xl.cfg").read_text()
    assert {"boot_id", "guest_ip", "guest_kernel", "mac"} <= project.job()["runvars"].keys()
    own = 1  # the flight's leak check
    assert len(list((project.directory / "allure").glob("*-result.json"))) == len(STEPS) + own


def test_everything_says_that_it_is_simulated(project: SimProject) -> None:
    result = project.run()
    assert str(result.stdout).count(LOUD) == 2, "before all and at the end"
    result.stdout.fnmatch_lines([f"*{HOST}, SIMULATED, Xen 4.17*"])
    assert project.results["hosts"][0]["kind"] == "sim"
    suites = ElementTree.parse(project.directory / "junit.xml").getroot()
    assert "SIMULATED" in suites.get("name", "")
    properties = {one.get("name"): one.get("value") for one in suites.iter("property")}
    assert properties["host_kind"] == "sim"
    assert "SIMULATED" in grid_text([load_results(project.directory)])


def test_even_where_its_host_was_never_reached(project: SimProject) -> None:
    project.hosts("unreachable")
    result = project.run()
    assert int(result.ret) == 4
    assert project.results["hosts"][0]["kind"] == "sim"
    assert LOUD in str(result.stdout)


def test_guests_made_to_fail_do_as_on_a_real_host(project: SimProject) -> None:
    """By their kernel lines and their menus: no fault is injected."""
    shutil.copy(ROOT / "flights" / "must-fail.yaml", project.path / "flights")
    before = project.state
    names = ",".join(f"*-{variant}" for variant in MUST_FAIL)
    assert int(project.run("--only", names, flight="must-fail").ret) == 5
    found = {}
    for job in project.results["jobs"]:
        step = next(one for one in job["steps"] if one["status"] == "fail")
        variant = job["name"].split("-", 5)[5]
        found[variant] = (step["testid"], step["phase"], step["failure_class"])
        assert job["evidence"]["had"] == job["evidence"]["asked"] > 10
    assert found == MUST_FAIL
    assert not project.host.faults.struck
    assert not project.state.more_than(before)


def test_the_second_flight_finds_the_image(project: SimProject) -> None:
    assert int(project.run().ret) == 0
    boots, began = project.host.boots, project.world.clock.monotonic()
    result = project.run()
    assert int(result.ret) == 0
    assert "sending the image" not in str(result.stdout)
    assert project.host.boots == boots + 1
    assert project.world.clock.monotonic() > began, "it is the same world"


def test_every_boot_method_of_the_matrix(project: SimProject) -> None:
    shutil.copy(ROOT / "flights" / "matrix.yaml", project.path / "flights")
    before = project.state
    result = project.run("--only", "boot-bookworm-amd64-*", flight="matrix")
    assert int(result.ret) == 0, str(result.stdout)
    ran = [job["name"] for job in project.results["jobs"] if job["status"] == "pass"]
    assert len(ran) >= 8
    assert {name.split("-")[3] for name in ran} == {"pv", "pvh", "hvm"}
    assert not project.state.more_than(before)


def test_a_fault_of_one_job_is_none_of_the_others(project: SimProject) -> None:
    shutil.copy(ROOT / "flights" / "matrix.yaml", project.path / "flights")
    project.hosts("{kind: kernel-panic, job: boot-bookworm-amd64-pvh-*}")
    project.run("--only", "boot-bookworm-amd64-*-direct", flight="matrix")
    status = {job["name"].split("-")[3]: job["status"] for job in project.results["jobs"]}
    assert status == {"pv": "pass", "pvh": "fail", "hvm": "pass"}


def test_jobs_of_a_host_that_dies_are_tried_elsewhere_and_the_rest_unaffected(
    project: SimProject,
) -> None:
    shutil.copy(ROOT / "flights" / "matrix.yaml", project.path / "flights")
    lost = "{kind: host-lost, on: xl create, skip: 1, times: 1}"
    project.hosts(lost, count=2, settings="power: {cycle: never}")
    result = project.run("--only", "boot-bookworm-amd64-*", flight="matrix")
    assert int(result.ret) == 4, str(result.stdout)
    ran = [job for job in project.results["jobs"] if job["status"] != "skip"]
    assert {job["status"] for job in ran} == {"pass"}
    (tried,) = [job for job in ran if job["attempts"]]
    (broken,) = tried["attempts"]
    assert (broken["status"], broken["host"], tried["host"]) == ("broken", HOST, OTHER)
    assert "lost the SSH connection to sim1 during `'xl create'" in broken["reason"]
    where = [job["host"] for job in ran]
    then = where[where.index(HOST) :]
    assert then.count(HOST) == 1, "one passed there before it died, and none after"
    assert len(ran) > 4
    assert [host["name"] for host in project.results["hosts"]] == [HOST, OTHER]
    assert "not made: sim1" in project.results["leak_check"]["reason"]
    assert not state_of(project.host_named(OTHER)).domains


def test_a_host_that_others_use_is_not_power_cycled(project: SimProject) -> None:
    project.hosts("{kind: host-lost, on: xl list, skip: 6, times: 1}")
    project.host.create(read_config('name = "web"\nmemory = 256\n'))
    assert int(project.run().ret) == 4
    (broken, _) = project.attempts()
    said = "it was not power-cycled: others use it: domain web"
    assert said in broken["evidence"]["note"]
    assert not project.host.up


def test_simulated_hosts_and_others_have_no_flight_in_common(project: SimProject) -> None:
    project.names = [HOST, "rack"]
    result = project.run()
    assert int(result.ret) == 2
    said = str(result.stdout) + str(result.stderr)
    assert "a flight is not on simulated hosts (sim1) and on others at once" in said


def test_a_builder_on_the_host_is_said_not_to_be_there(project: SimProject) -> None:
    flight = project.path / "flights" / "smoke.yaml"
    text = flight.read_text().replace("boot: [direct]}", "boot: [%s], builder: [%s]}")
    flight.write_text(text % ("pygrub", "debian-installer"))
    assert int(project.run().ret) == 4
    (job,) = project.results["jobs"]
    assert "a simulated host has no builder such as debian-installer" in job["reason"]
    flight.write_text(text % ("direct", "xen-create-image"))
    assert int(project.run().ret) == 3
    (job,) = project.results["jobs"]
    assert "its dom0 has no xen-create-image" in job["reason"]


def test_a_guest_is_kept_when_asked_to_and_reaped_when_its_time_is_over(
    project: SimProject,
) -> None:
    project.hosts("{kind: kernel-panic, times: 1}")
    before = project.state
    assert int(project.run("--keep", "on-failure", "--keep-for", "10m").ret) == 5
    assert project.job()["kept"]
    kept = project.state.more_than(before)
    assert kept.keys() >= {"domains", "volumes"}
    assert int(project.run().ret) == 0
    assert project.state.more_than(before).keys() >= {"domains", "volumes"}
    project.world.clock.sleep(3600)
    assert int(project.run().ret) == 0
    assert not project.state.more_than(before)


# -- who may not -----------------------------------------------------------------------------


def test_without_its_plugin_it_is_refused_before_anything_is_done(project: SimProject) -> None:
    result = project.run_apart()
    assert int(result.ret) == 2
    assert f"{HOST} is a simulated host" in str(result.stdout) + str(result.stderr)
    assert not (project.path / "reports").exists()


def test_with_its_plugin_it_runs(project: SimProject) -> None:
    result = project.run_apart("-p", "harness.plugin.simulated")
    assert int(result.ret) == 0, str(result.stdout)
    assert LOUD in str(result.stdout)


def test_several_processes_cannot_share_it(project: SimProject) -> None:
    plugin = ("-p", "harness.plugin.simulated")
    result = project.run_apart(*plugin, "-n", "2")
    assert int(result.ret) == 2
    assert "run without -n" in str(result.stdout) + str(result.stderr)
    assert not (project.path / "reports").exists()
    assert int(project.run_apart(*plugin, "-n", "auto").ret) == 0
