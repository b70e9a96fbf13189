from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.console.text import clean, clean_line, last_lines, lines_of


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("[\x1b[0;32m  OK  \x1b[0m] Reached\r", "[  OK  ] Reached"),
        ("\x1b]0;root@guest: ~\x07root@guest:~# ", "root@guest:~# "),
        ("\x1b]3008;start=1;type=boot\x1b\\Welcome", "Welcome"),
        ("\x1b[?2004hroot# ", "root# "),
        ("  5%\r 50%\r100%\r\r\n", "100%"),
        ("long line\rshort", "shortline"),
        ("old text\r\x1b[Knew", "new"),
        ("abc\b\bX", "aXc"),
        ("a\tb", "a\tb"),
        ("bell\x07 and nul\x00", "bell and nul"),
        ("cut \x1b[0;3", "cut "),
        ("\x1b(Bset", "set"),
        ("\bstart", "start"),
    ],
)
def test_clean_line(raw: str, shown: str) -> None:
    assert clean_line(raw) == shown


def test_clean_keeps_lines_and_replaces_bad_bytes() -> None:
    assert clean(b"one\r\ntw\xffo\r\n") == "one\ntw\ufffdo\n"


def test_lines_of_has_no_line_after_the_last_end() -> None:
    assert lines_of("a\r\n\r\nb\r\n") == ["a", "", "b"]
    assert lines_of("a\nprompt# ") == ["a", "prompt# "]
    assert lines_of("") == []


def test_last_lines_drops_blank_ones_at_the_end_only() -> None:
    assert last_lines("a\n\nb\n\n\n", 3) == "a\n\nb"
    assert last_lines("a\nb\nc", 2) == "b\nc"
    assert last_lines("\n\n", 2) == ""


@given(st.text(alphabet=st.sampled_from("ab \t\r\b\x1b[]0;mK\x07\\(P"), max_size=60))
def test_nothing_unprintable_is_left(line: str) -> None:
    assert not set(clean_line(line)) & set("\r\b\x1b\x07\n")


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs", "P"])))
def test_printable_text_passes_unchanged(line: str) -> None:
    assert clean_line(line) == line
