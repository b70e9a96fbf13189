"""What a simulated host has room for, and who is admitted to it: what the shell of
`harness.host.roomshell` does, without it."""

from __future__ import annotations

from collections.abc import Mapping

from harness.flight.faults import FaultKind
from harness.host.roomlook import look_script
from harness.sim.host import SimHost
from harness.sim.lvm import lvs
from harness.sim.request import Answer, Handler, Request
from harness.sim.slots import drained
from harness.sim.stream import SimStream
from harness.sim.xl import info, list_domains
from harness.storage.reports import lvs_command, pool_command

LOOK = 0.3
"""Seconds that a look takes."""
_POLL = 1.0


def facts(host: SimHost, directory: str, look: str) -> str:
    """Who claims what of the slots in *directory*, and what *look* finds."""
    lines = "".join(f"| {line}\n" for line in _look(host, look).splitlines())
    return f"{host.slots.claims(directory)}{lines}looked\n"


def find_room(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.roomlook.find_room`."""
    directory, look = request.words
    return Answer(stdout=facts(host, directory, look), seconds=LOOK)


def _look(host: SimHost, look: str) -> str:
    """What the script of `look_script` says; it ends where one of its commands fails."""
    group, pool = host.group.name, host.group.pool
    if look != look_script(group, pool) or host.faults.strike(FaultKind.NO_VG):
        return "=== autoballoon\n=== before\n=== info\n=== after\n=== pool\n"
    domains = list_domains(host, Request(name="xl list", words=("-v",))).stdout
    shape = Request(name="lvs", words=pool_command(group, pool).argv[1:])
    volumes = Request(name="lvs", words=lvs_command(group).argv[1:])
    parts = {
        "autoballoon": "",
        "before": domains,
        "info": info(host, Request(name="xl info", words=())).stdout,
        "after": domains,
        "pool": lvs(host, shape).stdout,
        "volumes": lvs(host, volumes).stdout,
        "end": "",
    }
    return "".join(f"=== {name}\n{text}" for name, text in parts.items())


class AdmitStream(SimStream):
    """``admit-job``: waits for its turn, tells what there is each time it is asked, and claims."""

    knows_when = True

    def __init__(self, host: SimHost, what: str, words: tuple[str, ...]) -> None:
        super().__init__(host.clock, what)
        self._host = host
        self._directory, slot, token, patience, silence, self._drain_file, self._script = words
        self._slot, self._token = int(slot), int(token)
        self._silence = float(silence)
        self._turn = f"{self._directory}/admission"
        self._until = self._clock.monotonic() + float(patience)
        self._told = self._first = False
        self._tell_at: float | None = None
        """When it has looked; None while it listens."""
        self._heard = b""

    def _look(self) -> None:
        if not self._first:
            self._stand_in_line()
        elif self._tell_at is not None and self._clock.monotonic() >= self._tell_at:
            self._tell_at = None
            self._say(facts(self._host, self._directory, self._script).encode())
            self._clock.after(self._silence, self._listen)
            self._waits_until = self._clock.monotonic() + self._silence

    def _next(self) -> float | None:
        if not self._first:
            return min(self._until, self._clock.monotonic() + _POLL)
        return self._tell_at

    def _stand_in_line(self) -> None:
        if self._host.locks.take(self._turn, self):
            self._first = True
            self._host.files.write(self._turn, f"{self._slot}\n".encode())
            self._say(b"first\n")
            self._look_again()
        elif not self._told:
            self._told = True
            first = (self._host.files.read(self._turn) or b"").decode().strip()
            claims = self._host.slots.claims(self._directory)
            self._say(f"{claims}behind {first}\n".encode())
        elif self._clock.monotonic() >= self._until:
            self._say(b"late\n")
            self.end()

    def _look_again(self) -> None:
        if text := drained(self._host, self._drain_file):
            self._say(f"drained {text}\n".encode())
            self.end()
            return
        self._tell_at = self._clock.monotonic() + LOOK

    def _listen(self) -> None:
        """Nobody judged in time."""
        if self._tell_at is None and self._clock.monotonic() >= self._waits_until:
            self.end()

    def _typed(self, data: bytes) -> None:
        self._heard += data
        if self._heard.startswith(b"n"):
            self._heard = self._heard[1:]
            self._look_again()
        elif self._heard.endswith(b"\n"):
            want, self._heard = self._heard[1:].decode().strip(), b""
            claimed = self._host.slots.claim(self._directory, self._slot, self._token, want)
            self._say(b"admitted\n" if claimed else b"lost\n")
            self.end()

    def _over(self) -> None:
        self._host.locks.drop(self)


PROGRAMS: Mapping[str, Handler] = {"find-room": find_room}
