"""When xl refuses: the image's fault or the lab's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import GuestFailure, LabError
from harness.job.refusal import SIGNS, Sign, whose_fault
from harness.remote.fake import FakeRunner
from harness.xen.toolstack import CreateRefused

DATA = Path(__file__).parent.parent / "data" / "xl"
"""What xl 4.17 really said."""


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.failure_class)
def test_what_points_at_the_image_is_its_fault(sign: Sign) -> None:
    runner = FakeRunner("host")
    runner.on("^tail ", "RuntimeError: Unable to find partition containing kernel\n")
    found = whose_fault(CreateRefused("xl did not", said=sign.sample), runner)
    assert isinstance(found, GuestFailure)
    assert (found.phase, found.failure_class) == (sign.phase, sign.failure_class)
    assert sign.sample in found.evidence
    asked = "consult logfile" in sign.sample
    assert ("Unable to find partition" in found.evidence) is asked


@pytest.mark.parametrize(
    "said",
    [
        "libxl: error: libxl_mem.c: failed to free memory for the domain",
        "libxl: error: Unable to add disk devices",
        (DATA / "create-no-memory-4.17.txt").read_text(),
        (DATA / "create-no-bridge-4.17.txt").read_text(),
        (DATA / "create-exists-4.17.txt").read_text(),
        "",
    ],
)
def test_all_else_is_the_labs(said: str) -> None:
    error = CreateRefused("xl did not", said=said)
    assert whose_fault(error, FakeRunner("host")) is error
    assert isinstance(error, LabError)
