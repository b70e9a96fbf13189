"""Which harness made a result."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.remote.command import Command, Runner


def describe_revision(runner: Runner, tree: Path) -> str | None:
    """``git describe`` of *tree*, ``-dirty`` when changed; None when that cannot be known."""
    command = Command.of("git", "-C", tree, "describe", "--always", "--dirty", "--tags")
    try:
        result = runner.run(command, timeout=timedelta(seconds=10), check=False)
    except LabError:
        # No git on this machine, or a repository too slow to ask: a result is good without it.
        return None
    return result.stdout.strip() or None if result.ok else None
