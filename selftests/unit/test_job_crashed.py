"""What a job left where its worker died, and hosts that can't be asked about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HostLost
from harness.flight.build import build_plan
from harness.flight.plan import Plan
from harness.host.fake import FakeHost
from harness.host.xenhost import XenHost
from harness.job.crashed import clear_crashed
from harness.job.placed import Placed, Placements
from harness.steps import StepRecord

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return build_plan(str(ROOT / "flights" / "smoke.yaml"))


def gone(name: str) -> XenHost:
    msg = f"{name} does not answer"
    raise HostLost(msg)


def test_where_it_cannot_be_done_is_told_and_hinders_no_other_host(
    plan: Plan, tmp_path: Path
) -> None:
    step = StepRecord(job=plan.jobs[0].name, testid="guest-create")
    stuck = clear_crashed(plan.jobs[0], plan, ["a", "b"], gone, tmp_path, step)
    assert {name: str(error) for name, error in stuck.items()} == {
        "a": "a does not answer",
        "b": "b does not answer",
    }
    assert step.facts == {}
    assert clear_crashed(plan.jobs[0], plan, [], gone, tmp_path, step) == {}


def test_what_was_left_on_each_is_told(plan: Plan, tmp_path: Path) -> None:
    job = plan.jobs[0]
    step = StepRecord(job=job.name, testid="guest-create")
    hosts = {name: FakeHost(name=name) for name in ("a", "b")}
    assert not clear_crashed(job, plan, hosts, lambda name: hosts[name].host, tmp_path, step)
    left = f"what {job.name} left"
    assert step.facts == {"reaped": f"a: {left}; b: {left}"}


def test_where_a_job_was_sent_is_known_to_all(tmp_path: Path) -> None:
    placements = Placements(tmp_path)
    assert placements.find("boot-a") is None
    placements.write("boot-a", "rack1")
    assert Placements(tmp_path).find("boot-a") == Placed(host="rack1")
    placements.write("boot-a", "rack2", ["rack1"])
    assert placements.find("boot-a") == Placed(host="rack2", crashed=("rack1",))
    (tmp_path / "placed" / "boot-a.json").write_text("{")
    assert placements.find("boot-a") is None


def test_names_are_no_paths(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot name a directory"):
        Placements(tmp_path).write("../boot", "rack1")
