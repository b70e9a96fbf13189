"""How fast pages are made: a flight of 121 jobs among two hundred, and a console of 20 MiB."""

from __future__ import annotations

import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from harness.bench.judge import JOBS
from harness.bench.machine import brief
from harness.bench.model import Better, Finding
from harness.bench.runs import write_runs
from harness.progress import Progress
from harness.site.console.blocks import Blocks, block_html, block_script
from harness.site.console.recording import Recording
from harness.site.directories import DirectoryArchive
from harness.site.site import Site
from harness.site.write import write_site

FLIGHTS = 200
GOAL_ONE = 5.0
GOAL_ALL = 60.0
GOAL_CONSOLE = 10.0
_SOME = 10
"""Of so many flights all pages are written, and the time is taken so many times as needed."""
_CONSOLE = 20 << 20
_LINES = (
    "\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mnetwork.target\x1b[0m - Network.\r\n",
    "[    4.202610] Freeing unused kernel image (initmem) memory: 2792K\r\n",
    "[    4.311002] systemd[1]: Hostname set to <guest>.\r\n",
)


def measure_report(progress: Progress) -> list[Finding]:
    """Seconds from the files of flights to pages on the disk."""
    with tempfile.TemporaryDirectory(prefix="xenflight-bench-") as folder:
        place = Path(folder)
        progress(f"making {FLIGHTS} flights of {JOBS} jobs")
        write_runs(place / "runs", FLIGHTS)
        progress("writing the report of one of them")
        one = _seconds(place, 1)
        progress(f"writing those of {_SOME} of them")
        some = _seconds(place, _SOME)
        progress("showing a console of 20 MiB")
        console, lines = _console_seconds(place / "console")
    each = (some - one) / (_SOME - 1)
    return [
        _finding("report of a flight, history and all", one, GOAL_ONE, _about()),
        _finding(
            f"pages of {FLIGHTS} flights",
            one + each * (FLIGHTS - 1),
            GOAL_ALL,
            f"{each:.2f} s for each, taken over {_SOME}",
        ),
        _finding("a console of 20 MiB", console, GOAL_CONSOLE, f"{lines} lines"),
    ]


def _seconds(place: Path, flights: int) -> float:
    began = time.monotonic()
    archive = DirectoryArchive.below(place / "runs")
    ids = [head.flight for head in archive.heads()[:flights]]
    write_site(Site(archive, ids, made=datetime.now(UTC)), place / "site")
    return time.monotonic() - began


def _console_seconds(folder: Path) -> tuple[float, int]:
    _write_console(folder)
    began = time.monotonic()
    recording = Recording.of(folder)
    assert recording
    blocks = Blocks(recording.items())
    for block in blocks:
        if block.in_page:
            block_html(block)
        else:
            block_script(block)
    return time.monotonic() - began, blocks.lines


def _write_console(folder: Path) -> None:
    folder.mkdir()
    written, number = 0, 0
    with (folder / "console.cast").open("w", encoding="utf-8") as cast:
        cast.write(json.dumps({"version": 2, "timestamp": 0}) + "\n")
        while written < _CONSOLE:
            text = _LINES[number % len(_LINES)]
            cast.write(json.dumps([number / 100, "o", text]) + "\n")
            written, number = written + len(text), number + 1


def _finding(name: str, seconds: float, goal: float, details: str) -> Finding:
    return Finding(
        name=name, value=seconds, unit="s", goal=goal, better=Better.LOWER, details=details
    )


def _about() -> str:
    return f"{JOBS} jobs, {FLIGHTS} flights read; {brief()}"
