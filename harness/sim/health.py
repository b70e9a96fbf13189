"""What is written down on a simulated host for all flights after this one: its health, and the
guest that it is known to run well."""

from __future__ import annotations

from collections.abc import Mapping

from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request


def note_health(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.health.note_health`."""
    path, event, most = request.words
    lines = _lines(host, path)
    lines.append(f"{int(host.clock.time_of_day())} {event}")
    if len(lines) > int(most):
        lines = lines[-(int(most) // 2) :]
    host.files.write(path, "".join(f"{line}\n" for line in lines).encode())
    host.files.write(f"{path}.lock")
    return Answer()


def read_health(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.health.read_health`."""
    path, count = request.words
    return Answer(stdout="".join(f"{line}\n" for line in _lines(host, path)[-int(count) :]))


def note_known_good(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.knowngood.note_known_good`."""
    host.files.write(request.words[0], request.stdin)
    return Answer()


def read_known_good(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.knowngood.read_known_good`."""
    return Answer(stdout=(host.files.read(request.words[0]) or b"").decode(errors="replace"))


def known_good_there(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.knowngood.is_there`."""
    there = all(host.files.exists(path) for path in request.words)
    return Answer(status=0 if there else 1)


def _lines(host: SimHost, path: str) -> list[str]:
    return (host.files.read(path) or b"").decode(errors="replace").splitlines()


PROGRAMS: Mapping[str, Handler] = {
    "note-health": note_health,
    "read-health": read_health,
    "note-known-good": note_known_good,
    "read-known-good": read_known_good,
    "known-good-there": known_good_there,
}
