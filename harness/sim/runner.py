"""A connection to a simulated host: commands are answered from what is on it now."""

from __future__ import annotations

from datetime import timedelta
from typing import BinaryIO

from harness.errors import HostLost
from harness.flight.faults import FaultKind
from harness.host.fence import REFUSED, Fenced, late
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.outcome import NOT_FOUND, settle, too_late
from harness.remote.ssh import SocketLike
from harness.sim.host import SimHost
from harness.sim.programs import PROGRAMS, STREAMS
from harness.sim.request import Answer, Request, name_of, words_of
from harness.sim.stream import Silence, SimStream, Words

_SLOW_HOST, _SLOW_DISK = 20.0, 100.0


class SimRunner:
    """One of the connections to *host*; a `harness.host.xenhost.HostRunner`."""

    def __init__(self, host: SimHost) -> None:
        self._host = host
        self._streams: list[SimStream] = []
        self._cause: str | None = None
        host.connections.append(self)

    @property
    def name(self) -> str:
        """The host's name."""
        return self._host.name

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._cause is None

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """See `Runner.run`. It takes the time that the command would."""
        clock = self._host.clock
        began, limit = clock.monotonic(), timeout.total_seconds()
        data = stdin if isinstance(stdin, bytes) else stdin.read() if stdin is not None else b""
        answer = self._answer(command, data)
        seconds = self._seconds(answer)
        late = answer.hangs or seconds > limit
        clock.sleep(min(seconds, limit) if not answer.hangs else limit)
        self._require(command)
        if late:
            raise too_late(command, self.name, timeout, answer.stdout if answer.hangs else "")
        result = CommandResult(
            command=command,
            where=self.name,
            exit_status=answer.status,
            stdout=answer.stdout,
            stderr=answer.stderr,
            duration=timedelta(seconds=clock.monotonic() - began),
        )
        return settle(result, check=check)

    def open(self, command: Command) -> Stream:
        """See `Runner.open`."""
        stream = self._stream(command)
        self._streams = [one for one in self._streams if not one.over]
        self._streams.append(stream)
        return stream

    def open_tcp(self, address: str, port: int) -> SocketLike:
        """Nothing listens: guests are entered by `harness.sim.ssh`."""
        self._require(Command.of("connect", address, port))
        msg = f"{self.name} cannot reach {address} port {port}: it is only simulated"
        raise ConnectionError(msg)

    def close(self) -> None:
        """See `Runner.close`."""
        self.lose("it was closed")

    def lose(self, cause: str = "it closed the connection") -> None:
        """The connection is gone, and with it all that ran at its end."""
        if self._cause is None:
            self._cause = cause
            self._host.connections.remove(self)
        for stream in self._streams:
            stream.lose()
        self._streams = []

    # -- one command -------------------------------------------------------------------

    def _answer(self, command: Command, data: bytes) -> Answer:
        request, refused = self._begin(command, data)
        if refused:
            return refused
        handler = self._host.programs.get(request.name) or PROGRAMS.get(request.name)
        if handler is None:
            return Answer(stderr=_not_found(request), status=NOT_FOUND)
        return handler(self._host, request)

    def _stream(self, command: Command) -> SimStream:
        request, refused = self._begin(command, b"")
        what, clock = f"on {self.name}: `{command.brief}`", self._host.clock
        if refused:
            if refused.hangs:
                return Silence(clock, what)
            return Words(clock, what, (refused.stdout + refused.stderr).encode(), refused.seconds)
        if opener := STREAMS.get(request.name):
            return opener(self._host, what, request)
        handler = self._host.programs.get(request.name) or PROGRAMS.get(request.name)
        if handler is None:
            return Words(clock, what, _not_found(request).encode(), 0.0)
        answer = handler(self._host, request)
        return Words(clock, what, (answer.stdout + answer.stderr).encode(), self._seconds(answer))

    def _begin(self, command: Command, data: bytes) -> tuple[Request, Answer | None]:
        """What is asked; and how it ends, if it comes to nothing."""
        self._require(command)
        fence = Fenced.of(command)
        inner = fence.command if fence else command
        words = words_of(inner)
        job = self._host.job_of(fence.record) if fence else self._job_in(words)
        request = Request(name=name_of(inner), words=words, stdin=data, job=job)
        if fence and self._strikes(FaultKind.LEASE_LOST, request):
            self._host.slots.end_lease(fence.record)
        if fence and str(self._host.slots.token(fence.record)) != fence.token:
            return request, Answer(stderr=late(), status=REFUSED)
        return request, self._accident(command, request)

    def _accident(self, command: Command, request: Request) -> Answer | None:
        """What goes wrong with any command, whichever it is."""
        faults = self._host.faults
        if lost := faults.strike(FaultKind.HOST_LOST, job=request.job, command=request.name):
            self._host.lose_power(lost.lasts)
        if self._strikes(FaultKind.CONNECTION_LOST, request):
            self.lose()
        self._require(command)
        if self._strikes(FaultKind.INTERRUPT, request):
            self._host.clock.interrupt()
        if self._strikes(FaultKind.COMMAND_HANGS, request):
            return Answer(hangs=True)
        if self._strikes(FaultKind.COMMAND_FAILS, request):
            return Answer(stderr=f"{request.name}: Input/output error\n", status=1)
        return None

    def _strikes(self, kind: FaultKind, request: Request) -> bool:
        faults = self._host.faults
        return faults.strike(kind, job=request.job, command=request.name) is not None

    def _seconds(self, answer: Answer) -> float:
        seconds = answer.seconds
        if self._host.faults.strike(FaultKind.SLOW_HOST):
            seconds *= _SLOW_HOST
        if answer.disk and self._host.faults.strike(FaultKind.SLOW_DISK):
            seconds *= _SLOW_DISK
        return seconds

    def _job_in(self, words: tuple[str, ...]) -> str:
        return next((job for word in words if (job := self._host.job_of(word))), "")

    def _require(self, command: Command) -> None:
        if self._cause is not None:
            msg = f"lost the SSH connection to {self.name} during `{command.brief}`: {self._cause}"
            raise HostLost(msg)


def _not_found(request: Request) -> str:
    return f"env: '{request.name}': No such file or directory\n"
