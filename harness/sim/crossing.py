"""A simulated guest that goes to another simulated host, and its disk that is lent there.

Of a guest no memory is sent: a word is, by which the other host knows what comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from harness.remote.command import Stream
from harness.sim.dom0 import true
from harness.sim.host import SimHost
from harness.sim.moves import DEAF_WORDS, NOT_RESTORED
from harness.sim.request import Answer, Handler, Request
from harness.sim.stream import SimStream, Words
from harness.sim.xl import unknown
from harness.sim.xlcfg import read_config
from harness.xen.moves import AWAY

if TYPE_CHECKING:
    from harness.sim.volumes import Volume

_SECONDS = 20.0
_DEVICE = "/dev/nbd0"
_DONE = b"done"


class SimJoined:
    """Two streams between whose ends nobody has to carry anything."""

    def __init__(self, one: SimStream, other: SimStream) -> None:
        self._streams = (one, other)

    @classmethod
    def of(cls, one: Stream, other: Stream) -> SimJoined:
        """See `harness.host.relay.Join`."""
        assert isinstance(one, SimStream)
        assert isinstance(other, SimStream)
        return cls(one, other)

    @property
    def over(self) -> bool:
        """See `harness.host.relay.Joined`."""
        return any(stream.over for stream in self._streams)

    def close(self) -> None:
        """See `harness.host.relay.Joined`."""
        for stream in self._streams:
            stream.close()


class SendStream(SimStream):
    """The script ``send-domain`` of `harness.host.crossing`: name, configuration, log."""

    def __init__(self, host: SimHost, what: str, request: Request) -> None:
        super().__init__(host.clock, what)
        name, path, self._log = request.words
        self._host = host
        self._at = host.clock.monotonic() + _SECONDS
        self._word = f"{host.name} {name}\n".encode()
        text = (host.files.read(path) or b"").decode()
        domain = host.find(name)
        if domain is None or not domain.guest.hears:
            self._word = b""
            said = DEAF_WORDS.format(domid=domain.domid if domain else 0)
            host.files.write(self._log, f"{said}ended 1\n".encode())
            return
        host.rename(domain, name + AWAY)
        host.passing[self._word] = lambda: (read_config(text), host.take_out(domain))

    def _look(self) -> None:
        if self._clock.monotonic() >= self._at:
            self._say(self._word)
            self._word = b""
            if b"ended" in (self._host.files.read(self._log) or b""):
                self.end()

    def _next(self) -> float | None:
        return max(self._at, self._clock.monotonic() + 0.1)

    def _typed(self, data: bytes) -> None:
        self._host.files.write(self._log, b"ended 0\n" if data == _DONE else b"ended 1\n")


class ReceiveStream(SimStream):
    """The script ``receive-domain``: log. It is the other one's end, too."""

    def __init__(self, host: SimHost, what: str, request: Request) -> None:
        super().__init__(host.clock, what)
        self._host = host
        self._log = request.words[0]

    def _typed(self, data: bytes) -> None:
        self._host.put_in(*self._host.passing.pop(data)())
        self._host.files.write(self._log, b"migration target: Domain started successsfully.\n")
        self._say(_DONE)
        self.end()


class LendStream(SimStream):
    """The script ``lend-disk`` of `harness.host.lend`: program, files, socket, name, image."""

    def __init__(self, host: SimHost, what: str, request: Request) -> None:
        super().__init__(host.clock, what)
        _, base, self._socket, self._name, image = request.words
        path = dict(word.partition("=")[::2] for word in image.split(","))["file.filename"]
        volume = host.group.at(path)
        self._host = host
        if volume:
            host.lent[self._name] = volume
        host.files.write(f"{base}.log")
        host.files.write(self._socket)

    def _over(self) -> None:
        self._host.lent.pop(self._name, None)
        self._host.files.remove(self._socket)


