"""How much faster a testbox resumes than it boots."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace

from harness.bench.model import Better, Finding
from harness.flight.model import TestboxSpec
from harness.progress import Progress
from harness.testbox.machine import Testbox
from harness.testbox.paths import base_directory
from harness.units import Size

GOAL = 10.0
_BOOTED = "making the volume group"
"""What the testbox says when its dom0 has answered over SSH for the first time."""


def measure_resume(spec: TestboxSpec, progress: Progress) -> Finding:
    """Boot a testbox of its own from scratch, then resume it; its files are removed again."""
    # Another size of disk makes another machine, for which there is no warm state yet.
    odd = replace(spec, disk=Size(spec.disk + (os.getpid() % 1000 + 1) * (4 << 20)))
    box = Testbox(f"bench-{os.getpid()}", odd)
    warm_before = set(base_directory().glob("warm-*"))
    marks: dict[str, float] = {}

    def watch(text: str, fraction: float | None = None) -> None:
        now = time.monotonic()
        if fraction is not None:
            marks.setdefault("start", now)
        marks.setdefault(text, now)
        progress(text, fraction)

    try:
        box.image(progress)
        box.up(watch)
        cold = marks[_BOOTED] - marks["start"]
        box.down(save=False)
        progress("resuming from the warm snapshot")
        warm = box.up().seconds
    finally:
        box.remove()
        for directory in set(base_directory().glob("warm-*")) - warm_before:
            if directory.is_dir():
                shutil.rmtree(directory)
            else:
                directory.unlink()
    return Finding(
        name="resume against cold boot",
        value=cold / warm,
        unit="× faster",
        goal=GOAL,
        better=Better.HIGHER,
        details=f"boot to SSH {cold:.1f} s, resume to SSH {warm:.1f} s",
    )
