"""Running commands on this machine: the only place that starts processes.

Every command gets a session of its own. So it can never ask a question on the user's terminal,
Ctrl-C reaches only the harness (which then ends the command in good order), and one signal to the
process group ends the command together with everything it started.
"""

from __future__ import annotations

import os
import select
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO, NoReturn

from harness.errors import CommandFailed, LabError
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.outcome import (
    MOST_OUTPUT,
    NOT_FOUND,
    settle,
    text_of,
    too_late,
    too_much,
)
from harness.wait import Deadline

TERM_GRACE = timedelta(seconds=3)
"""How long a process group may take to end after SIGTERM, before SIGKILL."""
WRITE_TIMEOUT = timedelta(seconds=30)

_CHUNK = 1 << 16
_SLICE = 0.2
"""Seconds between two looks at whether a silent command has ended."""
_CANNOT_EXECUTE = 126

Sink = Callable[[bytes], object]


class LocalRunner:
    """Runs commands on the controller, as the user who runs the harness.

    Threads that Ctrl-C does not reach give it an event: when *stop* is set, commands that are
    running are ended with a `LabError`. Later ones run as usual, since they clean up.
    """

    def __init__(self, name: str = "localhost", *, stop: threading.Event | None = None) -> None:
        self._name = name
        self._stop = stop or threading.Event()

    @property
    def name(self) -> str:
        """The name used in messages and results."""
        return self._name

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """Run *command* to its end; see `harness.remote.command.Runner.run`.

        A program that does not exist counts as exit status 127, as in a shell.
        """
        out, err = bytearray(), bytearray()
        return self._run(command, timeout, check, stdin, (out, err), (out.extend, err.extend))

    def run_with_lines(
        self,
        command: Command,
        on_line: Callable[[str], None],
        timeout: timedelta = DEFAULT_TIMEOUT,
        *,
        check: bool = True,
    ) -> CommandResult:
        """Run a long *command* and call *on_line* with each line it says, as it says it.

        Lines of standard output and of standard error come in the order they arrive; a carriage
        return ends a line too, so progress meters are seen.
        """
        out, err = bytearray(), bytearray()
        lines = _Lines(on_line, out), _Lines(on_line, err)
        sinks = lines[0].feed, lines[1].feed
        try:
            return self._run(command, timeout, check, None, (out, err), sinks)
        finally:
            for splitter in lines:
                splitter.flush()

    def open(self, command: Command) -> Stream:
        """Start a command that goes on running; what it says on stderr comes in the stream too."""
        try:
            process = _popen(command, subprocess.PIPE, subprocess.STDOUT)
        except OSError as error:
            raise settled_error(_unstartable(command, self._name, error)) from error
        return _LocalStream(process, str(command))

    def spawn_detached(self, command: Command, log: Path) -> int:
        """Start a command that outlives the harness, and return its process id.

        It has a session of its own, no standard input, and writes to *log*, which starts empty.
        It is no child of ours once this returns: it leaves no zombie, and Ctrl-C does not reach it.
        `CommandFailed` 127 when there is no such program.
        """
        if shutil.which(command.argv[0], path=_environment(command.env)["PATH"]) is None:
            error = FileNotFoundError(f"no such program: {command.argv[0]}")
            raise settled_error(_unstartable(command, self._name, error))
        log.write_bytes(b"")
        # The shell starts it in the background and ends, which makes init its parent; `exec` makes
        # the number that the shell prints that of the command itself.
        script = 'log=$1; shift; (exec "$@") </dev/null >>"$log" 2>&1 & echo $!'
        shell = Command(("sh", "-c", script, "sh", str(log), *command.argv), env=command.env)
        return int(self.run(shell).stdout)

    def close(self) -> None:
        """Nothing to let go of."""

    def _run(
        self,
        command: Command,
        timeout: timedelta,
        check: bool,
        stdin: bytes | BinaryIO | None,
        output: tuple[bytearray, bytearray],
        sinks: tuple[Sink, Sink],
    ) -> CommandResult:
        began = time.monotonic()
        deadline = Deadline.after(timeout)
        try:
            with _started(command, stdin) as process:
                ended = _pump(process, sinks, deadline, self._stopped(command, output))
        except OSError as error:
            return settle(_unstartable(command, self._name, error), check=check)
        if not ended:
            raise too_late(command, self._name, timeout, "\n".join(map(text_of, output)))
        result = CommandResult(
            command=command,
            where=self._name,
            exit_status=process.returncode,
            stdout=text_of(output[0]),
            stderr=text_of(output[1]),
            duration=timedelta(seconds=time.monotonic() - began),
        )
        return settle(result, check=check)

    def _stopped(self, command: Command, output: tuple[bytearray, bytearray]) -> Callable[[], None]:
        """To be called while *command* runs: raises once we are told to stop, or it says too
        much."""
        before = self._stop.is_set()

        def check() -> None:
            if self._stop.is_set() and not before:
                msg = f"on {self._name}: `{command}` was ended, as all of us was told to"
                raise LabError(msg)
            if sum(map(len, output)) > MOST_OUTPUT:
                raise too_much(command, self._name)

        return check


