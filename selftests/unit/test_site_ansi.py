"""Colours of a console."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.console.text import clean_line
from harness.report.evidence import visible
from harness.site.console.ansi import PLAIN, Painter, Piece, Style, classes_of, turned

TERMINAL = st.text(
    st.one_of(
        st.sampled_from("\x1b[]0123456789;:mKHJP\r\b\t\x07\\ab<&\"'>\u202e\x9b"), st.characters()
    ),
    max_size=60,
)
ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what moves, turns or breaks; its many spaces only look like nothing."""
SNIPPETS = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b[1;31m", "\x1b[0m", "\x1b[K", "\r", "\b\b", "\t", "\x1b]0;x\x07", "<b>", "word"]
        ),
        TERMINAL,
    )
).map("".join)


def no_line_feed(text: str) -> str:
    return text.replace("\n", "")


@given(SNIPPETS.map(no_line_feed))
def test_it_says_what_a_cleaned_line_says(line: str) -> None:
    pieces = Painter().paint(line)
    assert "".join(piece.text for piece in pieces) == visible(clean_line(line).expandtabs())


@given(st.lists(SNIPPETS.map(no_line_feed), max_size=5))
def test_nothing_that_acts_on_its_reader_is_left(lines: list[str]) -> None:
    painter = Painter()
    for line in lines:
        for piece in painter.paint(line):
            assert not {unicodedata.category(char) for char in piece.text} & ACTING
            assert set(piece.classes) <= set("abcdefghijklmnopqrstuvwxyz0123456789 ")


def test_a_colour_lasts_over_lines_until_another_comes() -> None:
    painter = Painter()
    assert painter.paint("ok \x1b[31mred") == (Piece("ok "), Piece("red", "f1"))
    assert painter.paint("still") == (Piece("still", "f1"),)
    assert painter.paint("\x1b[0mplain\r\n") == (Piece("plain"),)


def test_what_is_written_over_takes_its_colour_along() -> None:
    line = "\x1b[31mabcdef\r\x1b[32mxy\x1b[0m"
    assert Painter().paint(line) == (Piece("xy", "f2"), Piece("cdef", "f1"))


def test_a_tab_goes_to_a_column_whatever_colour_stands_before_it() -> None:
    line = "ab\x1b[1m\tc"
    assert Painter().paint(line) == (Piece("ab"), Piece("      c", "bo"))


@pytest.mark.parametrize(
    ("parameters", "style"),
    [
        ("", PLAIN),
        ("1;31", Style(front=1, bold=True)),
        ("91;104", Style(front=9, back=12)),
        ("38;5;196", Style(front=9)),  # of the cube: red
        ("38;5;245", Style(front=8)),  # a grey, as systemd uses
        ("48;2;0;0;230", Style(back=4)),
        ("38:2:255:255:255", Style(front=15)),
        ("38;5", PLAIN),
        ("38", PLAIN),
        ("38;5;999", PLAIN),
        ("8;1", Style(bold=True)),  # concealed text is shown
        ("1;2;3;4;7;9;22;23;24;27;29", PLAIN),
        ("31;39;41;49", PLAIN),
        ("99999999999999999999;1", Style(bold=True)),
    ],
)
def test_parameters(parameters: str, style: Style) -> None:
    assert turned(PLAIN, parameters) == style


def test_of_endless_parameters_only_some_are_looked_at() -> None:
    assert turned(PLAIN, "1;" * 100_000 + "31") == Style(bold=True)


def test_classes() -> None:
    assert classes_of(Style(front=12, back=0, bold=True, inverse=True)) == "f12 g0 bo in"
    assert classes_of(PLAIN) == ""
