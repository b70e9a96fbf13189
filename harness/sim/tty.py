"""``xl console`` on a simulated host."""

from __future__ import annotations

from harness.flight.faults import FaultKind
from harness.sim.host import SimHost
from harness.sim.request import Request
from harness.sim.stream import SimStream

_ENDS_AFTER = 3.0
"""Seconds until a console client ends that a fault strikes."""


class ConsoleStream(SimStream):
    """What comes on a domain's console, until it is gone; what is typed goes to its guest."""

    knows_when = True

    def __init__(self, host: SimHost, what: str, request: Request) -> None:
        super().__init__(host.clock, what)
        self._host = host
        self._process = host.next_process()
        name = request.words[-1]
        domain = host.find(name)
        self._console = domain.guest.console if domain else None
        if domain is None:
            self._say(f"{name} is an invalid domain identifier (rc=-6)\r\n".encode())
            self.end()
            return
        domain.guest.console.listen(self._bell)
        host.consoles[self._process] = domain.domid
        job = request.job or host.job_of(domain.name)
        if host.faults.strike(FaultKind.CONSOLE_ENDS, job=job, command=request.name):
            self._clock.after(_ENDS_AFTER, self.end)

    def _look(self) -> None:
        if self._console is None:
            return
        if data := self._console.take():
            self._say(data)
        elif self._console.closed:
            self.end()

    def _next(self) -> float | None:
        return self._console.next_at if self._console else None

    def _typed(self, data: bytes) -> None:
        if self._console:
            self._console.type(data)

    def _over(self) -> None:
        if self._console:
            self._console.leave(self._bell)
        self._host.consoles.pop(self._process, None)
