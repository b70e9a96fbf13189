"""The files of a job that its results carry: its console, its xl.cfg, what the host told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.evidence.model import INDEX, Index
from harness.report.evidence import clean
from harness.results.layout import JobDirectory, safe_name, within
from harness.results.model import JobResult
from harness.results.rules import first_bad

MOST = 512 << 10
"""Bytes of a file that are carried: its end. Allure's pages hold all of them in memory."""
_TEXT = frozenset({".txt", ".json", ".log", ".cfg"})
_PRIVATE = 0o600


@dataclass(frozen=True, kw_only=True)
class Carried:
    """One file, as text that can act on nobody."""

    name: str
    text: str


def console_step(job: JobResult) -> str | None:
    """The testid of the step that carries an attempt's console and evidence: the first that did not
    pass, else the last that has phases, such as the boot; None when there is no step."""
    if bad := first_bad(job.steps):
        return bad.testid
    timed = [step.testid for step in job.steps if step.phases]
    return timed[-1] if timed else job.steps[0].testid if job.steps else None


def carried(directory: Path | None, job: JobResult, *, evidence: bool) -> Iterator[Carried]:
    """The files of one attempt in its flight's *directory*, as far as they are here."""
    log = within(directory, job.console_log)
    if log and (text := _tail(log)):
        yield Carried(name="console.log", text=text)
    if log and (text := _tail(log.with_name(JobDirectory(log.parent).xl_cfg.name))):
        yield Carried(name="xl.cfg", text=text)
    index = within(directory, job.evidence.index) if job.evidence and evidence else None
    for path in _evidence(index):
        if text := _tail(path):
            yield Carried(name=f"evidence: {path.name}", text=text)


def put(directory: Path, name: str, text: str) -> None:
    """Write one beside the results, for its owner to read; `OSError` if it can't be."""
    path = directory / name
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, _PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)


def _evidence(index: Path | None) -> Sequence[Path]:
    if index is None or index.name != INDEX:
        return ()
    try:
        entries = Index.model_validate_json(index.read_bytes(), strict=False).items
    except (OSError, ValidationError):
        return ()
    found = [within(index.parent, name) for entry in entries if (name := _safe(entry.file))]
    return [path for path in found if path and path.suffix in _TEXT]


def _safe(name: str) -> str | None:
    try:
        return safe_name(name)
    except ValueError:
        return None


def _tail(path: Path) -> str:
    """The end of a file, cleaned; empty when it is none, or can't be read."""
    try:
        if not path.is_file() or path.is_symlink():
            return ""
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST))
            data = file.read(MOST)
    except OSError:
        return ""
    cut = f"[{size - MOST} bytes before this are left out]\n" if size > MOST else ""
    return cut + clean(data.decode("utf-8", "replace")) if data else ""
