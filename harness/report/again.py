"""How to run one job again."""

from __future__ import annotations

import shlex

from harness.report.evidence import one_line


def again_words(flight: str, job: str, program: str = "./xenflight") -> tuple[str, str, str]:
    """The command in three parts, fit for a shell, whatever the names are."""
    first = f"{program} run {shlex.quote(one_line(flight))}"
    return first, f"--only {shlex.quote(one_line(job))}", "--keep on-failure"
