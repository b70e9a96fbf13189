"""A guest's network under proof: each fault that may befall it is told by its own class."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from bench_samples import Bench, guest_bench

from harness.errors import GuestFailure, LabError, NotApplicable
from harness.flight.axes import Builder
from harness.host.names import domain_name, own_name
from harness.host.owners import marks_of_job
from harness.job import netproof, network
from harness.job.guest import GuestUnderTest
from harness.remote.fake import Call, FakeRunner, Reply
from harness.sim.clock import SimClock
from harness.storage.names import scratch_tags
from harness.units import Size
from harness.wait import SYSTEM_CLOCK
from harness.xen.domain import Domain

IP, OTHER_IP, GATEWAY = "10.77.0.11", "10.77.0.12", "10.77.0.1"
LOCAL = "fe80::216:3eff:fe00:1"
GOOD = "10 packets transmitted, 10 received, 0% packet loss, time 1ms\n"
LOST = "3 packets transmitted, 0 received, 100% packet loss, time 1ms\n"
SENT, ALTERED = (Reply(stdout=f"{digit * 64}  -\n") for digit in "12")


@dataclass
class Wires:
    """What is answered in one guest or in dom0, by the name of what is asked."""

    answers: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def of(self, name: str, *replies: Reply | str) -> None:
        """The n-th time *name* is asked for, the n-th of *replies*; then the last."""
        self.answers[name] = [Reply(stdout=one) if isinstance(one, str) else one for one in replies]

    def answer(self, call: Call) -> Reply:
        """As told, or nothing."""
        name = call.command.script_name or call.command.argv[0]
        self.asked.append(" ".join((name, *call.command.argv[4:])))
        left = self.answers.get(name, [Reply()])
        return left.pop(0) if len(left) > 1 else left[0]


def links(mac: str, *infos: dict[str, object]) -> str:
    return json.dumps([{"ifname": "enX0", "mtu": 1500, "address": mac, "addr_info": infos}])


def ipv4(address: str = IP, *, dynamic: bool = True) -> dict[str, object]:
    return {"family": "inet", "scope": "global", "local": address, "dynamic": dynamic}


def ipv6(**more: object) -> dict[str, object]:
    return {"family": "inet6", "scope": "link", "local": LOCAL, **more}


class Pair:
    """Two guests that talk well, until one is told otherwise; and dom0."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        guest = self.guest = bench.guest
        monkeypatch.setattr(GuestUnderTest, "connected", property(lambda _: True))
        guest.spec = replace(guest.spec, neighbour=Size.parse("384M"))
        guest.remember("boot_id", "b")
        guest.remember("guest_ip", IP)
        guest._home.domain = Domain(bench.fake.host.xl, name=guest.name, domid=7)
        self.other = guest.add_neighbour()
        self.here, self.there, self.dom0 = Wires(), Wires(), Wires()
        runner = FakeRunner("neighbour")
        monkeypatch.setattr(self.other, "_ssh", runner)
        monkeypatch.setattr(type(self.other), "recorder", property(lambda _: bench.recorder))
        for wires, mac, address in (
            (self.here, guest.mac, IP),
            (self.there, self.other.mac, OTHER_IP),
        ):
            wires.of("show-links", links(mac, ipv4(address), ipv6()))
            wires.of("ping-address", GOOD)
            wires.of("show-session", f"{GATEWAY} 40001 {address} 22\n")
            for name in ("send-data", "received-data"):
                wires.of(name, SENT)
            wires.of("run-iperf", '{"end": {"sum_received": {"bits_per_second": 12345678.9}}}')
        self.dom0.of("show-neighbours", f"{IP} lladdr {guest.mac} REACHABLE\n")
        self.dom0.of("ping-address", GOOD)
        guest.over_ssh.on_call(".", self.here.answer)
        runner.on_call(".", self.there.answer)
        own = "ping-address|show-neighbours|show-mac-rules|set-link"
        bench.fake.runner.on_call(f" ({own}) ", self.dom0.answer)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with guest_bench(tmp_path, monkeypatch) as made:
        with SYSTEM_CLOCK.driven_by(SimClock()):
            yield made
        made.guest._neighbour = None


