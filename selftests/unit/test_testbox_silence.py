"""A booting testbox that says nothing more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness.testbox.launch import MachineDied, Silence
from harness.wait import Deadline

LOG = Path("console.log")
BOOT = b"Xen version 4.20\r\n(XEN) one\r\n[    1.0] \x1b[1mtwo\x1b[0m\r\n\r\n"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_console_that_goes_on_is_not_silent() -> None:
    clock = Clock()
    silence = Silence(Deadline.after(timedelta(hours=1), clock), timedelta(seconds=9), LOG)
    for count in range(10):
        silence.check(BOOT * count, "dom0's kernel starts")
        clock.sleep(8)


@pytest.mark.parametrize(
    ("console", "ends"), [(BOOT, r"\(XEN\) one \| \[    1.0\] two"), (b"", "nothing at all")]
)
def test_a_silent_one_is_told_with_its_last_lines(console: bytes, ends: str) -> None:
    clock = Clock()
    silence = Silence(Deadline.after(timedelta(hours=1), clock), timedelta(seconds=9), LOG)
    silence.check(console, "QEMU starts")
    clock.sleep(9.5)
    with pytest.raises(MachineDied, match=f"nothing for 9 s; last seen: QEMU starts.*{ends}") as e:
        silence.check(console, "QEMU starts")
    assert e.value.hint == "see console.log"
