"""What a guest says of its card, and what it says instead."""

from __future__ import annotations

import pytest

from harness.errors import GuestFailure
from harness.job.pcifacts import Counters, read_bounce, read_counters
from harness.remote.fake import FakeRunner

COUNTERS = "driver e1000e\nbytes 1000 2000\ninterrupts 42 xen-pirq\n"
BOUNCE = "log software IO TLB: mapped [mem 0x1-0x2] (64MB)\nslots 32768\nused 12\n"


def test_what_its_card_has_counted() -> None:
    runner = FakeRunner("guest")
    runner.on("show-counters eth0$", COUNTERS)
    assert read_counters(runner, "eth0") == Counters(
        driver="e1000e", received=1000, sent=2000, interrupts=42, interrupt_kind="xen-pirq"
    )


def test_its_bounce_buffer() -> None:
    runner = FakeRunner("guest")
    runner.on("show-bounce 0000:00:00.0$", BOUNCE)
    found = read_bounce(runner, "0000:00:00.0")
    assert (found.slots, found.used, found.there) == (32768, 12, True)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "bytes 1000\ninterrupts 42 xen-pirq\ndriver e1000e\n",
        COUNTERS.replace("1000 2000", "many few"),
        COUNTERS.replace("42", "-"),
        "\0",
    ],
)
def test_whatever_else_it_says_is_its_failure(said: str) -> None:
    runner = FakeRunner("guest")
    runner.on("show-counters", said)
    with pytest.raises(GuestFailure, match="asked about its card") as caught:
        read_counters(runner, "eth0")
    assert caught.value.failure_class == "command-failed"


def test_so_it_is_of_its_bounce_buffer() -> None:
    runner = FakeRunner("guest")
    runner.on("show-bounce", "slots some\n")
    with pytest.raises(GuestFailure, match="slots some"):
        read_bounce(runner, "0000:00:00.0")
