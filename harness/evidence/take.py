"""Asking for one item, with a bound on its time and on its size."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.evidence.mask import Mask
from harness.evidence.model import Entry, Item, Occasion, Outcome
from harness.evidence.sink import Sink, sink_for
from harness.remote.command import Command, Runner, Stream
from harness.wait import Deadline

_CHUNK = 64 << 10
_LOOK = timedelta(seconds=1)
# A stream has no exit status, so the shell says it in its last line.
_SCRIPT = 'sh -c "$@" </dev/null; printf "\\n%s %s\\n" "xenflight: exit status" $?'
_STATUS = re.compile(rb"\n?xenflight: exit status (\d{1,3})\n\Z")
_LONGEST = 32
"""Bytes of that line."""


def command_for(item: Item, occasion: Occasion) -> Command:
    """What is run on the host. Nothing of the occasion is read by a shell as code."""
    words = ("evidence", occasion.domain, str(occasion.since))
    return Command(("sh", "-c", _SCRIPT, "evidence", item.script, *words), shown=item.file)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """How listening ended. *size* in bytes."""

    outcome: Outcome
    size: int
    exit_status: int | None = None
    note: str = ""


class Taker:
    """Asks for the items of one *occasion*; their files go to *directory*."""

    def __init__(self, occasion: Occasion, directory: Path, mask: Mask) -> None:
        self._occasion = occasion
        self._directory = directory
        self._mask = mask

    def take(self, item: Item, runner: Runner, deadline: Deadline) -> Entry:
        """Ask for *item* until *deadline*. What goes wrong, with either side, is in the entry.

        To end what hangs on the host takes a while more (`SshRunner` gives it 15 s).
        """
        began = deadline.clock.monotonic()
        allowed = deadline.remaining
        cut = 0
        try:
            sink = sink_for(item, self._directory, self._mask)
            heard = Heard(outcome=Outcome.FAILED, size=0)
            try:
                heard = self._listen(item, runner, sink, deadline)
            finally:
                cut = sink.close(_remark(heard, allowed))
        except OSError as error:
            said = f"cannot write {item.file}: {error.strerror or error}"
            heard = Heard(outcome=Outcome.FAILED, size=0, note=said)
        return Entry(
            file=item.file,
            asked=item.script.strip(),
            outcome=heard.outcome,
            exit_status=heard.exit_status,
            bytes=heard.size,
            cut=cut,
            seconds=round(deadline.clock.monotonic() - began, 2),
            note=self._mask.text(heard.note or _remark(heard, allowed)),
        )

    def _listen(self, item: Item, runner: Runner, sink: Sink, deadline: Deadline) -> Heard:
        try:
            stream = runner.open(command_for(item, self._occasion))
        except LabError as error:
            return Heard(outcome=Outcome.LOST, size=0, note=error.message)
        ear = Ear(sink)
        try:
            outcome = ear.listen(stream, item.read, deadline)
        except LabError as error:
            return replace(ear.heard(Outcome.LOST), note=error.message)
        finally:
            with suppress(LabError):
                stream.close()
        return ear.heard(outcome)


class Ear:
    """Passes on to *sink* what a stream says, all but the line with the exit status."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = b""
        self._size = 0

    def listen(self, stream: Stream, most: int, deadline: Deadline) -> Outcome:
        """Until it ends (`Outcome.DONE`), *most* bytes came, or the time is over."""
        while not deadline.expired:
            # Less than a `timedelta` can tell would be no wait at all, again and again.
            left = max(timedelta(seconds=deadline.remaining), timedelta.resolution)
            wait = min(_LOOK, left)
            data = stream.read(_CHUNK, wait)
            if data is None:
                continue
            if not data:
                return Outcome.DONE
            self._pass_on(self._held + data, _LONGEST)
            if self._size >= most:
                return Outcome.FLOODED
        return Outcome.HUNG

    def heard(self, outcome: Outcome) -> Heard:
        """It is over, and this is how."""
        found = _STATUS.search(self._held) if outcome is Outcome.DONE else None
        if found is None:
            self._pass_on(self._held, 0)
            lost = Outcome.LOST if outcome is Outcome.DONE else outcome
            return Heard(outcome=lost, size=self._size)
        self._pass_on(self._held[: found.start()], 0)
        status = int(found[1])
        return Heard(
            outcome=Outcome.FAILED if status else Outcome.DONE,
            size=self._size,
            exit_status=status,
        )

    def _pass_on(self, data: bytes, hold: int) -> None:
        at = max(0, len(data) - hold)
        self._sink.add(data[:at])
        self._size += at
        self._held = data[at:]


def _remark(heard: Heard, allowed: float) -> str:
    """What the file says at its end of an answer that is not whole."""
    match heard.outcome:
        case Outcome.HUNG:
            return f"not at its end after {allowed:.0f} s, and ended"
        case Outcome.FLOODED:
            return f"ended after {heard.size} bytes"
        case Outcome.LOST:
            return heard.note or "the connection was lost, or the command killed, before its end"
        case Outcome.FAILED if heard.exit_status:
            return f"exit status {heard.exit_status}"
        case _:
            return ""
