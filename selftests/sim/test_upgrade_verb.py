"""``xenflight upgrade`` of whole flights on a simulated host, as it is and with a fault."""

from __future__ import annotations

import json

import pytest

from harness.cli import main
from sim.project import SimProject

PV, PVH = (f"boot-bookworm-amd64-{virt}-direct" for virt in ("pv", "pvh"))
FLIGHT = """
flight: smoke
mirror: auto
defaults: {suite: boot, memory: 512M, vcpus: 1, disk: 2G}
matrix: {dist: [bookworm], arch: [amd64], virt: [pv, pvh], boot: [direct]}
"""


def flown(project: SimProject, *faults: str) -> str:
    """The id of a flight there."""
    project.write("flights/smoke.yaml", FLIGHT)
    project.hosts(*faults)
    project.run("--no-retry")
    return str(project.results["flight_id"])


@pytest.mark.parametrize(
    ("fault", "code", "safety", "fate"),
    [
        ("{kind: kernel-panic, times: 1}", 5, "not safe", "got worse"),
        ("{kind: lease-lost, on: xl create, times: 1}", 4, "can't tell", "can't be told"),
        ("slow-host", 0, "safe", "passes on both"),
    ],
)
def test_what_a_fault_after_it_comes_to(
    project: SimProject,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    code: int,
    safety: str,
    fate: str,
) -> None:
    before, after = flown(project), flown(project, fault)
    capsys.readouterr()
    assert main(["upgrade", "--from", before, "--to", after, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["safety"] == safety
    assert {job["job"]: job["fate"] for job in found["jobs"]} == {PV: fate, PVH: "passes on both"}
    assert found["simulated"]
    assert main(["upgrade", "--from", before, "--to", after]) == code
    assert "SIMULATED" in capsys.readouterr().out
