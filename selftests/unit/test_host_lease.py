"""Leases, fences and drains, on a fake host and on hosts that misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from harness.errors import CommandFailed, HostLost, LabError, Starved, UsageError
from harness.host.drain import drain, undrain
from harness.host.fake import FakeHost
from harness.host.fence import fenced
from harness.host.lease import SlotLease, SlotTerms, take_lease
from harness.host.slots import (
    Claim,
    HostSlots,
    SlotHolder,
    parse_drained,
    parse_holder,
    read_slots,
    whoami,
)
from harness.remote.command import Command
from harness.remote.fake import FakeRunner
from harness.units import Size
from harness.wait import Deadline, NotYet, wait_for

CLAIM = Claim(holder="ada@ctl", flight="smoke-1", job="boot")
TERMS = SlotTerms(slots=2, patience=timedelta(minutes=1))


@pytest.fixture
def fake() -> FakeHost:
    return FakeHost(name="rack1")


@pytest.fixture
def lease(fake: FakeHost) -> Iterator[SlotLease]:
    taken = take_lease(fake.runner, CLAIM, TERMS)
    yield taken
    taken.release()


def test_taking_and_giving_back_is_one_command(fake: FakeHost, lease: SlotLease) -> None:
    assert (lease.slot, lease.token, lease.lost) == (1, 1, False)
    assert read_slots(fake.runner).held[0].job == "boot"
    lease.release()
    assert read_slots(fake.runner) == HostSlots()
    assert len(fake.runner.calls) == 3, "the others looked at it"


def test_no_slot_is_free_in_time(fake: FakeHost) -> None:
    leases = [take_lease(fake.runner, CLAIM, TERMS) for _ in range(2)]
    heard: list[int] = []
    with pytest.raises(Starved, match=r"no slot was free on rack1 within 60 s: slot 1: ada@ctl"):
        take_lease(fake.runner, CLAIM, TERMS, lambda held: heard.append(len(held)))
    assert heard == [2]
    for one in leases:
        one.release()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"sh: 1: flock: not found\n", "no slot was to be had: sh: 1: flock: not found"),
        (b"sh: 9: seq: no", "no slot was to be had: sh: 9: seq: no"),
        (b"", "no slot was to be had: no reason"),
        (b"held what\n", "this is no slot: 'what'"),
        (b"stuck 2\n", "slot 2 is free, but a command of its last holder runs"),
    ],
)
def test_a_host_on_which_it_cannot_be_had(said: bytes, why: str) -> None:
    runner = FakeRunner("rack1")
    stream = runner.on_open("take-slot", [said])
    with pytest.raises(LabError, match=why):
        take_lease(runner, CLAIM, TERMS)
    assert stream.closed


def test_words_come_in_pieces(fake: FakeHost) -> None:
    runner = FakeRunner("rack1")
    runner.on_open("take-slot", [b"wa", None, b"it\nheld 1 7 18", b"0 {}\nbusy\nlea", b"se 2 19\n"])
    lease = take_lease(runner, CLAIM, TERMS)
    assert (lease.slot, lease.token) == (2, 19)
    lease.release()


def test_who_died_in_the_slot_is_told(fake: FakeHost) -> None:
    first = take_lease(fake.runner, CLAIM, TERMS)
    fake.slots.lose(1)
    wait_for(lambda: _lost(first), what="it", deadline=Deadline.after(timedelta(seconds=10)))
    with pytest.raises(LabError, match=r"rack1: the lease of slot 1 \(token 1\) was lost"):
        first.check()
    second = take_lease(fake.runner, CLAIM, TERMS)
    assert second.inherited
    assert (second.inherited.flight, second.token) == ("smoke-1", 2)
    second.release()
    first.release()


def _lost(lease: SlotLease) -> None:
    if not lease.lost:
        msg = "not lost"
        raise NotYet(msg)


def test_what_changes_the_host_needs_the_lease(fake: FakeHost, lease: SlotLease) -> None:
    host = fenced(fake.host, lease)
    host.volumes.create_thin("a", Size.parse("1M"), ("xenflight",))
    assert set(fake.volumes) == {"a"}
    fake.slots.tokens[1] = 7
    with pytest.raises(LabError, match="was lost"):
        host.volumes.create_thin("b", Size.parse("1M"), ("xenflight",))
    stream = host.runner.open(Command.of("xl", "console"))
    assert b"over" in (stream.read(100, timedelta(0)) or b"")
    assert set(fake.volumes) == {"a"}


def test_after_the_loss_not_even_the_host_is_asked(fake: FakeHost, lease: SlotLease) -> None:
    host = fenced(fake.host, lease)
    lease.release()
    asked = len(fake.runner.calls)
    for call in (host.runner.run, host.runner.open):
        with pytest.raises(LabError, match="was lost"):
            call(Command.of("true"))
    assert len(fake.runner.calls) == asked


def test_errors_in_a_fence_are_the_commands_own(fake: FakeHost, lease: SlotLease) -> None:
    host = fenced(fake.host, lease)
    with pytest.raises(CommandFailed, match=r"`nothing 'of the kind'` ended with exit status 127"):
        host.runner.run(Command.of("nothing", "of the kind"))
    with pytest.raises(HostLost):
        host.runner.open_tcp("192.0.2.1", 22)
    assert (host.runner.name, host.runner.alive) == ("rack1", True)
    host.close()
    assert not fake.runner.closed, "the connection is another's"


def test_draining(fake: FakeHost) -> None:
    assert drain(fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000) is None
    found = read_slots(fake.runner).drained
    assert found is not None
    assert (found.by, found.reason) == ("eve@ctl", "new RAM")
    with pytest.raises(Starved, match=r"rack1 is drained by eve@ctl since 2027.*hosts undrain"):
        take_lease(fake.runner, CLAIM, TERMS)
    before = undrain(fake.runner)
    assert before == found
    assert read_slots(fake.runner).drained is None


def test_a_drain_without_a_reason_touches_nothing(fake: FakeHost) -> None:
    with pytest.raises(UsageError, match="for a reason"):
        drain(fake.runner, by="eve@ctl", reason=" ", since=0)
    assert fake.runner.calls == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", SlotHolder(slot=1)),
        ("1 x y {}", SlotHolder(slot=1)),
        ("3 7 99999999999999999999 []", SlotHolder(slot=3, token=7)),
        ("2 7 z " + json.dumps({"job": "a\x1b[2J" + "b" * 2000}), None),
    ],
)
def test_records_that_others_wrote(text: str, expected: SlotHolder | None) -> None:
    found = parse_holder(text)
    assert found == (expected or found)
    assert "\x1b" not in str(found)
    assert len(str(found)) < 1200


def test_anything_in_its_file_drains_a_host() -> None:
    assert str(parse_drained("for ever")) == "drained by ?: ?"


def test_free_slots_are_those_that_we_count() -> None:
    held = tuple(SlotHolder(slot=slot) for slot in (1, 4))
    assert HostSlots(held=held).free(2) == 1


def test_who_we_are() -> None:
    user, _, controller = whoami().partition("@")
    assert user
    assert controller
