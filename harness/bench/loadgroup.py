"""xdist's ``--dist loadgroup``, driven by a counted clock: what our own scheduler is compared with.

`LoadGroupScheduling` itself decides; here are its workers, as `xdist.remote.WorkerInteractor` has
them: an item runs only when the next one is there, too, or it is known that there is none.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling


class _Items(list[str]):
    """A collection that knows where its items are: xdist looks for each from the begin."""

    def __init__(self, items: Sequence[str]) -> None:
        super().__init__(items)
        self._at = {item: at for at, item in enumerate(items)}

    def index(self, item: str, *_: Any) -> int:  # noqa: ANN401
        return self._at[item]


class _Scheduler(LoadGroupScheduling):  # type: ignore[misc]  # xdist ships no types
    def add_node_collection(self, node: _Worker, collection: Sequence[str]) -> None:
        """Without a copy for each of a thousand workers."""
        self.registered_collections[node] = collection


class _Worker:
    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.queue: deque[int] = deque()
        self.shutting_down = False
        self.busy = False

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.queue.extend(indices)

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def next(self) -> int | None:
        """The item that it may run now."""
        ready = self.queue and not self.busy and (len(self.queue) > 1 or self.shutting_down)
        return self.queue[0] if ready else None


def loadgroup_ends(seconds: Mapping[str, float], workers: int, steps: int) -> dict[str, float]:
    """When each job ends, by its name, on so many workers; a job takes its *seconds* in so many
    equal *steps*."""
    jobs = list(seconds)
    items = _Items([f"test_{step}[{job}]@{job}" for job in jobs for step in range(steps)])
    option = SimpleNamespace(loadscopereorder=True)
    config = SimpleNamespace(option=option, getvalue=lambda _: ["popen"] * workers)
    scheduler = _Scheduler(config, Producer("bench", enabled=False))
    crew = [_Worker(number) for number in range(workers)]
    for worker in crew:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, items)
    scheduler.schedule()
    ends: dict[str, float] = {}
    running: list[tuple[float, int, int]] = []
    now = 0.0
    changed = list(range(workers))
    while True:
        for number in changed:
            worker = crew[number]
            if (index := worker.next) is not None:
                worker.busy = True
                took = seconds[jobs[index // steps]] / steps
                heapq.heappush(running, (now + took, number, index))
        if not running:
            return ends
        now, number, index = heapq.heappop(running)
        ends[jobs[index // steps]] = now
        worker = crew[number]
        worker.queue.popleft()
        worker.busy = False
        scheduler.mark_test_complete(worker, index)
        changed = [number]
        # Sent with every event that comes when all is done; here it matters at the end only.
        if not running and scheduler.tests_finished:
            for one in crew:
                one.shutdown()
            changed = list(range(workers))
