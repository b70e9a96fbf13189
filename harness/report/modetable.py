"""What the guests of a flight saw of their machines, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.flight.mode import Mode
from harness.results.model import JobResult

BOOT_STEP = "guest-boot"
PHASES = ("create", "bootloader", "kernel", "initramfs", "init", "login")
"""Of a boot, in their order."""
ROWS = (
    ("the kernel takes itself for", "guest_type"),
    ("and says that it boots on", "kernel_says"),
    ("console", "console"),
    ("drivers of the root disk", "disk_drivers"),
    ("drivers of the network", "net_drivers"),
    ("on Xen's own bus", "xen_devices"),
    ("PCI devices", "pci_devices"),
    ("interrupts come from", "interrupts"),
    ("clock", "clock"),
    ("clocks to choose from", "clocks"),
    ("written to the disk", "disk_write"),
    ("read from the disk", "disk_read"),
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One guest."""

    job: str
    mode: Mode
    phases: tuple[tuple[str, float], ...]
    """The phases of its boot that there were, and how long each took, in seconds."""

    @property
    def boot(self) -> float:
        """All of them, in seconds."""
        return sum(seconds for _, seconds in self.phases)


@dataclass(frozen=True, kw_only=True)
class ModesTable:
    """*rows*: what it is, and for each column what the guest said."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def modes_table(jobs: Iterable[JobResult]) -> ModesTable | None:
    """The guests of *jobs* that told what they see; None when none did."""
    known = {mode.value for mode in Mode}
    told = [job for job in jobs if job.runvars.get("mode") in known]
    if not told:
        return None
    told.sort(key=lambda job: list(Mode).index(Mode(job.runvars["mode"])))
    rows = [(what, tuple(job.runvars.get(name, "") for job in told)) for what, name in ROWS]
    return ModesTable(
        columns=tuple(map(_column, told)),
        rows=tuple((what, values) for what, values in rows if any(values)),
    )


def _column(job: JobResult) -> Column:
    return Column(job=job.name, mode=Mode(job.runvars["mode"]), phases=tuple(_phases(job)))


def _phases(job: JobResult) -> Sequence[tuple[str, float]]:
    boots = [step for step in job.steps if step.testid == BOOT_STEP]
    took = {phase.name: phase.duration for step in boots for phase in step.phases}
    return [(name, took[name]) for name in PHASES if name in took]
