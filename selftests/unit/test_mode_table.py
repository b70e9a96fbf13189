"""What guests saw, side by side: as text, and on the flight's page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.cli import main
from harness.flight.mode import Mode
from harness.report.modes import modes_text
from harness.report.modetable import Column, modes_table
from harness.results.model import JobResult, PhaseResult, StepResult
from harness.site.pages.flight import _boot_picture
from harness.status import Status


def job(mode: str, *, seconds: float = 2.0, **runvars: str) -> JobResult:
    phases = (
        PhaseResult(name="kernel", started=0, duration=seconds),
        PhaseResult(name="init", started=seconds, duration=1),
        PhaseResult(name="console-login", started=9, duration=9),
    )
    boot = StepResult(testid="guest-boot", status=Status.PASS, phases=phases)
    return JobResult(
        name=f"modes-{mode}",
        suite="modes",
        dist="bookworm",
        arch="amd64",
        virt="pv",
        boot="direct",
        status=Status.PASS,
        started=datetime(2026, 11, 23, tzinfo=UTC),
        steps=(boot,),
        runvars={"mode": mode, **runvars} if mode else runvars,
    )


def test_the_columns_are_in_the_order_of_the_modes() -> None:
    table = modes_table([job("hvm", clock="tsc"), job(""), job("pv", clock="xen"), job("bogus")])
    assert table
    assert [column.mode for column in table.columns] == [Mode.PV, Mode.HVM]
    assert table.rows == (("clock", ("xen", "tsc")),), "what nobody told has no row"
    assert table.columns[0].phases == (("kernel", 2.0), ("init", 1.0)), "of the boot only"
    assert table.columns[0].boot == 3.0


def test_no_guest_told_anything() -> None:
    assert modes_table([job("")]) is None
    assert modes_table([]) is None


def test_as_text() -> None:
    table = modes_table([job("pv", kernel_says="a|b\x1b[2J"), job("pvh", seconds=0.0)])
    assert table
    text = modes_text(table)
    assert "| and says that it boots on | a\\|b\N{REPLACEMENT CHARACTER}[2J |  |" in text
    assert "| kernel | 2.0 s | – |" in text
    assert "| boot, all of it | 3.0 s | 1.0 s |" in text
    assert "- pvh: `modes-pvh`" in text
    assert "bootloader" not in text


def test_the_picture_has_a_bar_for_each_phase() -> None:
    column = Column(job="j", mode=Mode.PV, phases=(("kernel", 2.0), ("init", 2.0)))
    picture = _boot_picture(column, 8.0)
    assert 'class="phase-2" x="0.000%"' in picture
    assert 'class="phase-4" x="25.000%"' in picture


def test_a_flight_without_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modes", str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().err
