"""Where a job runs: a slot on one of the hosts that can run it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from harness.errors import DeadlineExceeded, LabError, Starved
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.host.lease import SlotLease
from harness.host.slots import read_slots
from harness.host.xenhost import XenHost
from harness.job.slot import Waiting, take_free_slot, take_slot
from harness.schedule.where import best_first
from harness.steps import StepRecord
from harness.wait import Deadline, NotYet, wait_for

LOOK = timedelta(seconds=2)
"""How often a job that waits for a slot on any of several hosts looks at them."""
Connect = Callable[[str], XenHost]


def take_place(
    spec: JobSpec,
    plan: Plan,
    names: Iterable[str],
    connect: Connect,
    directory: Path,
    step: StepRecord,
    now: Callable[[], Iterable[str]] | None = None,
    prefer: str | None = None,
) -> tuple[XenHost, SlotLease]:
    """A slot for the job of *spec* on one of the hosts *names*, and that host.

    *prefer* comes first, if it has a free slot; then in the order of `best_first`. A host that
    can't be reached is left out, as long as there is another. Where more may come to be fit for it
    while it waits, *now* tells which are. See `take_slot` for what is raised.
    """
    hosts = list(names)
    if len(hosts) == 1 and now is None:
        host = connect(hosts[0])
        return host, take_slot(spec, plan, host, directory, step)
    patience = max(host.slot_timeout for host in plan.hosts)
    deadline = Deadline.after(patience, step.clock)
    prefer = prefer if prefer in hosts else None
    search = _Search(spec, plan, now or (lambda: hosts), connect, step, directory, prefer)
    with Waiting(spec.name, directory, step) as waiting:

        def look() -> tuple[XenHost, SlotLease]:
            try:
                return search.look()
            except NotYet as why:
                waiting.tell(f"a slot: {why}")
                raise

        try:
            what = f"a slot for {spec.name}"
            return wait_for(look, what=what, deadline=deadline, interval=LOOK)
        except DeadlineExceeded as error:
            msg = f"no slot was free within {patience.total_seconds():g} s: {error.__cause__}"
            raise Starved(msg) from error


class _Search:
    """Looks at several hosts for one job, again and again."""

    def __init__(
        self,
        spec: JobSpec,
        plan: Plan,
        names: Callable[[], Iterable[str]],
        connect: Connect,
        step: StepRecord,
        directory: Path,
        prefer: str | None,
    ) -> None:
        self._directory = directory
        self._prefer = self._first = prefer
        self._spec = spec
        self._plan = plan
        self._names = names
        self._connect = connect
        self._step = step

    def look(self) -> tuple[XenHost, SlotLease]:
        """The slot; `NotYet` when none is free. `LabError` when no host can be used any more."""
        why: list[str] = []
        lost: list[LabError] = []
        if place := self._preferred():
            return place
        for host in self._in_order(lost):
            try:
                return self._take(host)
            except Starved as error:
                why.append(str(error))
            except LabError as error:
                lost.append(error)
        if lost and not why:
            raise LabError("; ".join(map(str, lost))) from lost[0]
        raise NotYet("; ".join([*why, *map(str, lost)]) or "none of its hosts is fit for it")

    def _preferred(self) -> tuple[XenHost, SlotLease] | None:
        """A slot where it was sent to, before anybody looks at a thousand other hosts. Once: from
        then on that one is among the others, which tell what is wrong with it."""
        first, self._first = self._first, None
        if first is None:
            return None
        try:
            return self._take(self._connect(first))
        except (Starved, LabError):
            return None

    def _take(self, host: XenHost) -> tuple[XenHost, SlotLease]:
        lease = take_free_slot(self._spec, self._plan, host, self._directory, self._step)
        return host, lease

    def _in_order(self, lost: list[LabError]) -> list[XenHost]:
        """Those that answer, the best first."""
        hosts: dict[str, XenHost] = {}
        free: dict[str, int] = {}
        for name in self._names():
            try:
                hosts[name] = self._connect(name)
                slots = read_slots(hosts[name].runner)
                free[name] = slots.free(self._plan.host_named(name).slots)
            except LabError as error:
                lost.append(error)
        job = self._spec.name
        order = best_first(job, self._plan.expectation(job), free)
        order.sort(key=lambda name: name != self._prefer or free[name] <= 0)
        return [hosts[name] for name in order]
