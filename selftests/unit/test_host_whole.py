"""A whole host for one job: all slots, nobody's domains, and drained meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from harness.errors import LabError, Starved
from harness.host.fake import FakeHost
from harness.host.lease import SlotTerms
from harness.host.slots import Claim
from harness.host.whole import take_whole
from harness.remote.command import Command
from harness.remote.fake import FakeStream
from harness.sim.clock import SimClock
from harness.wait import SYSTEM_CLOCK

CLAIM = Claim(holder="me@here", flight="f-1", job="host-boot-x")
TERMS = SlotTerms(slots=2, patience=timedelta(seconds=1))


def test_it_has_all_slots_and_is_drained() -> None:
    fake = FakeHost()
    whole = take_whole(fake.host, CLAIM, TERMS)
    assert sorted(fake.slots.held) == [1, 2]
    assert "host-boot-x of flight f-1 has it to itself" in fake.slots.drained
    whole.give_back(fake.runner)
    assert (fake.slots.held, fake.slots.drained, fake.locked) == ({}, "", set())


def test_a_slot_of_somebody_else_starves_it() -> None:
    fake = FakeHost()
    fake.slots.held[2] = '{"holder": "you@there", "flight": "g-1", "job": "boot-x"}'
    with pytest.raises(Starved, match="you@there"):
        take_whole(fake.host, CLAIM, TERMS)
    assert list(fake.slots.held) == [2]
    assert (fake.slots.drained, fake.locked) == ("", set())


def test_it_waits_no_longer_for_all_of_them_than_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, clock = FakeHost(), SimClock()
    take, asked = fake.slots.take, []

    def slow(command: Command) -> FakeStream:
        asked.append(int(command.argv[6]))
        clock.sleep(360)
        return take(command)

    monkeypatch.setattr(fake.slots, "take", slow)
    with SYSTEM_CLOCK.driven_by(clock):
        whole = take_whole(fake.host, CLAIM, replace(TERMS, patience=timedelta(minutes=10)))
        whole.let_go()
    assert asked == [600, 240]


def test_a_domain_of_somebody_else_is_not_rebooted() -> None:
    fake = FakeHost(domains={"web-shop": 7})
    with pytest.raises(Starved, match="domain web-shop"):
        take_whole(fake.host, CLAIM, TERMS)
    assert (fake.slots.held, fake.slots.drained, fake.locked) == ({}, "", set())


def test_two_that_want_all_of_it_do_not_share_it() -> None:
    fake = FakeHost(locked={"whole-host"})
    with pytest.raises(Starved, match="to itself"):
        take_whole(fake.host, CLAIM, TERMS)
    assert fake.slots.held == {}


def test_a_drained_host_stays_as_it_is() -> None:
    fake = FakeHost()
    fake.slots.drained = '{"by": "you", "reason": "new disks", "since": "1"}'
    with pytest.raises(Starved, match="new disks"):
        take_whole(fake.host, CLAIM, TERMS)
    assert "new disks" in fake.slots.drained


def test_a_host_that_is_lost_meanwhile_stays_drained() -> None:
    fake = FakeHost()
    whole = take_whole(fake.host, CLAIM, replace(TERMS, slots=1))
    fake.runner.before("undrain-host ", raises=LabError("the connection was lost"))
    with pytest.raises(LabError, match="lost"):
        whole.give_back(fake.runner)
    assert fake.slots.drained
    whole.let_go()
    assert fake.slots.held == {}
