"""A guest that died while it was waited for failed because of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.console.fake import ScriptedStream, VirtualClock, VirtualRecorder
from harness.errors import GuestFailure
from harness.job.death import DeathWatch

BOOT = b"[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000008\r\nguest login: "
OOM = b"[   60.0] Out of memory: Killed process 142 (sshd) total-vm:64512kB\r\n"
PANIC = b"[   61.0] Kernel panic - not syncing: Fatal exception\r\n"
LATE = GuestFailure("no SSH", phase="ssh", failure_class="no-ssh", evidence="the last lines")


def cause(said: bytes, directory: Path, failure: GuestFailure = LATE) -> GuestFailure:
    clock = VirtualClock()
    stream = ScriptedStream(clock, [(1, BOOT), *([(1, said)] if said else [])])
    with VirtualRecorder(stream, directory, clock=clock) as recorder:
        recorder.wait(len(BOOT) + len(said) - 1, 10)
        watch = DeathWatch(recorder, len(BOOT))
        with pytest.raises(GuestFailure) as caught, watch.told():
            raise failure
        return caught.value


def test_the_first_death_is_the_cause(tmp_path: Path) -> None:
    found = cause(OOM + PANIC, tmp_path)
    assert (found.failure_class, found.phase) == ("out-of-memory", "ssh")
    assert found.evidence == "the last lines"
    assert "also kernel-panic" in found.message
    assert found.message.endswith("; then no SSH")


@pytest.mark.parametrize(
    "said",
    [b"", b"\r\n# dmesg | head -1\r\n", b"\r\n(initramfs) ", b"You are in emergency mode\r\n"],
)
def test_what_is_no_death_changes_nothing(said: bytes, tmp_path: Path) -> None:
    assert cause(said, tmp_path) is LATE


def test_a_death_that_was_told_already_stays_as_it_is(tmp_path: Path) -> None:
    known = GuestFailure("it panicked", phase="login", failure_class="kernel-panic")
    assert cause(OOM, tmp_path, known) is known
