"""What a figure was measured on, as far as it matters."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.testbox.accel import Accel, choose_accel

_CPUINFO = Path("/proc/cpuinfo")


class Machine(BaseModel):
    """Two figures are compared only if these are equal, but for *load*."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str
    cpus: int
    """Those that this process may use."""
    memory_gib: int
    kernel: str
    python: str
    kvm: bool
    """Whether testboxes use it: a device that is there need not work."""
    load: float
    """How many processes wanted a processor in the minute before: 0 on an idle machine."""

    @property
    def kind(self) -> tuple[str, int, int, str, bool]:
        """What makes figures comparable. A new kernel is a change that a trend should show."""
        return self.cpu, self.cpus, self.memory_gib, self.python, self.kvm

    def __str__(self) -> str:
        kvm = "KVM" if self.kvm else "no KVM"
        return (
            f"{self.cpu}, {self.cpus} CPUs, {self.memory_gib} GiB, {kvm}, Linux {self.kernel}, "
            f"Python {self.python}"
        )


def this_machine(cpuinfo: Path = _CPUINFO) -> Machine:
    """The one that this runs on."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpu=_model(cpuinfo),
        cpus=len(os.sched_getaffinity(0)),
        memory_gib=round(pages * page / (1 << 30)),
        kernel=platform.release(),
        python=platform.python_version(),
        kvm=choose_accel()[0] is Accel.KVM,
        load=round(os.getloadavg()[0], 1),
    )


def brief() -> str:
    """The same in a few words, for the details of a finding."""
    machine = this_machine()
    return f"Python {machine.python}, {machine.cpus} CPUs, load {machine.load}"


def _model(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.machine()
