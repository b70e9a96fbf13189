"""A dead host: who may power-cycle it, how often, and what becomes of it."""

from __future__ import annotations

import dataclasses
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from care_samples import CareBench, flight_plan

from harness.console.fake import VirtualClock
from harness.errors import HostLost, LabError
from harness.flight.build import build_plan
from harness.flight.hostcare import PowerCycle, PowerSpec
from harness.host.health import read_health
from harness.host.names import domain_name
from harness.host.slots import Claim
from harness.host.use import HostUse
from harness.job.care import CONSOLE, Want
from harness.job.caretaker import Caretaker
from harness.job.revive import Revival, Seen, why_not
from harness.job.secrets import FlightSecrets
from harness.power.fake import FakePower
from harness.power.model import PowerState

OTHER = Claim(holder="bob@ci2", flight="nightly-1", job="boot-y").to_json()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CareBench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return CareBench(tmp_path)


def dead_after_a_look(bench: CareBench) -> Caretaker:
    """It was looked at, then it died; a job asks."""
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.die()
    bench.ask(Want.POWER)
    keeper.answer_all()
    return keeper


def test_it_is_cycled_and_comes_back(bench: CareBench) -> None:
    dead_after_a_look(bench)
    answer = bench.answer(Want.POWER)
    assert answer.rebooted
    assert answer.said.startswith("it was power-cycled by a fake switch, and back after ")
    assert not answer.unusable
    assert bench.switched == ["log", "cycle"]
    assert bench.site.kept, "the flight's lock is made anew over a new connection"
    assert "rack1 did not answer; it was power-cycled" in bench.problems
    power = read_health(bench.site.fake.runner).power
    assert power
    assert power.boot == bench.site.fake.boot
    console = bench.care.path / CONSOLE
    assert console.read_bytes() == b"(XEN) Panic on CPU 0"
    assert stat.S_IMODE(console.stat().st_mode) == 0o600


def test_one_without_power_is_not_waited_for(bench: CareBench) -> None:
    """A testbox whose QEMU has died, say."""
    bench.power.state = PowerState.OFF
    dead_after_a_look(bench)
    assert bench.answer(Want.POWER).rebooted
    assert bench.site.refused == 0, "nobody knocked before it had power again"


def test_a_console_keeps_the_flights_secrets(bench: CareBench) -> None:
    secrets = FlightSecrets.make(bench.plan.flight_id)
    bench.power.said = b"login: root password: " + secrets.password.value.encode() + b"\n(XEN) bye"
    dead_after_a_look(bench)
    said = (bench.care.path / CONSOLE).read_bytes()
    assert secrets.password.value.encode() not in said
    assert said.endswith(b"(XEN) bye")


def test_once_whatever_becomes_of_it(bench: CareBench) -> None:
    keeper = dead_after_a_look(bench)
    bench.ask(Want.POWER, "boot-y")
    keeper.answer_all()
    second = bench.answer(Want.POWER, "boot-y")
    assert second.rebooted, "the host of that job died, too; it answers by now"
    bench.ask(Want.POWER, "boot-late", since=9e9)
    keeper.answer_all()
    assert not bench.answer(Want.POWER, "boot-late").rebooted, "it began in this very boot"
    bench.site.die()
    bench.ask(Want.POWER, "boot-z")
    keeper.answer_all()
    third = bench.answer(Want.POWER, "boot-z")
    assert third.said == "it was power-cycled once in this flight, and not again"
    assert bench.power.asked.count("cycle") == 1


def test_jobs_that_asked_while_it_was_tried_hear_what_came_of_it(bench: CareBench) -> None:
    bench.power.on_cycle = lambda: None
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.die()
    bench.ask(Want.POWER, at=1.0)
    bench.ask(Want.POWER, "boot-y", at=2.0)
    keeper.answer_all()
    assert bench.answer(Want.POWER).said == bench.answer(Want.POWER, "boot-y").said
    assert bench.power.asked.count("cycle") == 1


def test_a_host_that_only_seemed_dead_is_left_alone(bench: CareBench) -> None:
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.ask(Want.POWER)
    keeper.answer_all()
    answer = bench.answer(Want.POWER)
    assert (answer.said, answer.rebooted) == ("it answers again", False)
    assert bench.switched == []
    assert bench.site.kept == [], "its connection still stands"


