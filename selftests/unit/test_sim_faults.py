"""When a fault strikes, and when it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.flight.faults import Fault, FaultKind
from harness.flight.inventory import Inventory, load_hosts
from harness.flight.loader import load_flight
from harness.flight.plan import Plan, from_json, make_plan, to_json
from harness.flight.problems import InputErrors
from harness.sim.clock import SimClock
from harness.sim.faults import Faults

BUSY, PANIC = FaultKind.LV_BUSY, FaultKind.KERNEL_PANIC


def strikes(faults: Faults, kind: FaultKind = PANIC, times: int = 5, **what: str) -> list[bool]:
    return [faults.strike(kind, **what) is not None for _ in range(times)]


def test_always_unless_it_says_otherwise() -> None:
    faults = Faults(SimClock(), [Fault(kind=PANIC)])
    assert strikes(faults) == [True] * 5
    assert strikes(faults, BUSY) == [False] * 5
    assert faults.struck == {PANIC: 5}
    faults.clear()
    assert strikes(faults) == [False] * 5


def test_some_occasions_pass_and_it_strikes_so_often() -> None:
    faults = Faults(SimClock(), [Fault(kind=PANIC, skip=1, times=2)])
    assert strikes(faults) == [False, True, True, False, False]


def test_not_before_its_time_and_not_when_it_is_over() -> None:
    clock = SimClock()
    clock.sleep(1000)
    minute = timedelta(minutes=1)
    faults = Faults(clock, [Fault(kind=PANIC, after=minute, lasts=minute)])
    assert strikes(faults, times=2) == [False, False]
    clock.sleep(100)
    assert strikes(faults, times=2) == [True, True]
    clock.sleep(59)
    assert strikes(faults, times=1) == [True]
    clock.sleep(1)
    assert strikes(faults, times=2) == [False, False]


def test_only_whom_it_is_about() -> None:
    faults = Faults(SimClock(), [Fault(kind=PANIC, job="*-pvh-*", skip=1)])
    assert strikes(faults, job="boot-bookworm-amd64-pv-direct") == [False] * 5
    assert strikes(faults) == [False] * 5, "nobody's is not theirs"
    assert strikes(faults, times=2, job="boot-bookworm-amd64-pvh-direct") == [False, True]


def test_only_at_its_commands() -> None:
    faults = Faults(SimClock(), [Fault(kind=BUSY), Fault(kind=PANIC, on="xl *")])
    assert strikes(faults, BUSY, times=1, command="lvcreate") == [False]
    assert strikes(faults, BUSY, times=1, command="lvremove") == [True]
    assert strikes(faults, times=1, command="xl list") == [True]
    assert strikes(faults, times=1, command="lvremove") == [False]


def test_one_that_is_over_leaves_the_occasion_to_the_next() -> None:
    faults = Faults(SimClock(), [Fault(kind=PANIC, times=1), Fault(kind=PANIC, times=1)])
    assert strikes(faults, times=3) == [True, True, False]


# -- as they stand in hosts.yaml -----------------------------------------------------------

HOSTS = """\
default: rack
hosts:
  rack:
    testbox: {release: bookworm}
  sim1:
    sim: %s
"""


def hosts(tmp_path: Path, sim: str) -> Path:
    path = tmp_path / "hosts.yaml"
    path.write_text(HOSTS % sim)
    return path


def test_they_are_read_and_go_through_a_plan(tmp_path: Path) -> None:
    text = "{memory: 8G, faults: [silent, {kind: lv-busy, job: '*-pv-*', lasts: 5s, skip: 1}]}"
    inventory = load_hosts(hosts(tmp_path, text))
    spec = inventory.get("sim1")
    assert spec.kind == "sim"
    assert spec.sim
    assert spec.sim.memory.mib == 8192
    assert spec.sim.faults == (
        Fault(kind=FaultKind.SILENT),
        Fault(kind=BUSY, job="*-pv-*", lasts=timedelta(seconds=5), skip=1),
    )
    plan = plan_on(inventory, "sim1")
    assert from_json(to_json(plan)) == plan


def test_a_plan_for_a_real_host_looks_as_it_always_did(tmp_path: Path) -> None:
    plan = plan_on(load_hosts(hosts(tmp_path, "{}")), "rack")
    assert '"sim"' not in to_json(plan)
    assert from_json(to_json(plan)) == plan


def plan_on(inventory: Inventory, host: str) -> Plan:
    flights = Path(__file__).parents[2] / "flights"
    flight = load_flight(flights / "smoke.yaml")
    now = datetime(2026, 11, 22, tzinfo=UTC)
    return make_plan(flight, inventory, now=now, token="a1b2c3", hosts=[host])


@pytest.mark.parametrize(
    ("sim", "says"),
    [
        ("{faults: [lv-bussy]}", r"unknown fault kind 'lv-bussy'; did you mean 'lv-busy'\?"),
        ("{faults: [{kind: silent, last: 5s}]}", r"unknown key 'last'; did you mean 'lasts'\?"),
        ("{faults: [{lasts: 5s}]}", "the key 'kind' is missing"),
        ("{faults: silent}", "this must be a list"),
        ("{faults: [{kind: silent, times: 0}]}", "greater than or equal to 1"),
        ("{fault: [silent]}", r"unknown key 'fault'; did you mean 'faults'\?"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, sim: str, says: str) -> None:
    with pytest.raises(InputErrors, match=rf"hosts.yaml:6:\d+: .*{says}"):
        load_hosts(hosts(tmp_path, sim))


def test_a_simulated_host_is_never_the_default(tmp_path: Path) -> None:
    path = hosts(tmp_path, "{}")
    path.write_text(path.read_text().replace("default: rack", "default: sim1"))
    with pytest.raises(InputErrors, match="the default host 'sim1' is simulated"):
        load_hosts(path)


def test_a_host_is_of_one_kind(tmp_path: Path) -> None:
    path = hosts(tmp_path, "{}")
    path.write_text(path.read_text() + "    testbox: {release: bookworm}\n")
    with pytest.raises(InputErrors, match="give one of the two"):
        load_hosts(path)
