"""Ending the leases of flights that are dead, so that nothing more of theirs begins.

A controller that was killed may have begun a command just before: ``xl create`` goes on without
it, and its guest would be there after the host was tidied. Found by killing flights at random
moments (`xenflight bench reliability`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from harness.errors import LabError
from harness.host.lease import SETTLE
from harness.host.slots import SLOT_DIRECTORY
from harness.remote.command import Command, Runner

_GRACE = timedelta(minutes=1)
# As who takes a slot does: the record's lock is had when the last command under it has ended
# (`harness.host.fence`), and no other begins once its token is gone. $1 is the directory, $2 how
# many seconds to wait, $3 a job if only that is meant, the others are flights. Descriptor 7 as in
# `harness.host.slotshell`.
_REVOKE = """\
cd "$1" 2>/dev/null || exit 0
settle=$2 job=$3
shift 3
for record in [0-9]*; do
    case $record in *[!0-9]*) continue ;; esac
    { read -r token since && IFS= read -r who; } <"$record" 2>/dev/null || continue
    for run; do
        case $who in *"\\"flight\\": \\"$run\\""*) ;; *) continue ;; esac
        [ -z "$job" ] || case $who in *"\\"job\\": \\"$job\\""*) ;; *) continue ;; esac
        exec 7>>"$record"
        if flock --wait "$settle" 7; then
            read -r now rest <"$record" || now=
            [ "$now" != "$token" ] || : >"$record"
        else
            echo "$record"
        fi
        exec 7>&-
    done
done
"""


def revoke_leases(
    runner: Runner,
    runs: Collection[str],
    *,
    job: str = "",
    settle: timedelta = SETTLE,
    directory: str = SLOT_DIRECTORY,
) -> None:
    """End all leases of the flights *runs*, which are dead, and wait for what they still do.

    With *job* only those of that one: whoever ran it is dead, the flight lives.
    `LabError` when a command of theirs runs for longer than *settle*.
    """
    words = (directory, f"{settle.total_seconds():g}", job, *runs)
    command = Command.script("revoke-leases", _REVOKE, *words)
    bound = settle * len(runs) + _GRACE
    if stuck := runner.run(command, timeout=bound).stdout.split():
        msg = f"{runner.name}: a command of a dead flight runs in slot {', '.join(stuck)}"
        raise LabError(msg, hint="look there with `ps`, end it, and reap again")
