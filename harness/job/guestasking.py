"""What a suite asks of a guest in a line: commands over SSH, words on the console.

Called as NixOS's test driver calls them (nixos/lib/test-driver), for they are easily guessed.
"""

from __future__ import annotations

from datetime import timedelta
from textwrap import dedent

from harness.errors import DeadlineExceeded, GuestFailure
from harness.job.channel import GuestChannel
from harness.job.guestconsole import GuestConsole
from harness.job.guestdriving import GuestDriving
from harness.remote.command import Command, CommandResult
from harness.wait import Deadline, NotYet, wait_for

COMMAND_TIMEOUT = timedelta(seconds=30)
UNTIL_TIMEOUT = timedelta(seconds=60)
"""Both on hardware."""
AGAIN = timedelta(seconds=1)


class GuestAsking(GuestDriving):
    """Commands that must, or must not, go well; and its console, to talk to.

    A command is a POSIX shell script for root over SSH, ended by the first command of it that
    fails; the connection is made when there is none. As long as dom0 answers, what goes wrong is
    the guest's doing (`GuestChannel`). Timeouts are meant for hardware.
    """

    _console: GuestConsole | None = None

    @property
    def console(self) -> GuestConsole:
        """Its console; `LabError` before `create`. After a reboot it begins with the new boot."""
        if self._console is None or self._console.start < self._boots_at:
            self._console = GuestConsole(
                self.recorder,
                start=self._boots_at,
                stretched=self.stretched,
                waiting=self.waiting,
            )
        return self._console

    def succeed(self, command: str, *, timeout: timedelta = COMMAND_TIMEOUT) -> str:
        """What *command* printed, without the newline at its end.

        `GuestFailure` (``command-failed``, with its last words) when it ends with another exit
        status than 0, and ``ssh-stalled`` when it does not end in time.
        """
        bound = self.stretched(timeout)
        return self._reached().run(script(command), timeout=bound).stdout.rstrip("\n")

    def fail(self, command: str, *, timeout: timedelta = COMMAND_TIMEOUT) -> str:
        """What *command* printed, of which it is expected that it fails.

        `GuestFailure` (``command-succeeded``) when it does not.
        """
        result = self._tried(command, self.stretched(timeout))
        if result.ok:
            msg = f"in {self.hostname} `{result.command}` went well, and should have failed"
            raise self.failure(msg, "ssh", "command-succeeded")
        return result.stdout.rstrip("\n")

    def wait_until(self, command: str, *, timeout: timedelta = UNTIL_TIMEOUT) -> str:
        """Run *command* again and again until it goes well; what it printed then.

        `GuestFailure` (``never-succeeded``, with its last words) when it did not within *timeout*.
        """
        deadline = Deadline.after(self.stretched(timeout))

        def again() -> str:
            result = self._tried(command, self.stretched(COMMAND_TIMEOUT))
            if not result.ok:
                said = result.command.last_words(result.stderr.strip() or result.stdout)
                msg = f"exit status {result.exit_status}: {said or 'it said nothing'}"
                raise NotYet(msg)
            return result.stdout.rstrip("\n")

        what = f"`{script(command)}` to go well in {self.hostname}"
        with self.waiting():
            try:
                return wait_for(again, what=what, deadline=deadline, interval=AGAIN)
            except DeadlineExceeded as error:
                raise self.failure(error.message, "ssh", "never-succeeded") from error

    def failure(self, said: str, phase: str, failure_class: str) -> GuestFailure:
        """The guest did not do as it should: to be raised. The console's last lines go along."""
        return GuestFailure(
            said, phase=phase, failure_class=failure_class, evidence=self.recorder.tail()
        )

    def _tried(self, command: str, bound: timedelta) -> CommandResult:
        return self._reached().run(script(command), timeout=bound, check=False)

    def _reached(self) -> GuestChannel:
        return self.ssh if self.connected else self.connect()


def script(command: str) -> Command:
    """*command* as it is run, shown as it was written: of several lines, the first."""
    lines = dedent(command).strip().splitlines() or [""]
    shown = lines[0] if len(lines) == 1 else f"{lines[0]} ..."
    return Command(("sh", "-ec", dedent(command)), shown=shown)
