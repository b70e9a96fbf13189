"""Any faults at once: nothing crashes or hangs, nothing stays that is not told of, and nobody is
blamed for another's fault.

``XENFLIGHT_FAULT_DRAWS`` asks for more than the few of every run, which are always the same; these
are then others each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from harness.flight.faults import FaultKind
from sim.project import SimProject
from sim.test_faults import assert_told

DRAWS = int(os.environ.get("XENFLIGHT_FAULT_DRAWS", "0"))
KINDS = list(FaultKind)
GUESTS = frozenset(KINDS[KINDS.index(FaultKind.SILENT) :])
"""What the guest does by itself; all before it are the lab's."""
IMAGES = frozenset({FaultKind.KERNEL_UNLOADABLE, FaultKind.BOOTLOADER_FAILS})
"""What the toolstack says of the guest's image."""
AT_COMMANDS = frozenset(
    {
        FaultKind.CONNECTION_LOST,
        FaultKind.HOST_LOST,
        FaultKind.COMMAND_HANGS,
        FaultKind.COMMAND_FAILS,
        FaultKind.LEASE_LOST,
        FaultKind.INTERRUPT,
    }
)
COMMANDS = (
    *("lvs", "lvcreate", "lvremove", "xl list", "xl create", "xl unpause", "xl destroy", "xl info"),
    *("xl shutdown", "xl console", "xenstore-ls", "seed-disk", "take-boot-files", "take-slot"),
    *("take-lock", "free-locks", "read-slots", "list-flights", "evidence", "grep", "ping", "ls"),
    *("tidy-domain", "rm", "mkdir", "true", "look-around", "note-use", "write-image", "find-room"),
    *("admit-job", "census", "note-known-good", "note-health", "read-health", "cat", "*"),
)
CODES = {0, 4, 5, 6, 130}
"""Not 1, which is a bug of ours."""


@st.composite
def faults(draw: st.DrawFn) -> str:
    """One, as it stands in hosts.yaml."""
    kind = draw(st.sampled_from(KINDS))
    fault = {"kind": str(kind)}
    if kind in AT_COMMANDS:
        fault["on"] = f"'{draw(st.sampled_from(COMMANDS))}'"
        fault["skip"] = str(draw(st.sampled_from((0, 1, 3, 8, 20))))
    # Ctrl-C for ever is nobody's.
    if kind is FaultKind.INTERRUPT or draw(st.booleans()):
        fault["times"] = str(draw(st.sampled_from((1, 2))))
    if draw(st.integers(0, 2)) == 0:
        fault["lasts"] = f"{draw(st.sampled_from((3, 20, 90)))}s"
    return "{" + ", ".join(f"{key}: {value}" for key, value in fault.items()) + "}"


@pytest.mark.timeout(1200)
@settings(
    max_examples=DRAWS or 25,
    derandomize=not DRAWS,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    drawn=st.lists(faults(), min_size=1, max_size=3),
    count=st.sampled_from((1, 1, 2)),
    known_good=st.booleans(),
)
def test_whatever_goes_wrong(
    project: SimProject, drawn: list[str], count: int, known_good: bool
) -> None:
    project.hosts(*drawn, count=count)
    if known_good:
        with project.host.faults.held_back():
            assert int(project.run().ret) == 0
    before = project.states()
    result = project.run()
    said = str(result.stdout) + str(result.stderr)
    note(said)
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert int(result.ret) in CODES
    assert_just(project, set(project.host.faults.struck), int(result.ret))
    assert_told(project.results, project.more_than(before))
    project.recover()
    again = project.run()
    assert int(again.ret) == 0, str(again.stdout)
    assert not project.more_than(before)


def assert_just(project: SimProject, struck: set[FaultKind], returned: int) -> None:
    """Each is blamed for what is its own."""
    told = [(one["status"], one["reason"]) for one in project.attempts()]
    if not struck:
        assert returned == 0, told
    if not struck & (GUESTS | IMAGES):
        assert not [why for status, why in told if status == "fail"], "it is the lab's fault"
    if struck <= GUESTS:
        assert {status for status, _ in told} <= {"pass", "fail"}, told
