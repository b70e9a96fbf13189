"""A console in blocks: marks where they belong, and nothing of the guest's as markup."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from site_samples import MUST_FAIL, PANIC, RUNS, Page
from test_site_ansi import SNIPPETS

from harness.console.text import clean_line
from harness.report.evidence import visible
from harness.results.load import load_results
from harness.site.console.blocks import IN_PAGE, LINES, Blocks, Note, block_html, block_script
from harness.site.console.marks import Mark, mark_id, marks_of
from harness.site.console.recording import Gap, Item, Recording, Remark, TimedLine
from harness.status import Status

HOSTILE = [
    "<script>alert(1)</script>",
    "</p></div><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "<!--",
    "]]>",
    "</script><script>alert(1)",
    "\u2028alert(1)\u2029",
    "\x1b[31m<b>\x1b[0m</b>",
    "javascript:alert(1)",
    "{{7*7}}{% raw %}",
    "\ud800",
    "\x00\x9b31m",
    "&lt;script&gt;",
    "`${alert(1)}`",
    "\\u003cscript\\u003e",
]


def items(texts: list[str]) -> list[TimedLine]:
    return [TimedLine(text, float(at)) for at, text in enumerate(texts)]


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), SNIPPETS), max_size=12))
def test_a_hostile_console_is_text_and_nothing_else(texts: list[str]) -> None:
    texts = [text.replace("\n", "") for text in texts]
    page = Page("".join(block_html(block) for block in Blocks(items(texts))))
    assert {tag for tag, _ in page.shape} <= {"p", "span"}
    names = {name for _, attributes in page.shape for name in attributes}
    assert names <= {"id", "data-t", "class", "title"}
    assert not page.open
    assert not page.wrong
    said = "".join(page.data).replace("\n", "")
    assert said == "".join(visible(clean_line(text).expandtabs()) for text in texts)


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), SNIPPETS), max_size=12))
def test_as_a_script_it_is_data_and_nothing_else(texts: list[str]) -> None:
    texts = [text.replace("\n", "") for text in texts]
    (block,) = Blocks(items(texts))
    script = block_script(block)
    assert script.isascii()
    match = re.fullmatch(r"xenflightBlock\(0,(?P<rows>.*)\);\n", script)
    assert match
    rows = json.loads(match["rows"])
    assert [row[0] for row in rows] == [at + 1 for at in range(len(texts))]
    for row, text in zip(rows, texts, strict=True):
        pieces = [piece if isinstance(piece, str) else piece[0] for piece in row[3:]]
        assert "".join(pieces) == visible(clean_line(text).expandtabs())


def test_lines_are_numbered_through_all_blocks() -> None:
    blocks = Blocks(items([f"line {n}" for n in range(LINES * (IN_PAGE + 1) + 5)]))
    found = list(blocks)
    assert [block.first for block in found] == [1 + LINES * n for n in range(IN_PAGE + 2)]
    assert [block.in_page for block in found] == [True] * IN_PAGE + [False, False]
    assert (found[-1].lines, blocks.lines) == (5, LINES * (IN_PAGE + 1) + 5)
    assert found[1].start == LINES


def test_a_mark_stands_before_the_first_line_of_its_time() -> None:
    marks = [
        Mark("step-early", -3.0, "early", "", Status.PASS),
        Mark("step-b", 1.5, "b", "", Status.FAIL),
        Mark("step-late", 99.0, "late", "", Status.ABORTED),
    ]
    (block,) = Blocks(items(["zero", "one", "two"]), marks)
    said = [row.id if isinstance(row, Mark) else row[0] for row in block.rows]
    assert said == ["step-early", 1, 2, "step-b", 3, "step-late"]
    assert block.marks == "step-early step-b step-late"


def test_gaps_and_remarks_are_told_of() -> None:
    found: list[Item] = [TimedLine("a", 0.0), Gap(5 << 20), Remark("console <attached> again", 1)]
    (block,) = Blocks(found)
    notes = [row.text for row in block.rows if isinstance(row, Note)]
    assert notes[0].startswith("5 MiB of the recording are left out here")
    assert "&lt;attached&gt;" in block_html(block)


def test_the_line_that_betrays_a_failure_is_marked() -> None:
    folder = RUNS / MUST_FAIL / "jobs" / PANIC
    found = Recording.of(folder)
    assert found
    blocks = Blocks(found.items())
    html = "".join(block_html(block) for block in blocks)
    assert blocks.signs[0].failure == "kernel-panic"
    assert f'<p id="L{blocks.signs[0].number}" data-t="13.37" class="bad"' in html


def test_steps_of_a_real_flight_are_where_they_were_on_the_console() -> None:
    flight = load_results(RUNS / MUST_FAIL)
    job = next(job for job in flight.jobs if job.name == PANIC)
    found = Recording.of(RUNS / MUST_FAIL / "jobs" / PANIC)
    assert found
    assert found.began
    marks = {mark.id: mark for mark in marks_of(job.steps, found.began)}
    assert list(marks) == sorted(marks, key=lambda name: marks[name].time)
    kernel = marks[mark_id("guest-boot", "kernel")]
    first = next(item for item in found.items() if isinstance(item, TimedLine) and item.text)
    assert first.time
    # Its cast knows its begin to half a second only.
    assert abs(kernel.time - first.time) < 0.6
    assert mark_id("guest-ssh") not in marks, "it was blocked, and never began"


@given(st.binary(max_size=3000))
def test_any_bytes_can_be_shown(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "console.log").write_bytes(data)
        found = Recording.of(Path(folder))
        assert found
        for block in Blocks(found.items()):
            page = Page(block_html(block))
            assert {tag for tag, _ in page.shape} <= {"p", "span"}
            json.loads(block_script(block)[len("xenflightBlock(0,") : -3])
