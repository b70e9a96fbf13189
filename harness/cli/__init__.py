"""The ``xenflight`` command.

`main` is the only place that turns errors into messages and exit codes. Verb modules are
imported when it runs, not before.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from harness import __version__
from harness.cli.streams import FULL, REFUSED, drop, stand_in
from harness.errors import UsageError, XenflightError
from harness.signals import terminate_like_interrupt
from harness.status import EXIT_BUG, EXIT_CODES, EXIT_USAGE, Status

VERB_MODULES = (
    "run",
    "submit",
    "worker",
    "queue",
    "flight",
    "gate",
    "merge",
    "report",
    "mail",
    "serve",
    "compare",
    "upgrade",
    "grid",
    "modes",
    "image",
    "images",
    "grub",
    "mirror",
    "hosts",
    "reap",
    "testbox",
    "status",
    "flights",
    "new",
    "history",
    "show",
    "repro",
    "note",
    "db",
    "bench",
    "reliability",
    "selftest",
)
"""Modules of this package that register verbs, in the order of the help."""

_EXIT_PIPE = 141
"""What a shell shows for a command that SIGPIPE ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*; the exit code says how it went (harness/status.py)."""
    stand_in()
    # On SIGTERM Python would just die, and leave the programs that it runs to themselves.
    undo = terminate_like_interrupt()
    try:
        return _code(argv)
    finally:
        undo()


def _code(argv: Sequence[str] | None) -> int:
    try:
        code = _run(argv)
        sys.stdout.flush()
    except UsageError as error:
        return _complain(error, EXIT_USAGE)
    except XenflightError as error:
        return _complain(error, EXIT_CODES[error.status])
    except typer.TyperException as error:
        # Typer knows what is wrong with options; only its framed message is not ours.
        if not (said := error.format_message()):
            # A group of verbs by itself: its help was shown, and is all there is to say.
            return error.exit_code
        context = getattr(error, "ctx", None)
        verb = context.command_path if context else _verb_in(_words(argv))
        return _complain(said.replace("Value error, ", ""), error.exit_code, f"see {verb} --help")
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", EXIT_CODES[Status.ABORTED])
    except BrokenPipeError:
        return _pipe_closed()
    except SystemExit as stop:
        # Typer ends with 1 when nobody reads its output; 1 would be a bug of ours.
        if isinstance(stop.__context__, BrokenPipeError):
            return _pipe_closed()
        raise
    except OSError as error:
        if error.errno in FULL:
            return _disk_full(error)
        if error.errno in REFUSED and error.filename:
            said = f"cannot use {error.filename}: {error.strerror}"
            return _complain(said, EXIT_CODES[Status.BROKEN])
        if error.errno == errno.ENAMETOOLONG:
            return _complain(
                f"no file has so long a name: {str(error.filename)[:60]}...", EXIT_USAGE
            )
        return _report_bug(error)
    except UnicodeEncodeError as error:
        # What comes from the command line and is not UTF-8 fits in no store and no message.
        if wrong := [word for word in _words(argv) if not _is_text(word)]:
            return _complain(f"{wrong[0]!a} is not UTF-8", EXIT_USAGE)
        return _report_bug(error)
    except Exception as error:  # noqa: BLE001  # the last place: whatever comes here is a bug
        return _report_bug(error)
    return code


def load_verbs() -> typer.Typer:
    """The application with all its verbs."""
    from harness.cli.app import app

    for name in VERB_MODULES:
        module = f"{__name__}.{name}"
        if importlib.util.find_spec(module):
            importlib.import_module(module)
    return app


def _run(argv: Sequence[str] | None) -> int:
    command = typer.main.get_command(load_verbs())
    code = command.main(_words(argv), prog_name="xenflight", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _words(argv: Sequence[str] | None) -> list[str]:
    return list(sys.argv[1:] if argv is None else argv)


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _verb_in(words: Sequence[str]) -> str:
    """The verb that *words* begin with: not all of Typer's errors know where they are from."""
    command, path = typer.main.get_command(load_verbs()), "xenflight"
    for word in words:
        if (inner := getattr(command, "commands", {}).get(word)) is None:
            break
        command, path = inner, f"{path} {word}"
    return path


def _complain(problem: object, code: int, hint: str = "") -> int:
    from harness.cli.output import errors
    from harness.report.evidence import clean

    console = errors()
    try:
        console.print("[bold red]error:[/] ", end="")
        # Names of files and words of users are in it: no escape of theirs reaches the terminal.
        console.print(clean(str(problem)), markup=False, soft_wrap=True)
        if hint:
            console.print(hint, markup=False, soft_wrap=True)
    except OSError:
        # Where nothing can be said the exit code still can.
        drop(sys.stderr)
    return code


def _pipe_closed() -> int:
    """Nobody reads any more."""
    drop(sys.stdout)
    return _EXIT_PIPE


def _disk_full(error: OSError) -> int:
    """The machine's fault, and told by name where it is not our own output."""
    drop(sys.stdout)
    what = error.filename or "the output"
    return _complain(f"cannot write {what}: {error.strerror}", EXIT_CODES[Status.BROKEN])


def _report_bug(error: Exception) -> int:
    """Keep the traceback for the bug's report; the user's screen is no place for it."""
    # Not quick to load, and seldom needed.
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="xenflight-bug-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"xenflight {__version__}, Python {sys.version}\n{sys.argv}\n\n{text}")
    what = f"{type(error).__name__}: {error}"
    _complain(f"this is a bug in xenflight: {what}", EXIT_BUG, f"details: {Path(file.name)}")
    return EXIT_BUG
