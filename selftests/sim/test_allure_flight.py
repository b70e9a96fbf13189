"""What a whole flight leaves for Allure: each attempt of each step, with all that is known."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from typing import Any

import pytest

from sim.project import HOST, OTHER, ROOT, SimProject

FAULTS = (
    "{kind: kernel-panic, job: boot-bookworm-amd64-pv-direct}",
    "{kind: host-lost, on: xl create, skip: 1, times: 1}",
)

PV = "boot-bookworm-amd64-pv-direct"


def results(project: SimProject) -> list[dict[str, Any]]:
    files = (project.directory / "allure").glob("*-result.json")
    return [json.loads(file.read_text()) for file in files]


def labels(result: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in result["labels"]}


def named(found: list[dict[str, Any]], testid: str, job: str) -> list[dict[str, Any]]:
    mine = [one for one in found if one["name"] == f"{testid}[{job}]"]
    return sorted(mine, key=lambda one: one["start"])


@pytest.fixture
def flown(project: SimProject) -> SimProject:
    """A flight with passes, a guest that fails, and a job that a lost host broke and that passed
    elsewhere."""
    shutil.copy(ROOT / "flights" / "matrix.yaml", project.path / "flights")
    project.hosts(*FAULTS, count=2, settings="power: {cycle: never}")
    project.run("--only", "boot-bookworm-amd64-*", flight="matrix")
    return project


def test_each_step_of_each_attempt_is_there_once(flown: SimProject) -> None:
    found = results(flown)
    expected = sorted(
        (f"{step['testid']}[{job['name']}]", str(number))
        for job in flown.results["jobs"]
        for number, attempt in enumerate(flown.attempts(job["name"]), start=1)
        for step in attempt["steps"]
    )
    given = sorted(
        (one["name"], labels(one)["xenflight"].split()[-1])
        for one in found
        if labels(one)["xenflight"].split()[0].startswith("boot-")
    )
    assert given == expected
    assert len({one["uuid"] for one in found}) == len(found)
    (tried,) = [job for job in flown.results["jobs"] if job["attempts"]]
    first, second = named(found, "guest-create", tried["name"])
    assert (first["status"], second["status"]) == ("broken", "passed")
    assert first["historyId"] == second["historyId"], "by which Allure takes it for a retry"
    assert (labels(first)["host"], labels(second)["host"]) == (HOST, OTHER)
    assert first["parameters"][:4] == second["parameters"][:4]
    # The teardown that only the first attempt had is no result that counts, either.
    (teardown,) = named(found, "teardown", tried["name"])
    assert teardown["historyId"] == named(found, "guest-gone", tried["name"])[1]["historyId"]
    assert all(one["excluded"] for one in second["parameters"][4:])


def test_a_failure_has_its_phase_its_files_and_its_slot(flown: SimProject) -> None:
    (boot,) = named(results(flown), "guest-boot", PV)
    assert boot["status"] == "failed"
    assert boot["statusDetails"]["message"].startswith("fail: ")
    assert "class kernel-panic" in boot["statusDetails"]["trace"]
    phases = {one["name"]: one for one in boot["steps"]}
    assert next(iter(phases)) == "create"
    assert [one["status"] for one in phases.values()][-1] == "failed"
    for one, then in pairwise(phases.values()):
        assert one["start"] <= one["stop"] <= then["start"] + 1
    # Their time is the simulated host's, of which the step's own says nothing.
    assert abs(boot["steps"][-1]["stop"] - boot["stop"]) <= 1
    names = [one["name"] for one in boot["attachments"]]
    assert names[:2] == ["console.log", "xl.cfg"]
    assert any(name.startswith("evidence: ") for name in names)
    for one in boot["attachments"]:
        file = flown.directory / "allure" / one["source"]
        assert file.stat().st_mode & 0o777 == 0o600, "as the evidence itself"
        assert file.read_text().replace("\n", "").isprintable()
    assert "slot 0" in labels(boot)["thread"] or "slot 1" in labels(boot)["thread"]
    (later,) = named(results(flown), "guest-ssh", PV)
    assert later["status"] == "skipped"
    assert later["statusDetails"]["message"].startswith("blocked: guest-boot did not pass")


def test_what_was_tested_and_by_whom(flown: SimProject) -> None:
    directory = flown.directory / "allure"
    told = (directory / "environment.properties").read_text()
    assert told.isascii()
    assert f"flight={flown.results['flight_id']}\n" in told
    assert "branch=matrix\n" in told
    assert "NOTE=SIMULATED" in told
    assert "host.sim1=Xen 4." in told
    executor = json.loads((directory / "executor.json").read_text())
    assert executor["buildName"].endswith(flown.results["flight_id"])
    categories = json.loads((directory / "categories.json").read_text())
    assert {status for one in categories for status in one["matchedStatuses"]} == {
        *("failed", "broken", "unknown", "skipped")
    }
