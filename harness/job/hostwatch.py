"""What a flight's controller knows of its host: who uses it, and which boot of it this is."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from harness.errors import LabError
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.host.health import HealthEvent, note_health
from harness.host.use import HostUse, find_use
from harness.host.xenhost import XenHost
from harness.job.revive import Revival, Seen
from harness.progress import Progress
from harness.testbox.launch import set_clock
from harness.wait import SYSTEM_CLOCK, Clock


class HostWays(Protocol):
    """The controller's ways to the host."""

    @property
    def host(self) -> XenHost | None:
        """The connection that it has."""
        ...

    def connect(self) -> XenHost:
        """Another one; `LabError` when that can't be."""
        ...

    def returned(self, host: XenHost) -> None:
        """The connection was lost, and *host* is the one from now on.

        What the flight had on the host through the old one, such as its lock, is to be made anew.
        """
        ...


class HostWatch:
    """Asks the host from time to time, as long as it answers. For one thread."""

    def __init__(
        self,
        spec: HostSpec,
        plan: Plan,
        ways: HostWays,
        revival: Revival,
        progress: Progress,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._spec = spec
        self._plan = plan
        self._ways = ways
        self._revival = revival
        self._progress = progress
        self._clock = clock
        self._use: HostUse | None = None
        self._used_at = 0.0
        self._rebooted = 0.0

    @property
    def boot(self) -> str:
        """The boot id of dom0, as it last answered; empty when it never did."""
        return self._use.boot if self._use else ""

    @property
    def seen(self) -> Seen | None:
        """How the host was used, as it last answered."""
        if self._use is None:
            return None
        return Seen(use=self._use, age=timedelta(seconds=self._clock.monotonic() - self._used_at))

    def look(self) -> None:
        """Ask the host. One to which the connection was lost is tried anew."""
        host = self._ways.host
        if host is None:
            return
        with suppress(LabError):
            if host.runner.alive:
                self._learn(host)
            elif fresh := self._revival.answers():
                self.back(fresh, "it answers again")

    def back(self, host: XenHost, said: str) -> None:
        """It answers on *host*, a new connection, which is kept if the flight's own was lost."""
        before = self.boot
        try:
            if self._spec.testbox:
                set_clock(host.runner)
            self._learn(host)
        except LabError:
            host.close()
            raise
        self._progress(f"{self._spec.name}: {said}")
        old = self._ways.host
        if old and old.runner.alive and before == self.boot:
            host.close()
        else:
            self._ways.returned(host)

    def rebooted_since(self, moment: float) -> bool:
        """Whether it was found in another boot since *moment*, in seconds since the epoch."""
        return 0 < moment <= self._rebooted

    def note(self, event: HealthEvent) -> None:
        """Write *event* into the host's history, if the host answers."""
        host = self._ways.host
        if host and host.runner.alive:
            with suppress(LabError):
                note_health(host.runner, event)

    def _learn(self, host: XenHost) -> None:
        found, before = find_use(host, self._plan.flight_id), self.boot
        self._use, self._used_at = found, self._clock.monotonic()
        if before and found.boot != before:
            self._rebooted = SYSTEM_CLOCK.time_of_day()
