"""A scheduler for xdist: one unit is one job, and a worker gets the next when it has none.

What is decided is `harness.schedule.board`'s; here are only the messages to and from workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from xdist.report import report_collection_diff

from harness.errors import LabError
from harness.job.placed import Placements
from harness.plugin.crashes import Crashes
from harness.plugin.state import FlightState
from harness.schedule.board import Board

LOOK_AGAIN = -1
"""In place of an item's number: something may have come to be that no worker tells of."""
EVERY = timedelta(seconds=1)
"""How often to look, while a worker has nothing to do and jobs are left."""
Node = Any
"""xdist's `WorkerController`, which has no public type."""


class _Task:
    """A job that a worker is at, and those of its items that are not done, in order."""

    def __init__(self, job: str, items: Sequence[int]) -> None:
        self.job = job
        self.left = dict.fromkeys(items)


class JobScheduling:
    """What xdist asks of a scheduler (`xdist.scheduler.protocol.Scheduling`).

    *board* is asked for once the first worker has collected, when the flight was made ready.
    """

    def __init__(
        self,
        config: pytest.Config,
        state: FlightState,
        board: Callable[[Sequence[str]], Board],
        crashes: Crashes,
    ) -> None:
        self._config = config
        self._state = state
        self._make_board = board
        self._crashes = crashes
        self._placements = Placements(state.files.path)
        self._board: Board | None = None
        self._tasks: dict[Node, _Task | None] = {}
        """Of all workers that live, in the order in which they came or became free."""
        self._collected: set[Node] = set()
        self._collection: list[str] | None = None
        self._items: dict[str, list[int]] = {}
        """The numbers of each job's items."""
        self._watch: threading.Timer | None = None

    # -- what xdist asks ---------------------------------------------------------------

    @property
    def nodes(self) -> list[Node]:
        """All workers that live."""
        return list(self._tasks)

    @property
    def collection_is_completed(self) -> bool:
        """Whether jobs can be given out: the first worker need not wait for the last one."""
        return self._collection is not None

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to do, and nobody at it."""
        return self.collection_is_completed and not self.has_pending

    @property
    def has_pending(self) -> bool:
        """Whether a job is left, or run."""
        left = self._board is not None and self._board.open
        return left or any(self._tasks.values())

    def add_node(self, node: Node) -> None:
        """A worker is there; it will collect."""
        self._tasks[node] = None

    def add_node_collection(self, node: Node, collection: Sequence[str]) -> None:
        """A worker has collected. One that found something else gets nothing to do."""
        if self._collection is None:
            self._collection = list(collection)
            for index, nodeid in enumerate(collection):
                found = self._state.step_of(nodeid)
                self._items.setdefault(found[0] if found else nodeid, []).append(index)
        if self._collection == list(collection):
            self._collected.add(node)
            return
        first = next(iter(self._collected))
        diff = report_collection_diff(
            self._collection, collection, first.gateway.id, node.gateway.id
        )
        report = pytest.CollectReport(
            nodeid=node.gateway.id, outcome="failed", longrepr=diff, result=[]
        )
        self._config.hook.pytest_collectreport(report=report)
        node.shutdown()

    def schedule(self) -> None:
        """A worker has collected: there may be something for it to do."""
        if self._board is None:
            self._board = self._make_board(list(self._items))
        self._give_out()

    def mark_test_complete(self, node: Node, item_index: int, duration: float = 0) -> None:
        """A worker is done with an item, its teardown included."""
        del duration
        task = self._tasks.get(node)
        if item_index != LOOK_AGAIN and task is not None:
            task.left.pop(item_index, None)
            if not task.left:
                assert self._board
                self._board.over(task.job)
                # To the end of the line.
                del self._tasks[node]
                self._tasks[node] = None
        self._give_out()

    def remove_node(self, node: Node) -> str | None:
        """A worker is gone; the step that it ran then, if any.

        It took its guest along, so nobody can go on with that job: it begins anew on another, or
        is over.
        """
        task = self._tasks.pop(node)
        self._collected.discard(node)
        if task is None:
            return None
        assert self._board
        assert self._collection
        if getattr(node, "workeroutput", None):
            # It ended in good order, because somebody wanted it to: so will all others.
            self._board.over(task.job)
            return self._collection[next(iter(task.left))]
        if self._crashes.begins_anew(task.job, self._board.host_of(task.job)):
            self._board.again(task.job)
        else:
            self._board.over(task.job)
        self._give_out()
        return self._collection[next(iter(task.left))]

    def mark_test_pending(self, item: str) -> NoReturn:
        """Nobody asks for that but plugins that try tests again by themselves."""
        raise NotImplementedError(item)

    def remove_pending_tests_from_node(self, node: Node, indices: Sequence[int]) -> NoReturn:
        """Nothing is ever stolen: no worker has more than what it is at."""
        raise NotImplementedError(node, indices)

    # -- giving out --------------------------------------------------------------------

    def _give_out(self) -> None:
        """A job for each worker that has none. Who will get none any more may end."""
        board = self._board
        if board is None:
            return
        if self._state.fail_fast.why:
            board.close()
        for node in self._idle():
            turn = board.give()
            if turn is None:
                break
            if turn.host:
                self._send_to(turn.job, turn.host)
            self._state.fail_fast.begins(turn.job)
            self._tasks[node] = _Task(turn.job, self._items[turn.job])
            node.send_runtest_some(self._items[turn.job])
        if not board.open:
            for node in self._idle():
                node.shutdown()
        elif self._idle() and self._watch is None:
            self._look_later()

    def _idle(self) -> list[Node]:
        return [
            node
            for node, task in self._tasks.items()
            if task is None and node in self._collected and not node.shutting_down
        ]

    def _send_to(self, job: str, host: str) -> None:
        try:
            self._placements.write(job, host, self._crashes.hosts(job))
        except LabError:
            # It finds a place by itself, but may not know what it must remove there.
            if self._crashes.hosts(job):
                raise

    def _look_later(self) -> None:
        """An image may become ready, or others give back slots: no worker tells of that."""
        node = self._idle()[0]

        def look() -> None:
            self._watch = None
            # As if a worker had said so: only then does xdist's loop come here.
            node.notify_inproc(
                "runtest_protocol_complete", node=node, item_index=LOOK_AGAIN, duration=0.0
            )

        self._watch = threading.Timer(EVERY.total_seconds(), look)
        self._watch.daemon = True
        self._watch.start()