class BorrowStream(SimStream):
    """The script ``borrow-disk``: program, files, socket, name, lock."""

    def __init__(self, host: SimHost, what: str, request: Request) -> None:
        super().__init__(host.clock, what)
        self._host = host
        _, self._base, self._socket, name, lock = request.words
        found = host.lent.get(name)
        if found:
            host.borrowed[_DEVICE] = found
        for path in (f"{self._base}.log", self._socket, lock):
            host.files.write(path)

    def _over(self) -> None:
        self._host.borrowed.pop(_DEVICE, None)
        self._host.files.write(f"{self._base}.ended")
        self._host.files.remove(self._socket)


class TakeFileStream(SimStream):
    """The script ``receive-file``: file, size."""

    def __init__(self, host: SimHost, what: str, request: Request) -> None:
        super().__init__(host.clock, what)
        self._host = host
        self._path, size = request.words
        self._size = int(size)
        self._data = b""

    def _typed(self, data: bytes) -> None:
        self._data += data
        if len(self._data) >= self._size:
            self._host.files.write(self._path, self._data[: self._size])
            if saved := self._host.passing.pop(self._data, None):
                self._host.saved[self._path] = saved()
            self.end()


def _send_file(host: SimHost, what: str, request: Request) -> SimStream:
    path = request.words[0]
    data = host.files.read(path) or b""
    if path in host.saved:
        saved = host.saved[path]
        host.passing[data] = lambda: saved
    return Words(host.clock, what, data, _SECONDS)


def _device(host: SimHost, request: Request) -> Answer:
    if _DEVICE in host.borrowed:
        return Answer(stdout=_DEVICE)
    return Answer(stderr=f"cat: '{request.words[0]}.log': No such file or directory\n", status=1)


def _return(host: SimHost, request: Request) -> Answer:
    host.borrowed.pop(request.words[0], None)
    return Answer(stdout=f"{request.words[0]} disconnected\n")


def _write_config(host: SimHost, request: Request) -> Answer:
    host.files.write(request.words[0], request.stdin)
    return Answer()


def _make_room(host: SimHost, request: Request) -> Answer:
    host.files.write(request.words[0])
    return Answer()


def _said(host: SimHost, request: Request) -> Answer:
    said = (host.files.read(request.words[0]) or b"").decode()
    host.files.remove(request.words[0])
    return Answer(stdout=said)


def _stat(host: SimHost, request: Request) -> Answer:
    found = host.files.read(request.rest[-1])
    if found is None:
        return Answer(stderr=f"stat: cannot statx '{request.rest[-1]}'\n", status=1)
    return Answer(stdout=f"{len(found)}\n")


def _restore(host: SimHost, request: Request) -> Answer:
    name, path, settings = request.words
    if path not in host.saved:
        return Answer(stderr=NOT_RESTORED.format(domid=host.next_domid), status=3, seconds=1.0)
    config = read_config((host.files.read(settings) or b"").decode())
    _, guest = host.saved.pop(path)
    for one in (path, settings):
        host.files.remove(one)
    host.put_in(config, guest)
    found = host.find(name)
    return Answer(stdout=f"{found.domid}\n", seconds=_SECONDS) if found else unknown(request)


def _read_head(host: SimHost, request: Request) -> Answer:
    found: Volume | None = host.behind(request.words[0])
    if found is None:
        return Answer(stderr=f"dd: failed to open '{request.words[0]}'\n", status=1)
    return Answer(stdout=f"{hashlib.sha256(found.name.encode()).hexdigest()}  -\n")


def _remove_sandbox(host: SimHost, request: Request) -> Answer:
    host.files.remove(request.words[0])
    return Answer()


PROGRAMS: Mapping[str, Handler] = {
    "borrowed-device": _device,
    "disk-log": true,
    "return-disk": _return,
    "write-config": _write_config,
    "make-room": _make_room,
    "said": _said,
    "stat": _stat,
    "restore-domain": _restore,
    "read-head": _read_head,
    "remove-sandbox": _remove_sandbox,
}
STREAMS: Mapping[str, Callable[[SimHost, str, Request], SimStream]] = {
    "send-domain": SendStream,
    "receive-domain": ReceiveStream,
    "lend-disk": LendStream,
    "borrow-disk": BorrowStream,
    "send-file": _send_file,
    "receive-file": TakeFileStream,
}
