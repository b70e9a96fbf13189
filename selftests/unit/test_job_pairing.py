"""Two hosts for one job: which, and when none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from test_job_flight import FLIGHTS

from harness.console.fake import VirtualClock
from harness.errors import HostLost, Starved
from harness.flight.axes import Peer
from harness.flight.build import build_plan
from harness.flight.plan import Plan
from harness.host.fake import FakeHost
from harness.host.slots import Claim
from harness.host.xenhost import XenHost
from harness.job.cares import HostCares
from harness.job.inventories import Inventories
from harness.job.pairing import choose_pair, peers_of, take_pair, why_alone
from harness.job.prepared import Prepared
from harness.job.seating import Seating, Wish
from harness.steps import StepRecord

OLD, NEW = (4, 17), (4, 20)
XENS = {"a": OLD, "b": OLD, "c": NEW}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Peer.ANY, {"a": ("b", "c"), "b": ("a", "c"), "c": ("a", "b")}),
        (Peer.SAME, {"a": ("b",), "b": ("a",)}),
        (Peer.NEWER, {"a": ("c",), "b": ("c",)}),
    ],
)
def test_which_hosts_may_be_the_second(wanted: Peer, found: dict[str, tuple[str, ...]]) -> None:
    assert peers_of(wanted, XENS) == found


@pytest.mark.parametrize("wanted", [Peer.SAME, Peer.NEWER])
def test_a_host_that_cannot_run_it_is_no_second_one(wanted: Peer) -> None:
    fits = ("a", "b") if wanted is Peer.NEWER else ("a", "c")
    assert peers_of(wanted, {name: XENS[name] for name in fits}) == {}
    assert "a: Xen 4.17" in why_alone(wanted, {name: XENS[name] for name in fits})


def test_a_pair_with_room_comes_first() -> None:
    peers = peers_of(Peer.ANY, XENS)
    rooms = {"a": 1, "b": 0, "c": 1}
    assert choose_pair(["a", "b", "c"], peers, XENS, rooms.__getitem__) == ("a", "c")
    assert choose_pair(["c", "b"], peers, XENS, rooms.__getitem__) == ("c", "a")


def test_the_first_place_is_kept_where_no_pair_has_room() -> None:
    peers = peers_of(Peer.ANY, XENS)
    assert choose_pair(["b", "a"], peers, XENS, lambda _: 0) == ("b", "a")


def test_a_host_that_does_not_answer_comes_after_full_ones() -> None:
    peers = peers_of(Peer.ANY, XENS)
    rooms = {"a": 1, "b": -1, "c": 0}
    assert choose_pair(["a", "b", "c"], peers, XENS, rooms.__getitem__) == ("a", "c")
    assert choose_pair(["b"], peers, XENS, rooms.__getitem__) == ("b", "a"), "if there is no other"


def test_nobody_waits_for_a_host_that_is_ill() -> None:
    peers = peers_of(Peer.SAME, XENS)
    with pytest.raises(Starved, match="no second host is fit"):
        choose_pair(["a"], peers, {"a", "c"}, lambda _: 1)


class Bench:
    """Two hosts with a slot each, in virtual time, and a job that wants both."""

    def __init__(self, directory: Path) -> None:
        plan = build_plan(str(FLIGHTS / "must-fail.yaml"), only=["*-pv-direct-deaf"])
        hosts = [replace(plan.hosts[0], name=name, slots=1) for name in ("north", "south")]
        self.plan: Plan = replace(plan, hosts=tuple(hosts))
        self.job = next(job for job in plan.jobs if job.peer)
        self.clock = VirtualClock()
        self.fakes = {host.name: FakeHost(name=host.name, clock=self.clock) for host in hosts}
        self.directory = directory
        self.order: list[str] = []

    def take(self, *names: str) -> tuple[int, ...]:
        """On those hosts, the first one home; the numbers of the slots."""
        step = StepRecord(job=self.job.name, testid="guest-create", clock=self.clock)
        one, other = (self.fakes[name].host for name in names)

        def before(host: XenHost) -> None:
            self.order.append(host.name)

        leases = take_pair(self.job, self.plan, (one, other), "g", self.directory, step, before)
        return tuple(lease.slot for lease in leases)

    def connected(self, name: str) -> XenHost:
        return self.fakes[name].host

    def again(self, name: str, patience: timedelta | None = None) -> XenHost:
        raise NotImplementedError

    def inventories(self, name: str) -> Inventories:
        raise NotImplementedError

    def held(self) -> dict[str, int]:
        return {name: len(fake.slots.held) for name, fake in self.fakes.items()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("home", ["north", "south"])
def test_both_slots_are_taken_in_one_order_whichever_is_home(bench: Bench, home: str) -> None:
    other = "south" if home == "north" else "north"
    assert bench.take(home, other) == (1, 1)
    assert bench.order == ["north", "south"]


def test_what_it_takes_on_each_is_claimed(bench: Bench) -> None:
    bench.take("south", "north")
    wants = {name: fake.slots.wants[1] for name, fake in bench.fakes.items()}
    assert '"disks":0' in wants["north"].replace(" ", "")
    assert '"disks":0' not in wants["south"].replace(" ", "")


@pytest.mark.parametrize("full", ["north", "south"])
def test_without_a_slot_on_both_it_has_none(bench: Bench, full: str) -> None:
    claim = Claim(holder="bob@ci2", flight="nightly-1", job="boot-other")
    bench.fakes[full].slots.held[1] = claim.to_json()
    with pytest.raises(Starved):
        bench.take("south", "north")
    assert bench.held() == {"north": int(full == "north"), "south": int(full == "south")}


class Cares(HostCares):
    """Something is done about the hosts *busy*: each in turn is well, or *ill*, when waited for."""

    def __init__(self, busy: list[str], ill: str = "") -> None:
        self.busy, self.ill = busy, ill
        self.waited: list[list[str]] = []
        self.suspected: dict[str, str] = {}

    def suspect(self, job: str, host: str, fault: str) -> None:
        del job
        self.suspected[host] = fault

    def fit(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in (*self.busy, self.ill)]

    def well(self, job: str, names: Iterable[str], step: StepRecord) -> list[str]:
        del job, step
        self.waited.append(list(names))
        found = self.busy.pop(0)
        if found == self.ill:
            msg = f"{found} was found ill"
            raise Starved(msg)
        return [found]


def pair_of(bench: Bench, cares: Cares, *places: str) -> tuple[str, str]:
    seating = Seating(
        plan=bench.plan,
        directory=bench.directory,
        jobs=(),
        prepared=Prepared(flight_id=bench.plan.flight_id),
        cares=cares,
        hosts=bench,
    )
    step = StepRecord(job=bench.job.name, testid="guest-create", clock=bench.clock)
    wish = Wish(spec=bench.job, step=step, places=list(places), images={})
    peers = {"north": ("south",), "south": ("north",)}
    return seating._pair(wish, places, peers, ("north", "south"))


def test_a_second_host_that_is_being_proved_is_waited_for(bench: Bench) -> None:
    cares = Cares(["south"])
    assert pair_of(bench, cares, "north") == ("north", "south")
    assert cares.waited == [["south"]]


def test_so_are_both(bench: Bench) -> None:
    cares = Cares(["north", "south"])
    assert pair_of(bench, cares, "north") == ("north", "south")
    assert cares.waited == [["north", "south"], ["south"]]


def test_one_that_was_found_ill_is_none(bench: Bench) -> None:
    with pytest.raises(Starved, match="south was found ill"):
        pair_of(bench, Cares(["south"], ill="south"), "north")


def test_a_host_that_is_lost_is_proved_and_taken_if_there_is_no_other(bench: Bench) -> None:
    cares = Cares([])
    bench.fakes["south"].runner.before("", raises=HostLost("no route to host"))
    assert pair_of(bench, cares, "north") == ("north", "south")
    assert cares.suspected == {"south": "no route to host"}


def test_nobody_waits_where_all_are_well(bench: Bench) -> None:
    cares = Cares([])
    assert pair_of(bench, cares, "south", "north") == ("south", "north")
    assert cares.waited == []