def test_a_host_that_booted_by_itself_is_read_again(bench: CareBench) -> None:
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.die()
    bench.site.boot()
    bench.ask(Want.POWER)
    keeper.answer_all()
    assert bench.answer(Want.POWER).rebooted
    assert bench.switched == []
    assert len(bench.site.kept) == 1


def test_a_look_notices_a_lost_connection(bench: CareBench) -> None:
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.lose()
    keeper.watch.look()
    assert len(bench.site.kept) == 1
    bench.site.die()
    keeper.watch.look()
    assert keeper.watch.boot == bench.site.fake.boot, "what it last said is not forgotten"


def test_a_command_that_fails(bench: CareBench) -> None:
    bench.power.fails = "the BMC says no"
    dead_after_a_look(bench)
    answer = bench.answer(Want.POWER)
    assert answer.said == "it could not be power-cycled: the BMC says no"
    assert not answer.rebooted
    assert "nor" not in answer.said
    assert "rack1 does not answer; it could not be power-cycled" in bench.problems
    assert any("nothing was had from a fake switch" in text for text in bench.said)


def test_it_says_done_and_the_host_never_returns(bench: CareBench) -> None:
    bench.power.on_cycle = lambda: None
    began = bench.clock.monotonic()
    dead_after_a_look(bench)
    answer = bench.answer(Want.POWER)
    assert "it was power-cycled by a fake switch, but it was not back within 10 m 00 s" in (
        answer.said
    )
    assert "last seen: rack1 cannot be reached over SSH" in answer.said
    assert answer.said.endswith("a fake switch says that its power is on")
    assert not answer.rebooted
    assert 600 <= bench.clock.monotonic() - began < 610
    assert bench.problems.startswith("rack1 does not answer; ")


def test_it_says_done_and_did_nothing(bench: CareBench) -> None:
    """The host answers after all, in the boot in which it was."""

    def wake() -> None:
        bench.site.dead = False

    bench.power.on_cycle = wake
    dead_after_a_look(bench)
    answer = bench.answer(Want.POWER)
    assert "it answers, and is still in the boot that it was in before" in answer.said
    assert not answer.rebooted


def test_a_toolstack_that_does_not_start_is_not_back(bench: CareBench) -> None:
    def boot() -> None:
        bench.site.boot()
        bench.site.fake.runner.before("^xl info$", raises=LabError("xenstored is not up"))

    bench.power.on_cycle = boot
    dead_after_a_look(bench)
    assert "last seen: xenstored is not up" in bench.answer(Want.POWER).said


def test_dom0_that_answers_without_its_toolstack_is_dead(bench: CareBench) -> None:
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.fake.runner.before("^xl info$", raises=LabError("xenstored hangs"))

    def boot() -> None:
        del bench.site.fake.runner._rules[0]
        bench.site.boot()

    bench.power.on_cycle = boot
    bench.ask(Want.POWER)
    keeper.answer_all()
    assert bench.answer(Want.POWER).rebooted


@pytest.mark.parametrize("kind", ["lease", "domain", "kept"])
def test_not_while_others_use_it(bench: CareBench, kind: str) -> None:
    fake, expected = bench.site.fake, "slot 2: bob@ci2, flight nightly-1"
    if kind == "lease":
        fake.slots.held[2] = OTHER
    else:
        name = "web1" if kind == "domain" else domain_name("kept-1", "boot-y")
        fake.domains[name], expected = 7, f"domain {name}"
    dead_after_a_look(bench)
    assert bench.answer(Want.POWER).said.startswith(
        f"it was not power-cycled: others use it: {expected}"
    )
    assert bench.switched == []


def test_the_flights_own_guests_are_nobody_elses(bench: CareBench) -> None:
    run, job = bench.plan.flight_id, bench.plan.jobs[0].name
    bench.site.fake.domains[domain_name(run, job)] = 3
    own = Claim(holder="ada@ctl", flight=run, job=job)
    bench.site.fake.slots.held[1] = own.to_json()
    dead_after_a_look(bench)
    assert bench.answer(Want.POWER).rebooted


def test_others_or_not_where_the_inventory_says_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bench = CareBench(tmp_path, flight_plan(cycle=PowerCycle.ALWAYS))
    bench.site.fake.slots.held[2] = OTHER
    dead_after_a_look(bench)
    assert bench.answer(Want.POWER).rebooted


