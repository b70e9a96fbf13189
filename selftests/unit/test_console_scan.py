from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.console.scan import MAX_LINE, LineScanner


def test_lines_and_positions() -> None:
    scanner = LineScanner(start=100)
    lines = scanner.feed(b"one\r\n\r\ntwo\r\nlogin: ")
    assert [(line.text, line.position) for line in lines] == [("one", 100), ("", 105), ("two", 107)]
    assert (scanner.partial.text, scanner.partial.position) == ("login: ", 112)
    assert scanner.position == 119
    (line,) = scanner.feed(b"root\r\n")
    assert (line.text, line.position) == ("login: root", 112)
    assert scanner.partial.text == ""


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_how_it_is_split_does_not_matter(data: bytes, cuts: list[int]) -> None:
    whole, parts = LineScanner(), LineScanner()
    expected = whole.feed(data)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pairs = pairwise(edges)
    found = [line for a, b in pairs for line in parts.feed(data[a:b])]
    assert found == expected
    assert parts.partial == whole.partial


def test_a_console_without_line_feeds_is_cut() -> None:
    scanner = LineScanner()
    lines = scanner.feed(b"x" * (3 * MAX_LINE + 1))
    assert [len(line.text) for line in lines] == [MAX_LINE] * 3
    assert scanner.partial.text == "x"


def test_five_megabytes_cost_linear_work() -> None:
    for data in (b"x" * 100 + b"\r\n", b"no line feed at all "):
        scanner = LineScanner()
        piece = (data * 100)[:1000]
        for _ in range(5000):
            scanner.feed(piece)
        assert scanner.position == 5_000_000
        assert scanner.examined <= scanner.position * (1 + MAX_LINE / len(piece))