@pytest.fixture
def pair(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Pair:
    return Pair(bench, monkeypatch)


def failure_of(prove: Callable[[GuestUnderTest], None], pair: Pair) -> str:
    with pytest.raises(GuestFailure) as caught:
        prove(pair.guest)
    return caught.value.failure_class


# -- the second guest ----------------------------------------------------------------------


def test_all_of_it_tells_whose_it_is(bench: Bench, pair: Pair) -> None:
    guest, other = pair.guest, pair.other
    run = guest._run
    assert own_name(other.name) == guest.name == domain_name(run, guest.spec.name)
    assert set(other.volumes) <= set(guest.volumes)
    assert set(other.volumes).isdisjoint(guest.disks.volumes)
    marks = marks_of_job(run, guest.spec.name, ())
    for name in (other.name, *other.volumes):
        assert any(mark in name for mark in marks.names), name
    assert other._lease is guest._lease


def test_no_two_are_the_same(pair: Pair) -> None:
    guest, other = pair.guest, pair.other
    for one in ("name", "hostname", "mac", "_identity", "_host_key"):
        assert getattr(guest, one) != getattr(other, one)
    assert other.mac != guest.spare_mac
    assert guest.recall("uuid") != other.recall("uuid")
    assert (other.spec.memory, other.spec.vcpus) == (Size.parse("384M"), 1)


def test_it_goes_with_the_first(bench: Bench, pair: Pair) -> None:
    tags = set(scratch_tags(pair.guest._run, bench.spec.name))
    bench.fake.volumes |= dict.fromkeys(pair.guest.volumes, tags)
    bench.fake.domains |= {pair.guest.name: 7, pair.other.name: 8}
    pair.guest._home.domain = pair.other._home.domain = None
    bench.fake.runner.on(" tidy-domain |^xenstore-|^rm ")
    pair.guest.remove()
    assert bench.fake.domains == {}
    assert set(bench.fake.volumes) == {"xf-golden-k"}


def test_why_there_is_none(bench: Bench) -> None:
    with pytest.raises(NotApplicable, match="gives it no neighbour"):
        bench.guest.add_neighbour()
    spec = replace(bench.spec, neighbour=Size.parse("1G"), builder=Builder.XEN_CREATE_IMAGE)
    bench.guest.spec = spec
    with pytest.raises(NotApplicable, match="there is no image for another"):
        bench.guest.add_neighbour()


def test_before_it_is_added_there_is_none(bench: Bench) -> None:
    with pytest.raises(LabError, match="has no neighbour"):
        _ = bench.guest.neighbour


# -- with dom0 -----------------------------------------------------------------------------


def test_an_address_that_was_lent(pair: Pair) -> None:
    netproof.prove_dhcp(pair.guest)
    assert pair.guest.recall("interface") == "enX0"


@pytest.mark.parametrize(
    ("infos", "failure_class"),
    [
        ([], "no-lease"),
        ([ipv4(dynamic=False)], "no-lease"),
        ([ipv4("10.77.0.99")], "other-address"),
    ],
)
def test_an_address_that_was_not(
    pair: Pair, infos: list[dict[str, object]], failure_class: str
) -> None:
    pair.here.of("show-links", links(pair.guest.mac, *infos))
    assert failure_of(netproof.prove_dhcp, pair) == failure_class


@pytest.mark.parametrize("said", ["", f"{IP} lladdr 00:16:3e:ff:ff:ff REACHABLE\n", f"{IP} FAILED"])
def test_an_address_of_which_dom0_knows_otherwise(pair: Pair, said: str) -> None:
    pair.dom0.of("show-neighbours", said)
    assert failure_of(netproof.prove_dhcp, pair) == "other-mac"


def test_an_interface_that_is_not_there(pair: Pair) -> None:
    pair.here.of("show-links", links("00:16:3e:ff:ff:ff"))
    assert failure_of(netproof.prove_dhcp, pair) == "no-nic"


def test_the_largest_packets(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netproof, "prove_network", lambda _: None)
    netproof.prove_ipv4(pair.guest)
    assert [one for one in pair.here.asked if "ping" in one] == [
        f"ping-address 4 10 56 {GATEWAY} ",
        f"ping-address 4 10 1472 {GATEWAY} do",
    ]
    pair.here.of("ping-address", GOOD, Reply(stderr="ping: local error: message too long"))
    assert failure_of(netproof.prove_ipv4, pair) == "packet-loss"


# -- with each other -----------------------------------------------------------------------


def test_two_that_talk(pair: Pair) -> None:
    netproof.prove_peers(pair.guest)
    netproof.prove_ipv6(pair.guest)
    assert f"send-data 6 [{LOCAL}%enX0] 5202 8" in pair.here.asked
    assert pair.guest.recall("ipv6") == "link-local only"
    netproof.measure_bandwidth(pair.guest)
    assert pair.guest.recall("bandwidth_in") == "12 Mbit/s"
    assert pair.here.asked[-1].endswith("5202 5 --reverse")


@pytest.mark.parametrize("prove", [netproof.prove_peers, netproof.prove_ipv6])
@pytest.mark.parametrize(
    ("whose", "name", "reply", "failure_class"),
    [
        ("here", "ping-address", Reply(stdout=LOST, exit_status=1), "packet-loss"),
        ("there", "ping-address", Reply(stderr="unreachable", exit_status=2), "packet-loss"),
        ("there", "received-data", ALTERED, "corrupt-data"),
        ("here", "received-data", ALTERED, "corrupt-data"),
        ("there", "received-data", Reply(stdout="nothing\n"), "data-lost"),
    ],
)
def test_two_that_do_not(
    pair: Pair,
    prove: Callable[[GuestUnderTest], None],
    whose: str,
    name: str,
    reply: Reply,
    failure_class: str,
) -> None:
    getattr(pair, whose).of(name, reply)
    assert failure_of(prove, pair) == failure_class


@pytest.mark.parametrize("infos", [[ipv4()], [ipv4(), ipv6(tentative=True)]])
@pytest.mark.parametrize("whose", ["here", "there"])
def test_one_without_ipv6(pair: Pair, whose: str, infos: list[dict[str, object]]) -> None:
    mac = pair.guest.mac if whose == "here" else pair.other.mac
    getattr(pair, whose).of("show-links", links(mac, *infos))
    assert failure_of(netproof.prove_ipv6, pair) == "no-ipv6"


def test_an_image_without_socat(pair: Pair) -> None:
    pair.here.of("socat", Reply(exit_status=127))
    with pytest.raises(NotApplicable, match=r"packages: \[socat\]"):
        netproof.prove_peers(pair.guest)


def test_an_answer_that_is_not_iperfs(pair: Pair) -> None:
    pair.here.of("run-iperf", '{"error": "unable to connect"}')
    with pytest.raises(LabError, match="iperf3's answer cannot be read"):
        network.measure(pair.guest, pair.other, 5)


# -- cables --------------------------------------------------------------------------------


def test_a_cable_that_is_pulled(pair: Pair) -> None:
    pair.dom0.of("ping-address", LOST, LOST, GOOD)
    netproof.prove_vif_outside(pair.guest)
    assert [one for one in pair.dom0.asked if "set-link" in one] == [
        "set-link vif7.0 down",
        "set-link vif7.0 up",
    ]


@pytest.mark.parametrize(
    ("pings", "sessions", "failure_class"),
    [
        ([GOOD], [GATEWAY], "still-talks"),
        ([LOST], [GATEWAY], "stays-down"),
        ([LOST, GOOD], [f"{GATEWAY} 40001", f"{GATEWAY} 40002"], "tcp-lost"),
    ],
)
def test_a_cable_that_is_not_well(
    pair: Pair, pings: list[str], sessions: list[str], failure_class: str
) -> None:
    pair.dom0.of("ping-address", *pings)
    pair.here.of("show-session", *sessions)
    assert failure_of(netproof.prove_vif_outside, pair) == failure_class


def test_no_rule_about_mac_addresses(pair: Pair) -> None:
    with pytest.raises(NotApplicable, match=r"no rule about vif7\.0"):
        netproof.prove_no_spoofing(pair.guest)
