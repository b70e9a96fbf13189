"""A flight as a grid."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.report.grid import grid_text
from harness.results.model import FlightResult, JobResult
from harness.status import Status

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def job(name: str, status: Status, reason: str | None = None) -> JobResult:
    suite, dist, arch, virt, boot = name.split("-")[:5]
    return JobResult(
        name=name,
        suite=suite,
        dist=dist,
        arch=arch,
        virt=virt,
        boot=boot,
        status=status,
        reason=reason,
        duration=61.5,
    )


def flight(*jobs: JobResult) -> FlightResult:
    return FlightResult(
        flight_id="matrix-1",
        flight="matrix",
        status=Status.FAIL,
        started=NOW,
        ended=NOW,
        duration=125,
        harness_version="0",
        revision=None,
        jobs=jobs,
        command="xenflight run matrix",
    )


def test_cells_reasons_and_counts() -> None:
    text = grid_text(
        [
            flight(
                job("boot-bookworm-amd64-pv-direct", Status.PASS),
                job("boot-bookworm-amd64-pv-bios", Status.SKIP, "pv has no | firmware"),
                job("boot-trixie-amd64-pv-direct", Status.FAIL, "phase kernel: it panicked"),
                job("boot-trixie-amd64-pv-bios", Status.SKIP, "pv has no | firmware"),
            )
        ]
    )
    assert "4 cells: 1 pass, 1 fail, 2 skip" in text.replace("\n", " ")
    assert "| guest | pv direct | pv bios |" in text
    assert "| bookworm amd64 | pass 62 s | skip [1] |" in text
    assert "| trixie amd64 | **fail** [2] | skip [1] |" in text
    assert "1. pv has no \\| firmware\n2. phase kernel: it panicked" in text
    assert "| dist | bookworm | 2 | 1 |" in text
    assert "| boot | bios | 2 | 0 |" in text


def test_what_else_a_name_says_gets_a_table_of_its_own() -> None:
    text = grid_text(
        [
            flight(
                job("boot-bookworm-amd64-pv-direct", Status.PASS),
                job("boot-bookworm-amd64-pv-direct-qcow2", Status.PASS),
            )
        ]
    )
    assert "| guest | pv direct |" in text
    assert "| qcow2 | pv direct |" in text


def test_a_flight_without_jobs_is_no_trouble() -> None:
    assert "0 cells" in grid_text([flight()])


def test_a_matrix_that_ran_in_parts_is_one_grid() -> None:
    panicked = job("boot-trixie-amd64-hvm-bios", Status.FAIL, "phase kernel: it panicked")
    first = flight(panicked, job("boot-trixie-i386-pv-direct", Status.PASS))
    second = flight(
        job("boot-trixie-amd64-hvm-bios", Status.PASS),
        job("boot-bullseye-amd64-pv-direct", Status.PASS),
    )
    third = flight(job("boot-trixie-i386-pv-direct", Status.ABORTED, "the run ended before it"))
    text = grid_text([first, second, third])
    assert "3 cells: 3 pass" in text
    assert "| trixie i386 | pass 62 s |" in text
    assert text.index("| bullseye amd64 |") < text.index("| trixie amd64 |")
    assert "| guest | pv direct | hvm bios |" in text
    assert "| trixie amd64 |  | pass 62 s, 1 of 2 runs passed |" in text
    assert "panicked" not in text, "it is not the last word on that cell"
