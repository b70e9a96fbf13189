"""Whatever comes over a console: no crash, and the same findings however it was split."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.console.boot import BootWatcher
from harness.console.fake import ScriptedStream, VirtualClock, VirtualRecorder
from harness.console.follow import FindingLog
from harness.console.phases import PHASE_MARKS
from harness.console.scan import MAX_LINE, LineScanner
from harness.console.sieve import BOOT_SIEVE
from harness.console.text import clean_line, decode
from harness.console.verdicts import SIGNS, find_sign
from harness.errors import GuestFailure
from harness.steps import StepRecord

HOSTILE = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\b\b\b",
    b"\0" * 9,
    b"\x1b",
    b"\x1b[",
    b"\x1b[0;31m",
    b"\x1b[K",
    b"\x1b]0;title",
    b"\x1b]0;title\x07",
    b"\x1bP",
    b"\xff\xfe\xe2\x94",
    b"x" * MAX_LINE,
    b"\xff" * 5000,
]
SAMPLES = [
    *(sign.sample.encode() for sign in SIGNS),
    *(mark.sample.encode() for mark in PHASE_MARKS),
]
streams = st.lists(
    st.one_of(st.sampled_from(HOSTILE), st.sampled_from(SAMPLES), st.binary(max_size=20)),
    max_size=12,
).map(b"".join)
cuts = st.lists(st.integers(0, 20_000), max_size=8)


def split(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@settings(max_examples=100, deadline=None)
@given(streams, cuts)
def test_how_it_is_split_does_not_matter(data: bytes, at: list[int]) -> None:
    whole, parts = FindingLog(), FindingLog()
    whole.feed(data)
    for part in split(data, at):
        parts.feed(part)
    assert parts.findings == whole.findings
    assert parts.ended == whole.ended


@settings(max_examples=100, deadline=None)
@given(streams)
@example(b"BUG: \r\nsoft lockup")
def test_every_finding_is_a_line_of_the_input(data: bytes) -> None:
    log = FindingLog()
    log.feed(data)
    # Cut where the scanner cuts.
    lines = {
        clean_line(decode(line[at : at + MAX_LINE])).strip()
        for line in data.split(b"\n")
        for at in range(0, len(line) + 1, MAX_LINE)
    }
    for found in log.findings:
        assert found.position <= len(data)
        if found.failure.name != "garbage":
            assert found.line in lines
            assert found.line


@settings(max_examples=100, deadline=None)
@given(streams, cuts)
def test_the_sieve_loses_no_finding(data: bytes, at: list[int]) -> None:
    plain, sieved = LineScanner(), LineScanner(sieve=BOOT_SIEVE)
    every = [line for part in split(data, at) for line in plain.feed(part)]
    passed = [line for part in split(data, at) for line in sieved.feed(part)]
    assert [line for line in every if find_sign(line.text)] == [
        line for line in passed if find_sign(line.text)
    ]
    saying = [line for line in every if line.text.strip()]
    assert [line for line in passed if line.text.strip()][-1:] == saying[-1:]
    assert sieved.partial == plain.partial


def outcome(parts: list[bytes]) -> tuple[str, str | None]:
    clock = VirtualClock()
    stream = ScriptedStream(clock, [(0.0, part) for part in parts if part])
    with TemporaryDirectory() as directory:
        step = StepRecord(job="boot", testid="guest-boot", clock=clock)
        with VirtualRecorder(stream, Path(directory), clock=clock) as recorder:
            watcher = BootWatcher(
                recorder,
                timeouts={},
                domain_state=lambda: "running",
                hostname="guest",
                step=step,
            )
            try:
                watcher.to_login()
            except GuestFailure as failure:
                # What was on the line and then erased was printed, if it was looked at in time.
                silent = failure.failure_class == "silent"
                return "phase-timeout" if silent else failure.failure_class, failure.phase
    return "booted", None


@settings(max_examples=40, deadline=None)
@given(streams, cuts)
def test_a_boot_ends_the_same_way_however_its_bytes_came(data: bytes, at: list[int]) -> None:
    assert outcome(split(data, at)) == outcome([data])


def test_a_flood_keeps_no_more_than_one_finding_of_a_class() -> None:
    log = FindingLog()
    line = b"[    1.0] Kernel panic - not syncing: again\r\n"
    for _ in range(100):
        log.feed(line * 100)
    assert [found.position for found in log.findings] == [0]


def test_a_prompt_is_one_only_as_long_as_nothing_comes_after_it() -> None:
    log = FindingLog()
    log.feed(b"Inode 12 has illegal block(s).  Clear<y>? ")
    assert log.ended is not None
    log.feed(b"yes\r\n")
    assert log.ended is None