def become(command: Command) -> NoReturn:
    """Let *command* take this process's place: its terminal, its signals, its exit status.

    For programs that a person talks to. `CommandFailed` 127 when there is no such program.
    """
    environment = dict(os.environ) | dict(command.env)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(command.argv[0], command.argv, environment)
    except OSError as error:
        raise settled_error(_unstartable(command, "localhost", error)) from error


def settled_error(result: CommandResult) -> CommandFailed:
    """The error that a bad *result* stands for."""
    try:
        settle(result, check=True)
    except CommandFailed as error:
        return error
    msg = f"{result.command} did not fail"
    raise ValueError(msg)


def _unstartable(command: Command, where: str, error: OSError) -> CommandResult:
    # A folder of PATH that may not be read gives "permission denied" for what is in none.
    path = _environment(command.env)["PATH"]
    unreadable = isinstance(error, PermissionError) and "/" not in command.argv[0]
    missing = isinstance(error, FileNotFoundError) or (
        unreadable and shutil.which(command.argv[0], path=path) is None
    )
    said = f"no such program: {command.argv[0]}" if missing else str(error)
    return CommandResult(
        command=command,
        where=where,
        exit_status=NOT_FOUND if missing else _CANNOT_EXECUTE,
        stdout="",
        stderr=said,
        duration=timedelta(0),
    )


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    environment = dict(os.environ)
    # An ordinary user's PATH lacks the folders of mke2fs and sfdisk, which need no root.
    paths = environment.get("PATH", os.defpath).split(os.pathsep)
    paths += [path for path in ("/usr/sbin", "/sbin") if path not in paths]
    return environment | {"PATH": os.pathsep.join(paths), "LC_ALL": "C"} | dict(extra)


def _popen(command: Command, stdin: int, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command.argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=_environment(command.env),
        start_new_session=True,
        bufsize=0,
    )


@contextmanager
def _started(command: Command, stdin: bytes | BinaryIO | None) -> Iterator[subprocess.Popen[bytes]]:
    """A started command with its input being fed; whatever happens, it is gone afterwards."""
    source = BytesIO(stdin) if isinstance(stdin, bytes) else stdin
    process = _popen(
        command, subprocess.DEVNULL if source is None else subprocess.PIPE, subprocess.PIPE
    )
    feeder = None
    with process:
        if source is not None and process.stdin is not None:
            feeder = _Feeder(source, process.stdin)
            feeder.start()
        try:
            yield process
        finally:
            if process.poll() is None:
                _end_group(process)
            if feeder:
                feeder.finish()


