"""Ending builders on a host: their processes carry a mark in their environment."""

from __future__ import annotations

from datetime import timedelta

from harness.errors import CommandFailed, LabError
from harness.host.names import BUILDS_FOR_RUN, BUILDS_GUEST
from harness.remote.command import Command, Runner

END_TIMEOUT = timedelta(minutes=1)

# The strings of an environment end with NUL, so -z and -x compare whole ones. TERM first: LVM's
# commands put it off until no device is suspended any more. A builder runs in a process namespace
# of its own, so its mounts go with its last process.
_END = """
marked() {
    grep -lzxF "$1" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\\n'
}
for try in $(seq 60); do
    pids=$(marked "$1")
    [ -n "$pids" ] || exit 0
    if [ $try -eq 1 ]; then
        kill -TERM $pids 2>/dev/null
    elif [ $try -gt 30 ]; then
        kill -KILL $pids 2>/dev/null
    fi
    sleep 0.2
done
for pid in $pids; do
    echo "process $pid ($(tr '\\0' ' ' <"/proc/$pid/cmdline" | cut -c1-60))" >&2
done
exit 1
"""


def end_builders(runner: Runner, run: str, hostname: str | None = None) -> None:
    """End what still builds for the flight *run*, or only for its guest *hostname*.

    Well if nothing does. `LabError` names the processes that would not go.
    """
    mark = f"{BUILDS_GUEST}={hostname}" if hostname else f"{BUILDS_FOR_RUN}={run}"
    try:
        runner.run(Command(("sh", "-c", _END, "end-builders", mark)), timeout=END_TIMEOUT)
    except CommandFailed as error:
        left = "; ".join(error.stderr.split("\n")).strip("; ")
        msg = f"on {runner.name}: builders of {run} could not be ended: {left}"
        raise LabError(msg) from error