def test_not_where_nobody_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bench = CareBench(tmp_path, dataclasses.replace(flight_plan(), power_cycle=False))
    dead_after_a_look(bench)
    assert bench.answer(Want.POWER).said == "it was not power-cycled: this run forbids it"
    assert bench.switched == []


def test_a_testboxs_clock_is_set_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    bench = CareBench(tmp_path, build_plan("smoke"))
    bench.site.fake.runner.on("^date --utc --set")
    dead_after_a_look(bench)
    assert bench.answer(Want.POWER).rebooted, "a testbox needs no word in hosts.yaml"
    assert any(line.startswith("date --utc --set") for line in bench.site.fake.runner.lines)


USE = HostUse(boot="b", others=())
FRESH = Seen(use=USE, age=MINUTE)


@pytest.mark.parametrize(
    ("cycle", "seen", "why"),
    [
        (PowerCycle.ALONE, FRESH, ""),
        (PowerCycle.ALONE, None, "it is not known who else uses it"),
        (PowerCycle.ALONE, Seen(use=USE, age=15 * MINUTE), ""),
        (PowerCycle.ALONE, Seen(use=USE, age=16 * MINUTE), "was last known 16 m 00 s ago"),
        (
            PowerCycle.ALONE,
            Seen(use=HostUse(boot="b", others=("domain a", "domain b")), age=MINUTE),
            "others use it: domain a; domain b",
        ),
        (PowerCycle.ALWAYS, None, ""),
        (PowerCycle.NEVER, FRESH, "hosts.yaml forbids it"),
    ],
)
def test_who_may(cycle: PowerCycle, seen: Seen | None, why: str) -> None:
    found = why_not(PowerSpec(cycle=cycle), FakePower(), seen, 15 * MINUTE)
    assert (found == "") == (why == "")
    assert why in found


def test_without_a_switch_nobody_may() -> None:
    named = "names nothing that could do it"
    assert named in why_not(PowerSpec(cycle=PowerCycle.ALWAYS), None, FRESH, MINUTE)
    assert named in why_not(None, FakePower(), FRESH, MINUTE)


def test_a_lock_that_cannot_be_had_again_is_told(bench: CareBench) -> None:
    """The host is back all the same, and is read again."""

    def refuse(host: object) -> None:
        msg = "the lock was not to be had"
        raise LabError(msg)

    bench.site.returned = refuse  # type: ignore[method-assign]
    dead_after_a_look(bench)
    assert bench.answer(Want.POWER).rebooted
    assert "rack1 is back, but the lock was not to be had" in bench.problems


def test_two_flights_of_one_user_cycle_once(bench: CareBench, tmp_path: Path) -> None:
    keeper = bench.caretaker()
    revival = Revival("rack1", bench.site.connect, keeper._stopping, stamps=tmp_path)
    first, second = FakePower(), FakePower()
    assert "by a fake switch" in revival.cycle(first, 10 * MINUTE)
    assert revival.cycle(second, 10 * MINUTE) == "another flight has just power-cycled it"
    assert (first.asked, second.asked) == (["cycle"], [])
    (tmp_path / "rack1.json").write_text("nonsense")
    revival.cycle(second, 10 * MINUTE)
    assert second.asked == ["cycle"]


def test_a_switch_that_fails_leaves_no_stamp(bench: CareBench, tmp_path: Path) -> None:
    keeper = bench.caretaker()
    revival = Revival("rack1", bench.site.connect, keeper._stopping, stamps=tmp_path)
    with pytest.raises(LabError, match="no"):
        revival.cycle(FakePower(fails="no"), MINUTE)
    assert "by a fake switch" in revival.cycle(FakePower(), MINUTE)


def test_the_end_of_the_flight_ends_the_waiting(bench: CareBench) -> None:
    keeper = bench.caretaker()
    clock = VirtualClock()
    revival = Revival("rack1", bench.site.connect, keeper._stopping, clock=clock)
    bench.site.die()
    keeper.stop()
    with pytest.raises(LabError, match="the flight ended before rack1 was back"):
        revival.wait_back(None, MINUTE)


def test_connections_of_a_host_that_is_not_back_are_closed(bench: CareBench) -> None:
    bench.site.fake.runner.before("^xl info$", raises=HostLost("gone again"))
    keeper = bench.caretaker()
    revival = Revival("rack1", bench.site.connect, keeper._stopping, clock=bench.clock)
    assert revival.answers() is None
    assert bench.site.open_wires == 1, "that which the flight has"
