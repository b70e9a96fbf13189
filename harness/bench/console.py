"""How fast a console is judged: from bytes to findings, on what guests have really printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from harness.bench.model import Better, Finding
from harness.console.follow import FindingLog
from harness.errors import LabError

GOAL = 20.0
SIZE = 8 << 20
"""Bytes judged in the shorter of two runs; the longer judges four times as many."""
READ = 1 << 16
_MEGA = 1e6


def consoles(flight: Path) -> bytes:
    """All consoles in the results of a flight; `LabError` if they hold nothing."""
    found = b"".join(log.read_bytes() for log in sorted(flight.glob("jobs/*/console.log")))
    if not found:
        msg = f"no console was recorded in {flight}"
        raise LabError(msg)
    return found


def measure_console(text: bytes) -> Finding:
    """Megabytes a second of processor time, judging *text* again and again."""
    short, long = judge_seconds(text, SIZE), judge_seconds(text, 4 * SIZE)
    return Finding(
        name="judging a console",
        value=4 * SIZE / _MEGA / long,
        unit="MB/s",
        goal=GOAL,
        better=Better.HIGHER,
        details=f"{4 * SIZE / _MEGA:.0f} MB in {long:.2f} s, a quarter of it in {short:.2f} s",
    )


def judge_seconds(text: bytes, size: int) -> float:
    """Seconds of processor time for *size* bytes of *text*, repeated."""
    log = FindingLog()
    began = time.process_time()
    for data in _reads(text, size):
        log.feed(data)
    return time.process_time() - began


def _reads(text: bytes, size: int) -> Iterator[bytes]:
    """*text* again and again, in pieces as a recorder gives them."""
    whole = text * (READ // len(text) + 2)
    for at in range(0, size, READ):
        start = at % len(text)
        yield whole[start : start + min(READ, size - at)]
