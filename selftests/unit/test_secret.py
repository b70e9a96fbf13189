"""What must not be shown is not, wherever it comes up."""

from __future__ import annotations

import traceback

from harness.errors import CommandFailed, GuestFailure
from harness.remote.command import Command
from harness.secret import Secret, mask, mask_error

WORD = "f00dfacecafe0001"


def test_what_is_secret_is_masked_in_any_text() -> None:
    secret = Secret(WORD)
    assert WORD not in repr(secret) + str(secret) + mask(f"a{WORD}{WORD}b")
    assert mask("f00dfacecafe") == "f00dfacecafe"


def test_a_short_secret_does_not_spoil_other_texts() -> None:
    Secret("root")
    assert mask("root@guest") == "root@guest"


def test_errors_say_nothing_of_it_nor_do_their_causes() -> None:
    Secret(WORD)
    cause = CommandFailed(f"said {WORD}", exit_status=1, stderr=WORD, hint=WORD)
    error = GuestFailure(f"died: {WORD}", evidence=f"console: {WORD}", hint=WORD)
    error.__cause__ = cause
    group = BaseExceptionGroup("two", [error, KeyboardInterrupt(WORD)])
    error.__context__ = group  # a loop
    mask_error(group)
    shown = "".join(traceback.format_exception(group, chain=True)) + error.evidence
    lines = [line for line in shown.splitlines() if WORD in line]
    assert lines == []
    assert "console: [secret]" in shown


def test_a_command_that_holds_it_is_shown_without_it_when_it_says_so() -> None:
    assert WORD not in repr(Command(("chpasswd",), env={"NEW": WORD}, secret=True))
