"""Testboxes that have files here, whether or not a host inventory still names them."""

from __future__ import annotations

import re
from pathlib import Path

from harness.testbox.paths import base_directory
from harness.testbox.record import PROC


def known_names() -> list[str]:
    """The names of all testboxes that have a directory."""
    runs = base_directory() / "run"
    return sorted(path.name for path in runs.iterdir() if path.is_dir()) if runs.exists() else []


def ended_sessions(prefix: str, proc: Path = PROC) -> list[str]:
    """Testboxes called *prefix* and a process id, and maybe ``-`` and more, whose process has
    ended."""
    pattern = re.compile(rf"{re.escape(prefix)}(\d+)(-.*)?")
    owners = {name: match[1] for name in known_names() if (match := pattern.fullmatch(name))}
    return [name for name, pid in owners.items() if not (proc / pid).exists()]
