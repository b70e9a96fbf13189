"""What `xenflight hosts check` does. Imported when it runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from harness.cache import cache_root
from harness.cli.reaching import endpoint_of
from harness.errors import UsageError
from harness.flight.model import HostSpec
from harness.host.health import Verdict
from harness.host.slots import read_slots
from harness.host.xenhost import XenHost
from harness.job.canary import Canary, CanaryResult, Occasion
from harness.status import EXIT_CODES, EXIT_NOTHING_RAN, Status
from harness.units import human_seconds

Connect = Callable[[], XenHost]
CanaryMaker = Callable[[HostSpec, Connect, Path], Canary]
_EXIT = {
    Verdict.PASS: EXIT_CODES[Status.PASS],
    Verdict.FAIL: EXIT_CODES[Status.BROKEN],
    Verdict.UNKNOWN: EXIT_NOTHING_RAN,
}


def way_to(spec: HostSpec) -> Connect:
    """How to connect to a host; `UsageError` for a testbox that is down."""
    endpoint = endpoint_of(spec)
    if endpoint is None:
        msg = f"{spec.name} is a testbox, and down: there is nothing to check"
        raise UsageError(msg, hint=f"xenflight testbox up {spec.name}")
    return lambda: XenHost.connect(spec, endpoint)


def check_host(
    spec: HostSpec, connect: Connect, console: Console, make: CanaryMaker = Canary
) -> int:
    """Run a canary there, drained or not; the exit code: 0 pass, 4 fail, 3 nobody can tell."""
    directory = cache_root() / "canary" / spec.name
    shutil.rmtree(directory, ignore_errors=True)
    canary = make(spec, connect, directory)
    _say(console, f"{spec.name}: a canary, {human_seconds(canary.bound.total_seconds())} at most")
    found = canary.check(Occasion(by_hand=True))
    took = f" in {human_seconds(found.seconds)} ({found.job})" if found.ran else ""
    _say(console, f"{spec.name}: {found.verdict}{took}: {found.reason}")
    if found.verdict is not Verdict.PASS and directory.exists():
        _say(console, f"its console and evidence: {directory}")
    if hint := _hint(spec.name, found, connect):
        _say(console, hint)
    return _EXIT[found.verdict]


def _hint(name: str, found: CanaryResult, connect: Connect) -> str:
    """What to do now, if anything."""
    if not found.ran or found.verdict is Verdict.UNKNOWN:
        return ""
    host = connect()
    try:
        drained = read_slots(host.runner).drained
    finally:
        host.close()
    if found.verdict is Verdict.PASS:
        return f"it is {drained}; xenflight hosts undrain {name}" if drained else ""
    return "" if drained else f"to keep jobs off: xenflight hosts drain {name} --reason TEXT"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
