"""Whether a host was overloaded while a guest was waited for, by what its dom0 says of itself.

Sources: Linux' Documentation/accounting/psi.rst for /proc/pressure (4.20 and newer, where it is
not switched off), proc(5) for the others. *steal* is the time in which dom0 had work, and Xen
ran somebody else (arch/x86/xen/time.c): the one sign in dom0 of physical CPUs being short.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.remote.command import Command

RESOURCES = ("cpu", "io", "memory")
READ_PRESSURE = Command.of(
    "grep",
    "-sE",
    "^(some|cpu|[0-9])",
    *(f"/proc/pressure/{name}" for name in RESOURCES),
    *("/proc/loadavg", "/proc/uptime", "/proc/stat"),
)
"""One small program, whichever of the files are there; its exit status says nothing."""

CPU_LIMIT = 80.0
LOAD_LIMIT = 2.0
"""A CPU is short when tasks wait for it most of the time *and* at least two share each: with
three tasks on two CPUs somebody always waits, and everything still gets two thirds."""
IO_LIMIT = 80.0
MEMORY_LIMIT = 40.0
STEAL_LIMIT = 40.0
LOAD_ALONE_LIMIT = 4.0
"""Where the kernel does not measure pressure. Tasks that wait for a disk count as well."""

_SOME = re.compile(r"/proc/pressure/(\w+):some avg10=([\d.]+) .*total=(\d+)$")
_SHORTEST = 5.0
"""Seconds between two samples below which the kernel's own average over ten is better."""


@dataclass(frozen=True, kw_only=True)
class Stall:
    """One resource: percent of the last ten seconds in which a task waited, and µs in all."""

    avg10: float
    total: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What dom0 said at one moment. *uptime* in seconds, *load* per CPU, the rest in ticks."""

    uptime: float
    load: float
    steal: int
    ticks: int
    stalls: Mapping[str, Stall]


@dataclass(frozen=True, kw_only=True)
class Pressure:
    """Percent of a span of time, and load per CPU. None: not known."""

    seconds: float
    load: float
    cpu: float | None = None
    io: float | None = None
    memory: float | None = None
    steal: float | None = None

    def __str__(self) -> str:
        known = {"cpu": self.cpu, "io": self.io, "memory": self.memory, "steal": self.steal}
        shares = [f"{name} {share:.0f} %" for name, share in known.items() if share is not None]
        return ", ".join([*shares, f"load {self.load:.1f} per CPU"])

    @property
    def overload(self) -> str | None:
        """In words what was short; None when nothing was."""
        if (self.steal or 0.0) >= STEAL_LIMIT:
            return f"Xen kept dom0 from a physical CPU {self.steal:.0f} % of the time"
        if (self.memory or 0.0) >= MEMORY_LIMIT:
            return f"tasks in dom0 waited for memory {self.memory:.0f} % of the time"
        if (self.io or 0.0) >= IO_LIMIT:
            return f"tasks in dom0 waited for a disk {self.io:.0f} % of the time"
        if (self.cpu or 0.0) >= CPU_LIMIT and self.load >= LOAD_LIMIT:
            return f"tasks in dom0 waited for a CPU {self.cpu:.0f} % of the time"
        if self.cpu is None and self.load >= LOAD_ALONE_LIMIT:
            return f"{self.load:.1f} tasks shared each CPU of dom0"
        return None


def read_sample(text: str) -> Sample | None:
    """From the output of `READ_PRESSURE`; None when it is not what was asked for."""
    values = {}
    stalls = {}
    for line in text.splitlines():
        if found := _SOME.match(line):
            stalls[found[1]] = Stall(avg10=float(found[2]), total=int(found[3]))
        name, _, words = line.partition(":")
        key = f"{name} {words.split(' ')[0]}" if name == "/proc/stat" else name
        values[key] = words.split()
    cpus = sum(key.startswith("/proc/stat cpu") for key in values) - 1
    try:
        # user nice system idle iowait irq softirq steal; guest time is in user already.
        ticks = [int(word) for word in values["/proc/stat cpu"][1:9]]
        return Sample(
            uptime=float(values["/proc/uptime"][0]),
            load=float(values["/proc/loadavg"][0]) / cpus,
            steal=ticks[7],
            ticks=sum(ticks),
            stalls=stalls,
        )
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        return None


def between(first: Sample, last: Sample) -> Pressure:
    """The pressure from *first* to *last*; of the last ten seconds if they are too close.

    The load is the last one's: it is an average over a minute by itself.
    """
    seconds = last.uptime - first.uptime
    if seconds < _SHORTEST:
        shares = {name: stall.avg10 for name, stall in last.stalls.items() if name in RESOURCES}
        return Pressure(seconds=10.0, load=last.load, **shares)
    shares = {
        name: min(100.0, (stall.total - first.stalls[name].total) / seconds / 1e4)
        for name, stall in last.stalls.items()
        if name in first.stalls and name in RESOURCES
    }
    ticks = last.ticks - first.ticks
    steal = 100.0 * (last.steal - first.steal) / ticks if ticks > 0 else None
    return Pressure(seconds=seconds, load=last.load, steal=steal, **shares)
