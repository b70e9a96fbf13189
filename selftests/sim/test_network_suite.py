"""The suite ``network`` on a simulated host: all of it, what it skips and must not pass."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from harness.sim.host import SimHost
from harness.sim.request import Answer, Request
from sim.project import ROOT, SimProject, culprit

PV, PVH = (f"network-bookworm-amd64-{way}" for way in ("pv-direct", "pvh-direct"))
STEPS = [
    *("guest-create", "guest-boot", "guest-console", "guest-ssh", "net-dhcp", "net-ipv4"),
    *("net-neighbour", "net-peers", "net-ipv6", "net-bandwidth", "net-vif.dom0"),
    *("net-vif.guest", "net-mac", "guest-gone", "leak-check/check"),
]


@pytest.fixture
def network(project: SimProject) -> SimProject:
    for name in ("network", "must-fail"):
        shutil.copy(ROOT / "flights" / f"{name}.yaml", project.path / "flights")
    return project


def skipped(job: dict[str, Any]) -> dict[str, str]:
    return {step["testid"]: step["reason"] for step in job["steps"] if step["status"] == "skip"}


def test_all_of_it_passes_and_leaves_nothing(network: SimProject) -> None:
    network.host.checks_macs = True
    before = network.state
    result = network.run("--only", PV, flight="network")
    job = network.job(PV)
    assert int(result.ret) == 0, culprit(job)
    assert [step["testid"] for step in job["steps"]] == STEPS
    assert {step["status"] for step in job["steps"]} == {"pass"}, culprit(job)
    assert not network.state.more_than(before)
    assert network.results["problems"] == []
    runvars = job["runvars"]
    assert runvars["guest_ip"] != runvars["neighbour_ip"]
    assert runvars["domid"] != runvars["neighbour_domid"]
    assert runvars["bandwidth_out"] == runvars["bandwidth_in"] == "941 Mbit/s"
    directory = network.directory / "jobs" / PV
    assert b"Linux version" in (directory / "neighbour" / "console.log").read_bytes()


def test_where_any_mac_address_may_be_used(network: SimProject) -> None:
    words = ("-k", "guest-create or guest-boot or net-mac or net-dhcp")
    assert int(network.run("--only", PV, *words, flight="network").ret) == 0
    found = skipped(network.job(PV))
    assert set(found) == {"net-mac"}
    assert "has no rule about vif1.0" in found["net-mac"]


def test_a_guest_that_may_pretend_although_there_is_a_rule(network: SimProject) -> None:
    def rules(host: SimHost, request: Request) -> Answer:
        return Answer(stdout="a rule that does nothing\n")

    network.host.programs["show-mac-rules"] = rules
    words = ("-k", "guest-create or guest-boot or net-mac")
    assert int(network.run("--only", PV, *words, flight="network").ret) == 5
    bad = culprit(network.job(PV))
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("net-mac", "spoofed")


def test_a_job_without_a_neighbour(network: SimProject) -> None:
    flight = network.path / "flights" / "network.yaml"
    flight.write_text(flight.read_text().replace("  neighbour: 384M\n", ""))
    assert int(network.run("--only", PV, flight="network").ret) == 0
    found = skipped(network.job(PV))
    assert set(found) == {"net-neighbour", "net-peers", "net-ipv6", "net-bandwidth", "net-mac"}
    assert found["net-peers"] == "the flight gives it no neighbour (key `neighbour`)"


@pytest.mark.parametrize("testid", ["net-ipv6", "net-vif.dom0", "net-vif.guest"])
def test_any_step_can_be_run_by_itself(network: SimProject, testid: str) -> None:
    before = network.state
    words = f"guest-create or guest-boot or {testid}"
    assert int(network.run("--only", PVH, "-k", words, flight="network").ret) == 0
    assert testid in {step["testid"] for step in network.job(PVH)["steps"]}
    assert not network.state.more_than(before), "its neighbour goes with the job"


def test_a_guest_without_ipv6(network: SimProject) -> None:
    before = network.state
    assert int(network.run("--only", "*-no-ipv6", flight="must-fail").ret) == 5
    (job,) = [job for job in network.results["jobs"] if job["status"] != "skip"]
    bad = culprit(job)
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("net-ipv6", "no-ipv6")
    assert not network.state.more_than(before)


def test_a_cable_that_cannot_be_pulled(network: SimProject) -> None:
    network.host.programs["set-link"] = lambda host, request: Answer()
    words = ("-k", "guest-create or guest-boot or net-vif.dom0")
    assert int(network.run("--only", PV, *words, flight="network").ret) == 5
    bad = culprit(network.job(PV))
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("net-vif.dom0", "still-talks")
    assert "100 % of dom0's pings came back" in bad["reason"]
