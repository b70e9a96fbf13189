"""What a host in memory has room for, and the shell that admits jobs to it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from harness.host.fakeslots import FakeSlots
from harness.remote.fake import FakeStream
from harness.wait import Clock

INFO = """\
release                : 6.1.0-47-amd64
nr_cpus                : 2
total_memory           : {total}
free_memory            : {free}
virt_caps              : pv hvm
xen_major              : 4
xen_minor              : 17
xen_extra              : .7
xen_version            : 4.17.7
xen_commandline        : {commandline}
"""


def pool_report(vg: str, pool: str, size: int, *, chunk: int, metadata: int) -> str:
    """What ``lvs`` says of a thin pool that is nearly all of its group."""
    row = {
        "vg_name": vg,
        "vg_size": size + (1 << 30),
        "vg_free": 1 << 30,
        "vg_extent_size": 4 << 20,
        "lv_name": pool,
        "lv_size": size,
        "chunk_size": chunk,
        "lv_metadata_size": metadata,
    }
    return json.dumps({"report": [{"lv": [{name: str(value) for name, value in row.items()}]}]})


def facts(slots: FakeSlots, sections: dict[str, str]) -> str:
    """What the shell's ``facts`` says (`harness.host.roomshell`)."""
    said = "".join(f"=== {name}\n{text.rstrip()}\n" for name, text in sections.items())
    return slots.claims() + "".join(f"| {line}\n" for line in said.splitlines()) + "looked\n"


class AdmitStream(FakeStream):
    """Tells what there is room for, each time it is asked, and notes what is claimed."""

    def __init__(
        self,
        look: Callable[[], str],
        slots: FakeSlots,
        slot: int,
        token: int,
        clock: Clock,
        *,
        heeds_drain: bool,
    ) -> None:
        super().__init__(deque())
        self._look = look
        self._slots = slots
        self._slot = slot
        self._token = token
        self._clock = clock
        self._heeds_drain = heeds_drain
        self._tell(f"first\n{look()}")

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """What there is to say; silence takes its time."""
        if self.chunks or self.closed:
            return super().read(size, timeout)
        self._clock.sleep(timeout.total_seconds())
        return None

    def write(self, data: bytes) -> None:
        """``n``: look again. ``y`` and what is wanted: claim it."""
        super().write(data)
        if data == b"n":
            self._tell(self._look())
        elif self._slots.tokens.get(self._slot) != self._token:
            self._tell("lost\n")
        else:
            self._slots.wants[self._slot] = data[1:].decode().strip()
            self._tell("admitted\n")

    def _tell(self, text: str) -> None:
        if self._heeds_drain and self._slots.drained and text != "admitted\n":
            text = f"drained {self._slots.drained}\n"
        self.chunks.append(text.encode())
