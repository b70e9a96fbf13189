"""A host's serial line, as a command on the controller whose output it is."""

from __future__ import annotations

from harness.flight.model import HostSpec
from harness.remote.command import Command
from harness.testbox.paths import TestboxPaths

VARIABLE = "XENFLIGHT_HOST"
"""In the command's environment: the host's name in hosts.yaml."""
# $1 is the log that QEMU writes, $2 where in it to begin. QEMU makes it anew when it is started.
_FOLLOW = 'exec tail --bytes=+"$2" --follow=name --retry "$1" 2>/dev/null'


def serial_command(spec: HostSpec) -> Command | None:
    """What listens to the line of the host of *spec* from now on; None when nothing does."""
    if spec.testbox:
        log = TestboxPaths(spec.name).files.console_log
        size = log.stat().st_size if log.exists() else 0
        return Command.script("follow-serial", _FOLLOW, log, size + 1)
    return Command(spec.serial, env={VARIABLE: spec.name}) if spec.serial else None
