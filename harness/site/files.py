"""The files that a job left, and which of them belong into a site.

The paths in a results.json are not believed: nothing outside of the flight's directory is ever
copied, wherever a path or a symbolic link leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.evidence.model import INDEX, Entry, Index
from harness.results.layout import JobDirectory, safe_name, within
from harness.results.model import AttemptResult, EvidenceResult, JobResult
from harness.site.console.recording import Recording

_TEXT = frozenset({".txt", ".json", ".log", ".cfg"})
"""Endings of evidence that may be copied: what a browser shows as text, and never a guest's memory.
"""
_MOST = 8 << 20
"""Bytes of a file of evidence."""
_CONFIG = 64 << 10


@dataclass(frozen=True, kw_only=True)
class JobFiles:
    """Of one attempt of a job."""

    console: Recording | None
    config: str
    """The text of its xl.cfg; empty without one."""
    evidence: EvidenceResult | None
    entries: tuple[Entry, ...]
    """What the index of its evidence says."""
    shown: dict[str, Path]
    """The files of evidence that belong into the site, by their names there."""
    folder: Path | None
    """Where they are on this machine; None when they are gone."""


def files_of(
    directory: Path | None, one: JobResult | AttemptResult, *, with_evidence: bool
) -> JobFiles:
    """Those of a job in its flight's *directory*."""
    log = within(directory, one.console_log)
    folder = log.parent if log else None
    index = within(directory, one.evidence.index) if one.evidence else None
    entries = _entries(index)
    shown: dict[str, Path] = {}
    if with_evidence and index:
        shown = {entry.file: path for entry in entries if (path := _copied(index, entry))}
    return JobFiles(
        console=Recording.of(folder) if folder else None,
        config=_config(folder),
        evidence=one.evidence,
        entries=entries,
        shown=shown,
        folder=folder,
    )


def _config(folder: Path | None) -> str:
    file = within(folder, JobDirectory(folder).xl_cfg.name) if folder else None
    try:
        return file.read_bytes()[:_CONFIG].decode("utf-8", "replace") if file else ""
    except OSError:
        return ""


def _entries(index: Path | None) -> tuple[Entry, ...]:
    if index is None or index.name != INDEX:
        return ()
    try:
        return Index.model_validate_json(index.read_bytes(), strict=False).items
    except (OSError, ValidationError):
        return ()


def _copied(index: Path, entry: Entry) -> Path | None:
    try:
        file = within(index.parent, safe_name(entry.file))
        if file is None or file.name != entry.file or file.suffix not in _TEXT:
            return None
        return file if file.is_file() and file.stat().st_size <= _MOST else None
    except (OSError, ValueError):
        return None
