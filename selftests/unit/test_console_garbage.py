from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.console.garbage import BLOCK, ENOUGH, SHOWN, GarbageMeter

DATA = Path(__file__).parent.parent / "data"
WRONG_BAUD = b"\x80\xf8\x00\xfe\x78\xe0\x06\x1e\x60\x98\xff"
FRAME = b"\xda" + b"\xc4" * 76 + b"\xbf\r\n" + (b"\xb3" + b" " * 76 + b"\xb3\r\n") * 20


@pytest.mark.parametrize(
    "data",
    [
        random.Random(4).randbytes(BLOCK),
        bytes(random.Random(4).choices(WRONG_BAUD, k=BLOCK)),
        b"\xff" * BLOCK,
        b"\0" * BLOCK,
        "Linux version 6.1\r\n".encode("utf-16-le") * 200,
    ],
    ids=["random", "wrong baud rate", "ones", "zeros", "UTF-16"],
)
def test_noise_is_found_as_soon_as_a_block_is_full(data: bytes) -> None:
    meter = GarbageMeter(start=100)
    assert meter.feed(data[: BLOCK - 1]) is None
    found = meter.feed(data[BLOCK - 1 : BLOCK])
    assert found is not None
    assert (found.failure.name, found.failure.fatal, found.position) == ("garbage", True, 100)
    assert len(found.line) <= SHOWN


@pytest.mark.parametrize(
    "data",
    [
        "Schöne Grüße für Straße\r\n".encode("latin-1"),
        "─│┌┐└┘ … é 系统\r\n".encode(),
        FRAME,
        b"\x1b[0;32m  OK  \x1b[0m\x0f\x0e\a\b\t\r\n",
        b"\0" * 100 + b"padded" * 50,
    ],
    ids=["Latin-1", "UTF-8", "a frame in code page 437", "a terminal's controls", "padding"],
)
def test_other_text_is_no_noise(data: bytes) -> None:
    meter = GarbageMeter()
    assert meter.feed(data * (3 * BLOCK // len(data))) is None
    assert meter.rest() is None


@pytest.mark.parametrize("log", sorted(DATA.rglob("*.log")), ids=lambda log: log.name)
def test_no_recorded_console_is_noise(log: Path) -> None:
    assert GarbageMeter().feed(log.read_bytes()) is None


def test_little_noise_is_told_only_when_asked_for() -> None:
    meter = GarbageMeter()
    assert meter.feed(b"\xff" * (ENOUGH - 1)) is None
    assert meter.rest() is None
    assert meter.feed(b"\xff") is None
    assert meter.rest() is not None


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([b"\xff" * 1500, b"text\r\n" * 300, b"\xe2\x94\x80" * 700])),
    st.lists(st.integers(0, 40_000), max_size=5),
)
def test_how_it_is_split_does_not_matter(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole, split = GarbageMeter(), GarbageMeter()
    expected = whole.feed(data)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = [one for a, b in pairwise(edges) if (one := split.feed(data[a:b]))]
    assert (found[0] if found else None) == expected
    assert split.rest() == whole.rest()
