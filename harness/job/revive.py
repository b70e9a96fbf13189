"""Having a host back that does not answer: may it be power-cycled, and does it come back?

Decided and done in the controller, once for each flight (ADR 22).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.cache import cache_root, exclusive
from harness.errors import DeadlineExceeded, HostLost, LabError
from harness.flight.hostcare import PowerCycle, PowerSpec
from harness.host.use import HostUse, boot_id
from harness.host.xenhost import XenHost
from harness.power.model import Power
from harness.results.layout import safe_name
from harness.units import human_seconds
from harness.wait import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for

OLDEST = timedelta(minutes=15)
"""How old what is known of a host's other users may be, times its timeout factor. To find out that
a host is dead takes that long at most: 1 min of SSH's silence, and the bounds of the evidence."""
INTERVAL = timedelta(seconds=2)
LOCK_TIMEOUT = timedelta(minutes=5)

Connect = Callable[[], XenHost]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How a host was used as it last answered."""

    use: HostUse
    age: timedelta


def why_not(
    terms: PowerSpec | None, power: Power | None, seen: Seen | None, oldest: timedelta
) -> str:
    """Why a host may not be power-cycled; empty when it may. Pure."""
    if terms and terms.cycle is PowerCycle.NEVER:
        return "hosts.yaml forbids it (power: {cycle: never})"
    if terms is None or power is None:
        return "hosts.yaml names nothing that could do it (power:)"
    if terms.cycle is PowerCycle.ALWAYS:
        return ""
    if seen is None:
        return "it is not known who else uses it (power: {cycle: always} does not ask)"
    if seen.age > oldest:
        ago = human_seconds(seen.age.total_seconds())
        return f"who else uses it was last known {ago} ago (power: {{cycle: always}} does not ask)"
    if seen.use.others:
        return f"others use it: {'; '.join(seen.use.others)}"
    return ""


class Revival:
    """The ways to have one host back. *stopping* ends all waiting, with a `LabError`."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        stopping: threading.Event,
        *,
        clock: Clock = SYSTEM_CLOCK,
        stamps: Path | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._stopping = stopping
        self._clock = clock
        self._stamps = stamps or cache_root() / "power"

    def answers(self) -> XenHost | None:
        """A new connection, if its dom0 and its toolstack answer; else None."""
        try:
            host = self._connect()
        except LabError:
            return None
        try:
            host.xl.info()
        except LabError:
            host.close()
            return None
        return host

    def cycle(self, power: Power, boot_timeout: timedelta) -> str:
        """Power-cycle it, unless another flight of this user has just done so; what was done.

        `LabError` with the words of *power* when that can't be done.
        """
        stamp = self._stamps / f"{safe_name(self._name)}.json"
        lock = stamp.with_suffix(".lock")
        with exclusive(lock, what=f"the power of {self._name}", timeout=LOCK_TIMEOUT):
            now = SYSTEM_CLOCK.time_of_day()
            if 0 <= now - _moment(stamp) < boot_timeout.total_seconds():
                return "another flight has just power-cycled it"
            power.cycle()
            with suppress(OSError):
                stamp.write_text(json.dumps({"at": now}), encoding="utf-8")
        return f"it was power-cycled by {power.name}"

    def wait_back(self, before: str | None, bound: timedelta) -> XenHost:
        """A connection, as soon as its toolstack answers in another boot than *before*.

        `DeadlineExceeded`, with what was last seen, when that is not within *bound*.
        """

        def check() -> XenHost:
            if self._stopping.is_set():
                msg = f"the flight ended before {self._name} was back"
                raise LabError(msg)
            try:
                host = self._connect()
            except HostLost as error:
                raise NotYet(error.message) from error
            try:
                if before and boot_id(host) == before:
                    msg = "it answers, and is still in the boot that it was in before"
                    raise NotYet(msg)
                host.xl.info()
            except LabError as error:
                host.close()
                raise NotYet(error.message) from error
            except BaseException:
                host.close()
                raise
            return host

        deadline = Deadline.after(bound, self._clock)
        try:
            return wait_for(check, what=self._name, deadline=deadline, interval=INTERVAL)
        except DeadlineExceeded as error:
            waited = human_seconds(bound.total_seconds())
            msg = f"it was not back within {waited}: {error.message}"
            raise DeadlineExceeded(msg) from error


def _moment(stamp: Path) -> float:
    try:
        return float(json.loads(stamp.read_text(encoding="utf-8"))["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
