"""How to run one job again, and how to hand it on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePath

from harness.report.evidence import one_line
from harness.results.model import FlightResult


def again_words(
    flight: FlightResult, job: str, program: str = "./xenflight"
) -> tuple[str, str, str]:
    """The command in three parts, fit for a shell, whatever the names are.

    The hosts and the file are those that the flight's own command named; where it named none,
    the usual ones do.
    """
    words = _words(flight.command)
    file = next((word for word in words if _is_file_of(flight.flight, word)), flight.flight)
    hosts = ",".join(_hosts(flight, words))
    where = f"--host {shlex.quote(one_line(hosts))} " if hosts else ""
    first = f"{program} run {shlex.quote(one_line(file))}"
    return first, f"--only {shlex.quote(one_line(job))}", f"{where}--keep on-failure"


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        # Of old flights and of JUnit it is whatever was there.
        return []


def _is_file_of(flight: str, word: str) -> bool:
    path = PurePath(word)
    return path.suffix in (".yaml", ".yml") and path.stem == flight


def _hosts(flight: FlightResult, words: Sequence[str]) -> list[str]:
    """The hosts that were asked for; of an upgrade's two sides, that of this flight."""
    if {"--from", "--to"} & set(words):
        return [host.name for host in flight.hosts[:1]]
    named = [after for word, after in pairwise(words) if word == "--host"]
    return named + [word.partition("=")[2] for word in words if word.startswith("--host=")]


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