class _Feeder(threading.Thread):
    """Copies a file into a pipe, so that reading the output never waits for it."""

    def __init__(self, source: BinaryIO, pipe: IO[bytes]) -> None:
        super().__init__(name="stdin feeder", daemon=True)
        self._source = source
        self._pipe = pipe
        self._error: Exception | None = None

    def run(self) -> None:
        """Copy all; a command that does not want all of it is no error."""
        try:
            while block := self._source.read(_CHUNK):
                view = memoryview(block)
                while view:
                    view = view[self._pipe.write(view) :]
        except BrokenPipeError:
            pass
        except (OSError, ValueError, EOFError) as error:
            self._error = error
        finally:
            with suppress(OSError):
                self._pipe.close()

    def finish(self) -> None:
        """Wait for the end of the copying; `LabError` if the file could not be read."""
        self.join(TERM_GRACE.total_seconds())
        if self._error is not None:
            msg = f"cannot read what was to be sent: {self._error}"
            raise LabError(msg) from self._error


class _Lines:
    """Keeps bytes, and cuts them into lines."""

    def __init__(self, on_line: Callable[[str], None], kept: bytearray) -> None:
        self._on_line = on_line
        self._kept = kept
        self._rest = b""

    def feed(self, data: bytes) -> None:
        self._kept.extend(data)
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in filter(None, lines):
            self._on_line(text_of(line))

    def flush(self) -> None:
        if self._rest:
            self._on_line(text_of(self._rest))
        self._rest = b""


def _pump(
    process: subprocess.Popen[bytes],
    sinks: tuple[Sink, Sink],
    deadline: Deadline,
    check: Callable[[], None],
) -> bool:
    """Pass on the output until the command ends; False when the deadline came first.

    *check* is called all the while, and may raise.
    """
    with selectors.DefaultSelector() as selector:
        for pipe, sink in zip((process.stdout, process.stderr), sinks, strict=True):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, sink)
        while selector.get_map():
            check()
            if deadline.expired:
                return False
            ready = selector.select(min(_SLICE, deadline.remaining))
            for key, _ in ready:
                if data := os.read(key.fd, _CHUNK):
                    key.data(data)
                else:
                    selector.unregister(key.fileobj)
            if not ready and process.poll() is not None:
                # It has ended, but a child it left behind (a daemon) still holds its output.
                return True
    try:
        process.wait(timeout=deadline.remaining)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and all its children: SIGTERM, and SIGKILL when that was not enough."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=TERM_GRACE.total_seconds())
    # Also when the leader is gone: a child of it may have ignored the first signal.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _LocalStream:
    """A local command that goes on running."""

    def __init__(self, process: subprocess.Popen[bytes], line: str) -> None:
        self._process = process
        self._line = line
        self._closed = False
        self._lock = threading.Lock()

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        assert self._process.stdout is not None
        try:
            if not _ready(self._process.stdout, select.POLLIN, timeout):
                return None
            return os.read(self._process.stdout.fileno(), size)
        except (OSError, ValueError):
            if self._closed:
                return b""
            raise

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        deadline = Deadline.after(WRITE_TIMEOUT)
        view = memoryview(data)
        try:
            os.set_blocking(self._process.stdin.fileno(), False)
            while view:
                left = timedelta(seconds=deadline.remaining)
                if not _ready(self._process.stdin, select.POLLOUT, left):
                    msg = f"`{self._line}` took no input for {WRITE_TIMEOUT.total_seconds():g} s"
                    raise LabError(msg)
                view = view[os.write(self._process.stdin.fileno(), view) :]
        except (OSError, ValueError) as error:
            msg = f"`{self._line}` has ended and takes no more input"
            raise LabError(msg) from error

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._process.poll() is None:
            _end_group(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _ready(pipe: IO[bytes], event: int, timeout: timedelta) -> bool:
    poll = select.poll()
    poll.register(pipe.fileno(), event)
    return bool(poll.poll(timeout.total_seconds() * 1000))
