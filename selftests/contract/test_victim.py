"""Ending real processes the hard way, as the experiment with killed flights does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import DeadlineExceeded
from harness.reliability.victim import Aim, Victim
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.wait import Deadline, NotYet, wait_for

# The parent writes its child's number down, and outlives no signal that can't be caught.
SCRIPT = 'sleep 300 & echo $! >"$0/child"; trap "" TERM; wait'


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[Victim, Victim]]:
    """A process and its child, which is in the same group."""
    log = tmp_path / "log"
    command = Command(("sh", "-c", SCRIPT, str(tmp_path)))
    parent = Victim(LocalRunner().spawn_detached(command, log), log)

    def born() -> int:
        with suppress(OSError, ValueError):
            return int((tmp_path / "child").read_text())
        msg = "no child"
        raise NotYet(msg)

    bound = Deadline.after(timedelta(seconds=20))
    child = Victim(wait_for(born, what="a child", deadline=bound), log)
    yield parent, child
    for one in (parent, child):
        with suppress(ProcessLookupError):
            os.kill(one.pid, 9)


def test_the_controller_alone_is_killed(family: tuple[Victim, Victim]) -> None:
    parent, child = family
    parent.kill(Aim.CONTROLLER)
    assert (parent.alive, child.alive) == (False, True)
    parent.kill(Aim.CONTROLLER)  # it is gone, and that is well


def test_its_whole_group_is_killed(family: tuple[Victim, Victim]) -> None:
    parent, child = family
    parent.kill(Aim.GROUP)
    child.wait(timedelta(seconds=20))
    assert (parent.alive, child.alive) == (False, False)


def test_one_that_goes_on_is_not_waited_for_without_end(family: tuple[Victim, Victim]) -> None:
    parent, _ = family
    with pytest.raises(DeadlineExceeded, match="is there"):
        parent.wait(timedelta(milliseconds=100))
