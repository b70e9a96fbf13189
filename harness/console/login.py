"""Logging in over a serial console."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from harness.console.feed import Ending, RecorderSpawn
from harness.console.follow import FindingLog
from harness.console.shell import ConsoleShell, new_nonce
from harness.console.verdicts import explain
from harness.errors import GuestFailure
from harness.secret import Secret
from harness.wait import Deadline

_ESC = r"(?:\x1b\[[0-?]*[ -/]*[@-~])*"
_LOGIN = re.compile(r"(?<![\w.()-])(?!Last )[\w.()-]+ login: ?")
_END = rf"{_ESC}(?:$|\[ *\d+\.\d{{3,}}\])"
"""The end of what came, or a kernel line in its place."""

_PASSWORD = re.compile(rf"[Pp]assword: ?{_END}")
_REFUSED = re.compile(r"Login incorrect|Authentication failure|account is (?:locked|expired)")
_PROMPT = re.compile(rf"(?:^|[\r\n]|\x1b\[\?2004h)[^\r\n]*[#$] {_END}")
_PATTERNS = (_REFUSED, _PASSWORD, _LOGIN, _PROMPT)

_SILENCE = timedelta(seconds=5)
_USER_TRIES = 3
"""A getty asks again after its own timeout, or when a kernel line tore the name apart."""


def login(
    console: RecorderSpawn,
    user: str,
    password: Secret | None,
    *,
    timeout: timedelta,
    nonce: Callable[[], str] = new_nonce,
) -> ConsoleShell:
    """Log *user* in and give back a shell that is quiet and has a prompt of its own.

    *console* starts at the login prompt (`BootResult.position`), or anywhere if somebody
    is logged in already. The whole takes at most *timeout*. Raises `GuestFailure`:
    ``login-refused`` when the guest says no, ``login-stalled`` when it stops answering, or the
    class of what killed it.
    """
    deadline = Deadline.after(timeout, console.recorder.clock)
    _to_prompt(console, user, password, deadline)
    shell = ConsoleShell(console, nonce=nonce)
    shell.prepare(deadline)
    return shell


def _to_prompt(
    console: RecorderSpawn, user: str, password: Secret | None, deadline: Deadline
) -> None:
    names = passwords = 0
    log = FindingLog(console.position)
    while True:
        found = console.expect_any(_PATTERNS, deadline.sooner(_SILENCE))
        if isinstance(found, Ending):
            _fail_if_dead(console, log)
        if found is Ending.ENDED:
            raise _failure(console, "login-stalled", "the console ended during the login")
        if found is Ending.TIMEOUT:
            if deadline.expired:
                msg = f"no shell prompt for {user} in time"
                raise _failure(console, "login-stalled", msg)
            # The prompt may be gone by, or be torn apart by a kernel line. But not between
            # the name and the password: this Enter could arrive as an empty one.
            if passwords or not names:
                console.sendline()
            continue
        matched = _PATTERNS[found]
        if matched is _PROMPT:
            return
        if matched is _REFUSED or passwords or names >= _USER_TRIES:
            raise _failure(console, "login-refused", f"the guest refused to log {user} in")
        if matched is _LOGIN:
            names += 1
            console.sendline(user)
        elif password is None:
            msg = f"the guest asked for the password of {user}, and there is none to give"
            raise _failure(console, "login-refused", msg)
        else:
            passwords += 1
            console.send_secret(password)


def _fail_if_dead(console: RecorderSpawn, log: FindingLog) -> None:
    """A guest may die with its login prompt on the console: no use to ask it further."""
    log.catch_up(console.recorder)
    if died := log.ended:
        raise _failure(console, died.failure.name, explain(died, log.findings))


def _failure(console: RecorderSpawn, failure_class: str, said: str) -> GuestFailure:
    return GuestFailure(
        f"console login on {console.recorder.name}: {said}",
        phase="login",
        failure_class=failure_class,
        evidence=console.recorder.tail(20),
    )
