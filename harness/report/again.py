"""How to run one job again, and how to hand it on."""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.report.evidence import one_line


def again_words(flight: str, job: str, program: str = "./xenflight") -> tuple[str, str, str]:
    """The command in three parts, fit for a shell, whatever the names are."""
    first = f"{program} run {shlex.quote(one_line(flight))}"
    return first, f"--only {shlex.quote(one_line(job))}", "--keep on-failure"


def repro_words(flight_id: str, job: str, program: str = "./xenflight") -> str:
    """The command that writes a bundle of one job of a flight."""
    return f"{program} repro {shlex.quote(one_line(flight_id))} {shlex.quote(one_line(job))}"


def bundle_words(file: str, host: str = "", program: str = "./xenflight") -> str:
    """The command that runs what is in a bundle; *host* where it is not the usual one."""
    where = f" --host {shlex.quote(one_line(host))}" if host else ""
    return f"{program} run {shlex.quote(one_line(file))}{where} --keep on-failure"


def report_words(directory: Path, program: str = "./xenflight") -> tuple[str, str]:
    """The command that makes pages of the flight in *directory*, in two parts."""
    usual = directory.parent.parts[-2:] == ("reports", "runs")
    return f"{program} report", shlex.quote(directory.name if usual else str(directory))
