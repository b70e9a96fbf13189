"""Lines and times out of recordings, whole and damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_samples import MUST_FAIL, PANIC, RUNS, SMOKE

from harness.console.transcript import Transcript
from harness.site.console import recording
from harness.site.console.recording import Gap, Recording, Remark, TimedLine

JOBS = [
    RUNS / SMOKE / "jobs" / "boot-bookworm-amd64-pv-direct",
    RUNS / MUST_FAIL / "jobs" / PANIC,
]


def lines(found: Recording | None) -> list[str]:
    assert found
    return [item.text for item in found.items() if isinstance(item, TimedLine)]


def make(folder: Path, *events: object, header: object = None) -> Recording | None:
    first = header or {"version": 2, "width": 80, "height": 24, "timestamp": 1000}
    text = "".join(json.dumps(one) + "\n" for one in (first, *events))
    (folder / "console.cast").write_text(text)
    return Recording.of(folder)


@pytest.mark.parametrize("folder", JOBS, ids=["smoke", "panic"])
def test_a_recording_says_what_the_log_says(folder: Path) -> None:
    log = (folder / "console.log").read_bytes().decode("utf-8", "replace")
    assert "\n".join(lines(Recording.of(folder))) == log.removesuffix("\n")


def test_each_line_has_the_time_of_its_first_character() -> None:
    found = Recording.of(JOBS[1])
    assert found
    said = [item for item in found.items() if isinstance(item, TimedLine)]
    times = {line.text.rstrip("\r"): line.time for line in said}
    panic = next(text for text in times if "Kernel panic" in text)
    assert times[panic] == pytest.approx(13.37, abs=0.01)


def test_a_line_that_comes_in_parts_began_with_the_first(tmp_path: Path) -> None:
    found = make(tmp_path, [1.0, "o", "a\nlog"], [2.5, "o", "in: "], [3.0, "o", "\nx"])
    assert found
    assert list(found.items()) == [
        TimedLine("a", 1.0),
        TimedLine("login: ", 1.0),
        TimedLine("x", 3.0),
    ]


def test_what_was_typed_is_not_shown_and_a_remark_is(tmp_path: Path) -> None:
    found = make(tmp_path, [1, "o", "a\n"], [2, "i", "secret?"], [3, "m", "attached again"])
    assert found
    assert list(found.items()) == [TimedLine("a", 1.0), Remark("attached again", 3.0)]


def test_the_begin_is_known_to_the_millisecond(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path, timestamp=1000.25, title="x")
    transcript.output(b"hello\n", 0.5)
    transcript.close()
    found = Recording.of(tmp_path)
    assert found
    assert found.began == 1000.25
    assert list(found.items()) == [TimedLine("hello", 0.5)]


def test_of_whole_seconds_the_middle_is_taken(tmp_path: Path) -> None:
    found = make(tmp_path, [1, "o", "a"])
    assert found
    assert found.began == 1000.5


@pytest.mark.parametrize(
    "damage",
    [
        '[2.0, "o", "cut of',
        "not json",
        '{"a": 1}',
        "[1, 2]",
        '[null, "o", "x"]',
        '["nan", "o", "x"]',
        '[1, "o", 7]',
        "[" * 100_000,
    ],
)
def test_a_damaged_event_is_left_out(tmp_path: Path, damage: str) -> None:
    found = make(tmp_path, [1.0, "o", "a\n"])
    with (tmp_path / "console.cast").open("a") as cast:
        cast.write(damage + "\n" + json.dumps([3.0, "o", "b\n"]) + "\n")
    assert lines(found) == ["a", "b"]


@pytest.mark.parametrize(
    "header", ["", "junk", "[]", '{"version": 1, "timestamp": 1}', '{"version": 2}']
)
def test_without_a_cast_the_log_is_shown_without_times(tmp_path: Path, header: str) -> None:
    (tmp_path / "console.cast").write_text(header + "\n")
    (tmp_path / "console.log").write_bytes(b"one\ntw\xff\n")
    found = Recording.of(tmp_path)
    assert found
    assert found.cast is None
    assert list(found.items()) == [TimedLine("one", None), TimedLine("tw\ufffd", None)]


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert Recording.of(tmp_path) is None
    assert Recording.of(tmp_path / "nowhere") is None


@pytest.mark.parametrize("cast", [True, False], ids=["cast", "log"])
def test_of_a_long_recording_the_middle_is_left_out(
    tmp_path: Path, cast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "HEAD", 400)
    monkeypatch.setattr(recording, "TAIL", 600)
    monkeypatch.setattr(recording, "_CHUNK", 100)
    texts = [f"line {number:04}\n" for number in range(1000)]
    if cast:
        found = make(tmp_path, *([n, "o", text] for n, text in enumerate(texts)))
    else:
        (tmp_path / "console.log").write_text("".join(texts))
        found = Recording.of(tmp_path)
    assert found
    items = list(found.items())
    gaps = [at for at, item in enumerate(items) if isinstance(item, Gap)]
    assert len(gaps) == 1
    assert items[0] == TimedLine("line 0000", 0.0 if cast else None)
    assert items[-1][0] == "line 0999"
    assert 10 < gaps[0] < 60
    assert len(items) < 150


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    found = make(tmp_path, *([n, "o", "x" * 5000] for n in range(3)))
    shown = lines(found)
    assert "".join(shown) == "x" * 15000
    assert {len(line) for line in shown} == {4096, 15000 - 3 * 4096}


@given(st.lists(st.text(st.sampled_from("ab\r\n"), max_size=8), max_size=8))
def test_however_it_is_cut_the_lines_are_the_same(parts: list[str]) -> None:
    cutter = recording._Cutter()
    found = [line.text for n, part in enumerate(parts) for line in cutter.feed(part, float(n))]
    found += [line.text for line in cutter.last()]
    whole = "".join(parts).split("\n")
    assert found == (whole if whole[-1] else whole[:-1])
