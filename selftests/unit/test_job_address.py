"""A guest's address, or why it has none: asked of a guest at the other end of a console."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from harness.console.fake import ScriptedStream, TinyGuest, VirtualClock, VirtualRecorder
from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.errors import GuestFailure
from harness.job.address import find_address

MAC = "00:16:3e:12:34:56"
LOOPBACK = {
    "ifname": "lo",
    "address": "00:00:00:00:00:00",
    "addr_info": [{"family": "inet", "local": "127.0.0.1", "scope": "host"}],
}


def link(*addresses: tuple[str, str, str], mac: str = MAC) -> dict[str, object]:
    infos = [{"family": f, "local": local, "scope": scope} for f, local, scope in addresses]
    return {"ifname": "enX0", "address": mac, "addr_info": infos}


Look = tuple[list[dict[str, object]], str]


class Network:
    """What the guest says of its network: more with every look, the last for ever."""

    def __init__(self, tmp_path: Path, *looks: Look) -> None:
        self.asked: list[str] = []
        self._looks = list(looks)
        self.clock = VirtualClock()
        guest = TinyGuest(compute=self._answer)
        stream = ScriptedStream(self.clock, [(1, guest.prompt())], guest=guest)
        self.recorder = VirtualRecorder(stream, tmp_path, clock=self.clock, name="guest")
        console = RecorderSpawn(self.recorder, start=0)
        self.shell = login(console, "root", None, timeout=timedelta(minutes=1))

    def _answer(self, command: str) -> tuple[str, int]:
        self.asked.append(command)
        if "networkctl" in command:
            return "IDX LINK TYPE\n  2 enX0 ether\n\n1 links listed.\nfourth\n", 0
        links, state = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return f"{json.dumps([LOOPBACK, *links])}\n{state}\n", 0

    def find(self) -> IPv4Address:
        return find_address(self.shell, MAC, timedelta(seconds=60))

    def fail(self) -> tuple[GuestFailure, float]:
        """The failure, and after how many seconds it came."""
        began = self.clock.monotonic()
        with pytest.raises(GuestFailure) as caught:
            self.find()
        assert caught.value.phase == "network"
        return caught.value, self.clock.monotonic() - began


Make = Callable[..., Network]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def made(*looks: Look) -> Network:
            one = Network(tmp_path, *looks)
            stack.enter_context(one.recorder)
            return one

        yield made


GOOD = ("inet", "10.0.2.100", "global")


def test_the_address_of_its_own_interface(network: Make) -> None:
    other = link(("inet", "192.0.2.1", "global"), mac="00:16:3e:00:00:01")
    found = network(([other, link(GOOD)], "running"))
    assert found.find() == IPv4Address("10.0.2.100")


def test_an_address_that_comes_late_is_waited_for(network: Make) -> None:
    waiting = ([link()], "starting")
    found = network(waiting, waiting, ([link(GOOD)], "starting"))
    assert found.find() == IPv4Address("10.0.2.100")
    assert len(found.asked) == 3


@pytest.mark.parametrize(
    "found",
    [
        ("inet6", "fe80::216:3eff:fe12:3456", "link"),
        ("inet6", "2001:db8::1", "global"),
        ("inet", "169.254.1.1", "link"),
    ],
)
def test_addresses_that_do_not_count(network: Make, found: tuple[str, str, str]) -> None:
    failure, _ = network(([link(found)], "running")).fail()
    assert failure.failure_class == "no-address"


def test_no_interface_is_told_as_soon_as_the_boot_is_over(network: Make) -> None:
    failure, took = network(([], "starting"), ([], "degraded")).fail()
    assert failure.failure_class == "no-nic"
    assert MAC in failure.message
    assert took < 5


@pytest.mark.parametrize("state", ["initializing", "finding devices"])
def test_while_it_boots_an_interface_may_still_come(network: Make, state: str) -> None:
    found = network(([], state), ([link(GOOD)], "running"))
    assert found.find() == IPv4Address("10.0.2.100")


def test_no_address_is_told_a_while_after_the_boot_and_says_what_networkd_says(
    network: Make,
) -> None:
    failure, took = network(([link()], "running")).fail()
    assert failure.failure_class == "no-address"
    assert "enX0 has no address: IDX LINK TYPE; 2 enX0 ether; 1 links listed." in failure.message
    assert failure.evidence
    assert 15 <= took < 25, "a quarter of the time, not all of it"


def test_a_boot_that_never_ends_is_waited_for_to_the_end(network: Make) -> None:
    failure, took = network(([link()], "starting")).fail()
    assert failure.failure_class == "no-address"
    assert "the guest is 'starting'" in failure.message
    assert took >= 60
