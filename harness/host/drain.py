"""Draining a host: no job begins there any more; those that run are left to end.

It is written on the host itself, so every controller sees it, also after a boot.
"""

from __future__ import annotations

import json

from harness.errors import UsageError
from harness.host.slots import DRAIN_FILE, Drained, parse_drained
from harness.remote.command import Command, Runner

# Written whole or not at all: somebody may read it just now.
_DRAIN = """\
[ ! -s "$1" ] || cat "$1"
umask 022
mkdir -p "${1%/*}"
cat >"$1.new"
mv "$1.new" "$1"
"""
_UNDRAIN = """\
[ ! -s "$1" ] || cat "$1"
rm -f "$1"
"""


def drain(
    runner: Runner, *, by: str, reason: str, since: int, drain_file: str = DRAIN_FILE
) -> Drained | None:
    """Let no job begin on the runner's host; how it was drained before, if it was.

    *since*: seconds since the epoch. `UsageError` without a reason: others will ask for it.
    """
    if not reason.strip():
        msg = "a host is drained for a reason, and none was given"
        raise UsageError(msg, hint="--reason 'new firmware, until Friday'")
    text = json.dumps({"by": by, "reason": reason.strip(), "since": str(since)})
    command = Command(("sh", "-ec", _DRAIN, "drain-host", drain_file))
    said = runner.run(command, stdin=text.encode("ascii") + b"\n").stdout.strip()
    return parse_drained(said) if said else None


def undrain(runner: Runner, drain_file: str = DRAIN_FILE) -> Drained | None:
    """Let jobs begin again; how it was drained, None if it was not."""
    command = Command(("sh", "-ec", _UNDRAIN, "undrain-host", drain_file))
    said = runner.run(command).stdout.strip()
    return parse_drained(said) if said else None
