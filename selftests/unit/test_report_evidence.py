"""Text from a guest is made safe for the terminal of whoever reads it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.evidence import clean, last_lines, one_line, tail_of

hostile = st.text(st.sampled_from("ab[]/ \t\n\r\b\x1b\x07\x9b\x9d\x00\x7f\u202e\u2028;m0J\ud800"))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\text", "text"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("10 %\r99 %\r", "99 %"),
        ("a\tb", "a       b"),
        ("abc\u202edef", "abc\ufffddef"),
        ("\x9b2Jcleared", "\ufffd2Jcleared"),
        ("para\u2029graph", "para\ufffdgraph"),
        ("é ü 漢", "é ü 漢"),
        ("[red]not markup[/red] :smile:", "[red]not markup[/red] :smile:"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text() | hostile)
def test_nothing_unsafe_is_left(raw: str) -> None:
    done = clean(raw)
    left = {unicodedata.category(char) for char in done if char != "\n"}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert clean(done) == done
    assert "\n" not in one_line(raw)


def test_last_lines_count_only_up_to_the_last_word() -> None:
    assert last_lines("a\n\nb\nc\n\r\n \n", 3) == ["b", "c"]
    assert last_lines("a\nb\nc", 2) == ["b", "c"]
    assert last_lines("", 2) == []


def test_tail_of_a_long_log_is_its_end(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"x" * 100_000 + b"\xff\nthe end\n")
    tail = tail_of(log)
    assert tail.endswith("\ufffd\nthe end\n")
    assert len(tail) < 20_000


def test_log_that_cannot_be_read_has_no_tail(tmp_path: Path) -> None:
    assert tail_of(tmp_path / "nothing") == ""
    assert tail_of(tmp_path) == ""
