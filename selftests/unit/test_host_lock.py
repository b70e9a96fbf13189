"""Locks: the real flock(1), with two holders on this machine."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import harness
from harness.errors import LabError
from harness.host.lock import dead_locks, forget_lock, lock_path, locked, take_lock
from harness.remote.command import Command
from harness.remote.fake import FakeRunner
from harness.remote.local import LocalRunner
from harness.wait import Deadline, NotYet, wait_for

NAME = "smoke-20261122-114412-a1b2c3"


def soon() -> Deadline:
    return Deadline.after(timedelta(seconds=10))


def openers(path: str) -> int:
    """How many programs have the file open as their descriptor 9."""
    found = 0
    for link in Path("/proc").glob("[0-9]*/fd/9"):
        with suppress(OSError):  # It has just ended.
            found += str(link.readlink()) == path
    return found


def wait_until_dead(runner: LocalRunner, name: str, directory: str) -> None:
    """Its holder ends by itself, a moment after it was let go."""

    def free() -> None:
        if dead_locks(runner, [name], directory) != {name}:
            msg = "it is held"
            raise NotYet(msg)

    wait_for(free, what=f"the lock {name}", deadline=soon())


@pytest.fixture
def runner() -> LocalRunner:
    return LocalRunner()


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "locks")


def test_only_one_holds_it(runner: LocalRunner, directory: str) -> None:
    lock = take_lock(runner, NAME, soon(), directory)
    with pytest.raises(LabError, match=f"the lock {NAME}"):
        take_lock(runner, NAME, Deadline.after(timedelta(seconds=1)), directory)
    lock.release()
    lock.release()
    take_lock(runner, NAME, soon(), directory).release()


def test_a_lock_whose_file_is_reaped_while_it_is_waited_for_is_taken_anew(
    runner: LocalRunner, directory: str
) -> None:
    """Else it would be a lock of a file without a name, which nobody sees."""
    first = take_lock(runner, NAME, soon(), directory)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(take_lock, runner, NAME, soon(), directory)

        def waited_for() -> None:
            if openers(f"{directory}/{NAME}") < 2:
                msg = "only its holder has it open"
                raise NotYet(msg)

        wait_for(waited_for, what="somebody who waits", deadline=soon())
        forget_lock(runner, NAME, directory)
        first.release()
        lock = second.result()
    assert dead_locks(runner, [NAME], directory) == set()
    lock.release()


def test_another_name_is_another_lock(runner: LocalRunner, directory: str) -> None:
    with locked(runner, "a", soon(), directory), locked(runner, "b", soon(), directory):
        assert dead_locks(runner, ["a", "b"], directory) == set()


def test_it_is_given_back_when_the_block_fails(runner: LocalRunner, directory: str) -> None:
    with pytest.raises(RuntimeError), locked(runner, NAME, soon(), directory):
        raise RuntimeError
    wait_until_dead(runner, NAME, directory)


def test_who_is_alive(runner: LocalRunner, directory: str) -> None:
    with locked(runner, "alive", soon(), directory):
        assert dead_locks(runner, ["alive", "dead", "dead"], directory) == {"dead"}
    wait_until_dead(runner, "alive", directory)
    assert dead_locks(runner, [], directory) == set()


HOLDER = """
import sys
from datetime import timedelta
from harness.host.lock import take_lock
from harness.remote.local import LocalRunner
from harness.wait import SYSTEM_CLOCK, Deadline
lock = take_lock(LocalRunner(), sys.argv[1], Deadline.after(timedelta(seconds=10)), sys.argv[2])
SYSTEM_CLOCK.sleep(600)
"""


def test_it_frees_itself_when_its_holder_is_killed(
    runner: LocalRunner, directory: str, tmp_path: Path
) -> None:
    command = Command.of(sys.executable, "-c", HOLDER, NAME, directory)
    environment = {"PYTHONPATH": str(Path(harness.__file__).parent.parent)}
    pid = runner.spawn_detached(replace(command, env=environment), tmp_path / "log")

    def is_free(wanted: bool) -> None:
        if bool(dead_locks(runner, [NAME], directory)) is not wanted:
            raise NotYet((tmp_path / "log").read_text())

    wait_for(lambda: is_free(False), what="the holder", deadline=soon())
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_free(True), what="the lock", deadline=soon())


def test_its_file_goes_when_it_is_forgotten(runner: LocalRunner, directory: str) -> None:
    take_lock(runner, NAME, soon(), directory).release()
    assert Path(lock_path(NAME, directory)).exists()
    forget_lock(runner, NAME, directory)
    assert not Path(lock_path(NAME, directory)).exists()


def test_a_host_without_flock_says_so() -> None:
    fake = FakeRunner()
    stream = fake.on_open("flock", [b"sh: 1: exec: flock: not found\n"])
    with pytest.raises(LabError, match="flock: not found"):
        take_lock(fake, NAME, soon())
    assert stream.closed


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "a;b", "$(x)"])
def test_names_that_would_need_quoting(name: str) -> None:
    with pytest.raises(ValueError, match="can't name a lock"):
        lock_path(name)
