"""Commands over a serial console, between markers that an echo cannot imitate.

The idea is labgrid's (``shelldriver.py``): a marker is sent in two halves that only the
guest's shell puts together, so seeing it whole proves that the shell ran the line.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
from collections.abc import Callable
from datetime import timedelta

from harness.console.feed import Ending, RecorderSpawn
from harness.console.text import clean
from harness.errors import GuestFailure, UsageError
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult
from harness.wait import Deadline

MAX_COMMAND = 3500
"""Bytes. A terminal in canonical mode loses what is beyond 4095 in one line (N_TTY_BUF_SIZE)."""

_UNTYPEABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_RECOVERY = timedelta(seconds=5)


def new_nonce() -> str:
    """Sixteen random hexadecimal digits."""
    return secrets.token_hex(8)


class ConsoleShell:
    """A logged-in shell on a console. Each command runs in a subshell of its own."""

    def __init__(self, console: RecorderSpawn, *, nonce: Callable[[], str] = new_nonce) -> None:
        self.console = console
        self._nonce = nonce
        self._prompt = f"xf{nonce()}"

    def prepare(self, deadline: Deadline) -> None:
        """Make the shell fit for machines; raises `GuestFailure` (``console-stalled``).

        No line editing (it wraps long lines and redraws them; bracketed paste goes with
        it), no history, no colours, a prompt of our own, and no kernel lines in between.
        """
        half = len(self._prompt) // 2
        self.console.sendline(
            " set +o emacs +o vi 2>/dev/null; unset HISTFILE PROMPT_COMMAND; export TERM=dumb;"
            " dmesg -n 1 2>/dev/null; PS2=;"
            f" PS1='{self._prompt[:half]}''{self._prompt[half:]}# '"
        )
        if not self._at_prompt(deadline):
            raise self._failure(said="the shell did not take its new prompt")

    def run(self, command: str, timeout: timedelta = DEFAULT_TIMEOUT) -> CommandResult:
        """Run a shell command; its output (both kinds mixed) is in ``stdout``.

        Raises `UsageError` for a command that cannot be typed, `GuestFailure`
        (``console-stalled``) when it does not end within *timeout*: it is then interrupted.
        """
        clock = self.console.recorder.clock
        nonce = self._nonce()
        line = wrapped(command, nonce)
        started = clock.monotonic()
        deadline = Deadline.after(timeout, clock)
        self.console.sendline(line)
        begin = re.compile(rf"{nonce}:begin[^\n]*\n")
        end = re.compile(rf"\n?{nonce}:end:(?P<status>\d+):")
        for pattern in (begin, end):
            found = self.console.expect_any([pattern], deadline)
            if isinstance(found, Ending):
                raise self._stalled(command, timeout, found)
        match = self.console.match
        if self.console.trimmed or not isinstance(match, re.Match):
            msg = f"`{command}` printed more than a console can carry"
            raise UsageError(msg, hint="run it over SSH")
        return CommandResult(
            command=Command.shell(command),
            where=f"console of {self.console.recorder.name}",
            exit_status=int(match["status"]),
            stdout=clean(self.console.before or ""),
            stderr="",
            duration=timedelta(seconds=clock.monotonic() - started),
        )

    def nonce_echo(self, timeout: timedelta = DEFAULT_TIMEOUT) -> str:
        """Prove that a shell computes: the SHA-256 of a nonce, which no echo can give.

        Returns the nonce. Raises `GuestFailure` (``nonce-mismatch``).
        """
        nonce = self._nonce()
        result = self.run(f"printf %s {nonce} | sha256sum", timeout)
        expected = hashlib.sha256(nonce.encode()).hexdigest()
        if result.exit_status != 0 or expected not in result.stdout.split():
            said = f"asked for the SHA-256 of {nonce}, the guest said {result.stdout.strip()!r}"
            raise self._failure(said=said, failure_class="nonce-mismatch")
        return nonce

    def _stalled(self, command: str, timeout: timedelta, how: Ending) -> GuestFailure:
        if how is Ending.ENDED:
            return self._failure(
                said=f"the console ended while `{command}` ran", failure_class="console-ended"
            )
        evidence = self.console.recorder.tail(20)
        self.console.skip()
        self.console.send("\x03")
        self.console.sendline()
        back = self._at_prompt(Deadline.after(_RECOVERY, self.console.recorder.clock))
        after = "Ctrl-C brought the prompt back" if back else "Ctrl-C did not help"
        said = f"`{command}` did not end in {timeout.total_seconds():g} s; {after}"
        return self._failure(said=said, evidence=evidence)

    def _at_prompt(self, deadline: Deadline) -> bool:
        """Whether our prompt comes; it is never echoed whole, so only a shell can print it."""
        return self.console.expect_any([re.compile(f"{self._prompt}# ")], deadline) == 0

    def _failure(
        self, *, said: str, failure_class: str = "console-stalled", evidence: str | None = None
    ) -> GuestFailure:
        return GuestFailure(
            f"console shell on {self.console.recorder.name}: {said}",
            phase="console",
            failure_class=failure_class,
            evidence=self.console.recorder.tail(20) if evidence is None else evidence,
        )


def wrapped(command: str, nonce: str) -> str:
    """The line to type: *command* in a subshell, between the two markers.

    ``eval`` in a subshell, because a syntax error would otherwise take the closing marker
    with it, and ``exit`` the shell. Raises `UsageError` if it cannot be typed.
    """
    if bad := _UNTYPEABLE.search(command):
        msg = f"a console command cannot hold the control character {bad.group()!r}"
        raise UsageError(msg, hint="run it over SSH")
    line = (
        f" printf '\\n%s%s\\n' {nonce} :begin; (eval {shlex.quote(command)});"
        f" printf '\\n%s%s:%d:\\n' {nonce} :end $?"
    )
    if len(line.encode()) > MAX_COMMAND:
        msg = f"a console command of {len(line.encode())} bytes is too long to type"
        raise UsageError(msg, hint=f"at most {MAX_COMMAND}; run it over SSH")
    return line
