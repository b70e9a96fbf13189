from __future__ import annotations

import pytest
from hypothesis import given, settings
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
        ("Starting...\r[ 1.0] a\r\x1b[K\x1b[1mnew\x1b[0m", "new"),
        ("\x1b]0;a\r\x1b[Knew", "new"),
        ("\x1b[0;\r\x1b[Knew\rN", "New"),
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


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab \t\x1b[]0;mK\x00\x07\\(P\ufffd"), max_size=60))
def test_a_line_that_never_goes_back_needs_no_screen(line: str) -> None:
    at_the_first_column = "\b"
    assert clean_line(line) == clean_line(at_the_first_column + line)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["ab", "\t", "\r", "\b", "\x1b[K", "\x1b]0;", "\x07", "\x1b[", "\x1bP"])
    )
)
def test_what_was_erased_at_the_first_column_makes_no_difference(parts: list[str]) -> None:
    line = "".join(parts)
    # Zero: the same to a terminal, and not what the short way looks for.
    assert clean_line(line) == clean_line(line.replace("\x1b[K", "\x1b[0K"))


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs", "P"])))
def test_printable_text_passes_unchanged(line: str) -> None:
    assert clean_line(line) == line
