"""Which job begins next, and on which host: the whole of the decision, without any waiting.

The same code decides in a flight (`harness.plugin.scheduler`), in a plan (`harness.schedule.
forecast`) and in `xenflight bench schedule`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from harness.flight.expected import UNKNOWN, Expectation
from harness.schedule.where import best_first

_Key = tuple[tuple[str, ...], str]
"""What makes jobs stand in one line: the hosts that can run them, and their image."""


class Signs(Protocol):
    """What can be seen of a flight while it runs. Asked often: it must cost little."""

    def ready(self, job: str) -> Collection[str]:
        """The hosts that have all that *job* needs; none while it would have to wait for it."""
        ...

    def waits(self, job: str) -> bool:
        """Whether *job*, which was given out, still waits for room on its host."""
        ...


class Turn(NamedTuple):
    """A job that shall begin now. *host* None: it has nowhere to run, which it will tell."""

    job: str
    host: str | None


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job, as far as the board has to know it."""

    job: str
    hosts: tuple[str, ...] = ()
    """Those that can run it. None: it does not take a slot."""
    needs: str = ""
    """The name of its image: jobs with the same one become ready together."""
    expected: Expectation = UNKNOWN


@dataclass(kw_only=True)
class _Host:
    slots: int
    others: int
    """Slots that somebody else holds, as far as we know."""
    own: set[str] = field(default_factory=set)

    @property
    def room(self) -> int:
        return self.slots - self.others - len(self.own)


class Board:
    """The jobs that are still to begin, in order, and the slots that they may take.

    *hosts* are their numbers of slots, *held* how many of them others held when it began.
    """

    def __init__(
        self,
        work: Sequence[Work],
        hosts: Mapping[str, int],
        signs: Signs,
        held: Mapping[str, int] | None = None,
    ) -> None:
        self._signs = signs
        taken = held or {}
        self._hosts = {
            name: _Host(slots=slots, others=min(slots, taken.get(name, 0)))
            for name, slots in hosts.items()
        }
        self._work = {one.job: one for one in work}
        self._lines: dict[_Key, deque[tuple[int, str]]] = {}
        for rank, one in enumerate(work):
            self._line(one).append((rank, one.job))
        self._ready: dict[_Key, Collection[str]] = {}
        self._on: dict[str, str | None] = {}
        self._avoid: dict[str, set[str]] = {}
        self._scouts: set[str] = set()

    @property
    def open(self) -> bool:
        """Whether any job is still to begin."""
        return any(self._lines.values())

    def give(self) -> Turn | None:
        """The job that shall begin now; None when there is none that could.

        The first in order for which there is a free slot, and its image. If there is none, one job
        may still stand in line for a host that others fill, and one for an image that is not ready.
        """
        if turn := self._free_turn():
            return turn
        return self._probe() or self._scout()

    def over(self, job: str) -> None:
        """*job* is over, or whoever ran it is gone; its slot is free."""
        host = self._on.pop(job)
        if host is not None:
            self._hosts[host].own.discard(job)

    def again(self, job: str) -> None:
        """*job* begins anew before all others, elsewhere if there is an elsewhere.

        To be called while it runs, in place of `over`.
        """
        if host := self._on[job]:
            self._avoid.setdefault(job, set()).add(host)
        self.over(job)
        line = self._line(self._work[job])
        line.appendleft((-1, job))

    def close(self) -> None:
        """No job begins any more."""
        for line in self._lines.values():
            line.clear()

    def host_of(self, job: str) -> str | None:
        """Where *job* was sent, while it runs."""
        return self._on.get(job)

    # -- choosing ----------------------------------------------------------------------

    def _line(self, work: Work) -> deque[tuple[int, str]]:
        return self._lines.setdefault((work.hosts, work.needs), deque())

    def _heads(self) -> list[tuple[int, _Key]]:
        """The lines in which somebody stands, by who is first in them."""
        return sorted((line[0][0], key) for key, line in self._lines.items() if line)

    def _free_turn(self) -> Turn | None:
        for _, key in self._heads():
            if not key[0]:
                return self._take(key, None)
            free = [name for name in self._places(key) if self._hosts[name].room > 0]
            while free:
                host = self._best(key, free)
                # Only now: to look at all of a thousand hosts each time takes too long.
                self._look(host)
                if self._hosts[host].room > 0:
                    return self._take(key, host)
                free.remove(host)
        return None

    def _probe(self) -> Turn | None:
        """One more for a host that seems full, if others fill it and nobody of ours waits there."""
        for _, key in self._heads():
            places = [name for name in self._places(key) if self._may_probe(name)]
            if places:
                return self._take(key, self._best(key, places))
        return None

    def _scout(self) -> Turn | None:
        """The first of all, if what it waits for is its image, and it is the first to do so."""
        heads = self._heads()
        if not heads or self._places(heads[0][1]):
            return None
        key = heads[0][1]
        free = [name for name in key[0] if self._hosts[name].room > 0]
        if not free or any(self._key(job) == key for job in self._scouts if job in self._on):
            return None
        turn = self._take(key, self._best(key, free))
        self._scouts.add(turn.job)
        return turn

    def _may_probe(self, name: str) -> bool:
        host = self._hosts[name]
        if len(host.own) >= host.slots or host.others == 0:
            return False
        self._look(name)
        return not any(map(self._signs.waits, host.own))

    def _look(self, name: str) -> None:
        """What jobs that were given out tell of their host: where one waits there is no room, and
        where more have a slot than was known to be free, others have gone."""
        host = self._hosts[name]
        if not host.own:
            return
        waiting = sum(map(self._signs.waits, host.own))
        free_for_us = host.slots - (len(host.own) - waiting)
        host.others = free_for_us if waiting else min(host.others, free_for_us)

    def _best(self, key: _Key, names: Sequence[str]) -> str:
        job = self._lines[key][0][1]
        free = {name: self._hosts[name].room for name in names}
        expected = self._work[job].expected
        return best_first(job, expected, free, self._avoid.get(job, ()))[0]

    def _places(self, key: _Key) -> Collection[str]:
        """The hosts on which the jobs of a line could begin, but for room."""
        found = self._ready.get(key)
        if found is None:
            job = self._lines[key][0][1]
            ready = self._signs.ready(job)
            found = [name for name in key[0] if name in ready]
            if len(found) == len(key[0]):
                self._ready[key] = found
        return found

    def _key(self, job: str) -> _Key:
        work = self._work[job]
        return work.hosts, work.needs

    def _take(self, key: _Key, host: str | None) -> Turn:
        _, job = self._lines[key].popleft()
        if host is not None:
            self._hosts[host].own.add(job)
        self._on[job] = host
        return Turn(job, host)
