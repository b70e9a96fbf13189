"""What all selftests share: a guard around the unit tests, and one real testbox.

Tests in ``selftests/unit`` may not touch the machine: no program but a shell, Python and tools
that work on the files they are given, no network but the loopback. Tests in ``selftests/xen``
get a testbox of their own session, which is ended with it, and are marked ``testbox``.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from realhost import BOX, PREFIX, RealHost, default_spec

from harness.remote.ssh import SshRunner
from harness.store.url import NONE, VARIABLE
from harness.testbox.machine import Testbox
from harness.testbox.stray import ended_sessions, known_names
from harness.wait import Deadline

pytest_plugins = ["pytester", "storefixtures"]

# No test writes into the history of who runs it; those of the store name one of their own.
os.environ[VARIABLE] = NONE

# Each example has 200 ms by default, and on a busy machine some need more.
settings.register_profile("selftests", deadline=None)
settings.load_profile("selftests")

HERE = Path(__file__).parent
UNIT = HERE / "unit"
XEN = HERE / "xen"
CONNECT_TIMEOUT = timedelta(minutes=1)


class OutOfBoundsError(AssertionError):
    """A unit test reached for the machine or the network."""


class Guard:
    """Refuses what a unit test may not do, while `active`.

    It is an audit hook of Python's: nothing is replaced, so the code under test is the real
    one, and calls from threads and libraries are seen too.
    """

    ALLOWED_PROGRAMS = frozenset(
        {"sh", "ssh-keygen", "python", "python3", "rm", "mke2fs", "debugfs", "e2fsck"}
    )

    def __init__(self) -> None:
        self.active = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Called by Python for every audited event."""
        if not self.active:
            return
        if event == "subprocess.Popen":
            self._check_program(str(arguments[0]))
        elif event in {"os.exec", "os.posix_spawn", "os.system"}:
            msg = f"a unit test may not start anything: {event} {arguments[0]!r}"
            raise OutOfBoundsError(msg)
        elif event in {"socket.connect", "socket.sendto"}:
            self._check_address(arguments[1])
        elif event == "socket.getaddrinfo":
            self._check_host(arguments[0])

    def _check_program(self, program: str) -> None:
        path = Path(program)
        ours = path == Path(sys.executable) or "pytest-of-" in program
        if path.name in self.ALLOWED_PROGRAMS or ours or not path.name:
            return
        # A name that is nowhere, to see what is said about it, does no harm.
        places = [path] if path.is_absolute() else [Path(d, program) for d in os.get_exec_path()]
        if any(place.exists() for place in places):
            msg = f"a unit test may not start {program}: such tests go to selftests/contract"
            raise OutOfBoundsError(msg)

    def _check_address(self, address: object) -> None:
        if isinstance(address, tuple):
            self._check_host(address[0])

    def _check_host(self, host: object) -> None:
        name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
        with suppress(ValueError):
            if ipaddress.ip_address(name).is_loopback:
                return
        if name != "localhost":
            msg = f"a unit test may not use the network: {name}"
            raise OutOfBoundsError(msg)


GUARD = Guard()
sys.addaudithook(GUARD)


@pytest.fixture(autouse=True)
def _within_bounds(request: pytest.FixtureRequest) -> Iterator[None]:
    GUARD.active = request.path.is_relative_to(UNIT)
    yield
    GUARD.active = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real testbox."""
    for item in items:
        if item.path.is_relative_to(XEN):
            item.add_marker(pytest.mark.testbox)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Choose the name of this session's testbox; workers inherit it."""
    # A shell starts background commands with Ctrl-C ignored, and all that they start has it
    # ignored too; but some tests press it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(session.config, "workerinput"):
        os.environ[BOX] = f"{PREFIX}{os.getpid()}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the testbox when the last worker has; the controller's end comes after theirs."""
    if hasattr(session.config, "workerinput"):
        return
    ours = os.environ.pop(BOX)
    for name in known_names():
        if name == ours or name.startswith(f"{ours}-"):
            Testbox(name, default_spec()).remove()


@pytest.fixture(scope="session")
def testbox() -> Iterator[RealHost]:
    """This session's testbox, running, with a connection of this worker's own."""
    for name in ended_sessions(PREFIX):
        Testbox(name, default_spec()).remove()
    box = Testbox(os.environ[BOX], default_spec())
    started = box.up()
    runner = SshRunner.connect(started.endpoint, Deadline.after(CONNECT_TIMEOUT))
    yield RealHost(testbox=box, runner=runner)
    runner.close()
