"""Whether a guest can be put to work in a step that may be the first one run of its suite."""

from __future__ import annotations

from harness.errors import NotApplicable
from harness.job.guest import GuestUnderTest
from harness.job.proof import prove_console
from harness.remote.command import Command
from harness.remote.outcome import NOT_FOUND


def ready(guest: GuestUnderTest) -> None:
    """See that it is known which boot it is in, and that it can be told what to do."""
    if not guest.knows("boot_id"):
        prove_console(guest)
    if not guest.connected:
        guest.connect()


def require_program(guest: GuestUnderTest, name: str, option: str) -> None:
    """`NotApplicable` when its image has no such program."""
    found = guest.ssh.run(Command.of(name, option), check=False)
    if found.exit_status == NOT_FOUND:
        msg = f"its image has no {name}: the flight should say `packages: [{name}]`"
        raise NotApplicable(msg)
