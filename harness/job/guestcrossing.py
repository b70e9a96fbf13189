"""Verbs of a guest that has two hosts: to the other one, and back, with its disk where it was.

Wherever it is, all other verbs are of that host: its console, its dom0, its toolstack.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from harness.errors import DeadlineExceeded, GuestFailure, LabError, NotApplicable
from harness.flight.axes import Virt
from harness.host.crossing import Crossing
from harness.host.lend import READY, Lender, LentDisk
from harness.host.names import build_directory, saved_file
from harness.job.channel import GuestChannel
from harness.job.guestdisks import GuestDisks
from harness.job.guestmoving import MOVE_TIMEOUT, SETTLE
from harness.job.seat import Seat
from harness.job.slot import in_slot
from harness.job.xlcalls import under_test
from harness.remote.command import Command
from harness.units import Size
from harness.wait import Deadline, NotYet, wait_for
from harness.xen.config import Disk
from harness.xen.listing import XenInfo
from harness.xen.moves import XlMoves, why_not_live

ANSWER = timedelta(seconds=20)
"""For dom0 to say that it is there, on hardware."""
COPY_TIMEOUT = timedelta(minutes=3)
"""For the file of a saved guest, on hardware."""


class GuestCrossing(GuestDisks):
    """How it comes from one host to the other."""

    _lent: LentDisk | None = None
    _parked: GuestChannel | None = None
    """Its SSH connection by way of its first host, while it is on the second."""

    @property
    def away(self) -> bool:
        """Whether it is on its second host."""
        return self._seat is not self._home

    @property
    def peer(self) -> Seat:
        """Its second host; `NotApplicable` where the flight gives it none."""
        if self._peer is None:
            msg = "the flight gives it no second host (key `peer`)"
            raise NotApplicable(msg)
        return self._peer

    @property
    def elsewhere(self) -> Seat:
        """The one of its two hosts that it is not on."""
        return self._home if self.away else self.peer

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """As anywhere. While it is away its disk is at home: where that can't be had any more,
        what it does says nothing of it, and is a `LabError`."""
        try:
            with super().waiting():
                yield
        except GuestFailure as failure:
            if why := self._disk_lost():
                msg = f"its disk was lost while it was away ({why}), so this says nothing of it: "
                raise LabError(msg + failure.message) from failure
            raise

    def _disk_lost(self) -> str:
        """Why the disk that it has at home can't be had; empty when it can, or it is at home."""
        if not self.away:
            return ""
        if self._lent is None or self._lent.lost:
            return f"{self._home.host.name} lends it no more"
        try:
            # It may be silent, and nobody has noticed.
            self._home.host.runner.run(Command.of("true"), timeout=self.stretched(ANSWER))
        except LabError as error:
            return error.message
        return ""

    def require_way(self, *, away: bool) -> None:
        """`NotApplicable` where it cannot go to its second host (*away*), or back from there: it
        is not where that begins, or its Xen is newer.

        Xen takes in what an older one has sent, and not the other way round.
        """
        peer = self.peer
        target = peer if away else self._home
        if self.away == away:
            why = "it is there already" if away else f"it did not leave {target.host.name}"
            raise NotApplicable(why)
        mine, other = self.host.xl.info(), target.host.xl.info()
        if _version(mine) > _version(other):
            msg = (
                f"{self.host.name} has Xen {mine.version}, and {target.host.name} {other.version}: "
                "a guest cannot move to an older one"
            )
            raise NotApplicable(msg)

    def require_live_crossing(self) -> None:
        """`NotApplicable` where it cannot cross while it runs."""
        why = why_not_live(self.host.xl.info(), pv=self.spec.virt is Virt.PV)
        if why:
            raise NotApplicable(why)

    def lend_disk(self) -> str:
        """Have its disk be a disk of its second host, too, if it is not yet; how it is called
        there."""
        peer = self.peer
        if self._lent and not self._lent.lost:
            return self._lent.device
        self.take_back_disk()
        self._moved = True
        lender = Lender(
            owner=self._home.fenced,
            borrower=peer.fenced,
            freely=peer.host,
            run=self._run,
            hostname=self.hostname,
            join=self._join,
        )
        with in_slot(self._home.lease), in_slot(peer.lease), self.step.phase("lend"):
            self._lent = lender.lend(self.disks.root, self.name, self.stretched(READY))
        return self._lent.device

    def take_back_disk(self) -> None:
        """Nobody has it but its first host; well if that is so."""
        lent, self._lent = self._lent, None
        if lent:
            lent.give_back()

    def migrate_over(self) -> None:
        """Move it, live, to its other host (``xl migrate``)."""
        self.require_live_crossing()
        source, target = self._seat, self.elsewhere
        with in_slot(source.lease), in_slot(target.lease), under_test(self, "migrate"):
            config, bound = self._config_at(target).to_xl(), self.stretched(MOVE_TIMEOUT)
            domid = self._crossing(target).migrate(self.name, config, bound)
            # Nothing of it may still write to the disk when it goes on.
            self._await_left(source)
            self._arrives(target, domid)

    def carry_over(self) -> None:
        """Move it as a file: saved here, sent, and restored on its other host."""
        source, target = self._seat, self.elsewhere
        path = saved_file(self._run, self.name)
        self.save()
        crossing = self._crossing(target)
        with in_slot(source.lease), in_slot(target.lease):
            with self.step.phase("copy"):
                self._await_left(source)
                size = Size(int(self.recall("saved_bytes")))
                crossing.copy(path, size, self.stretched(COPY_TIMEOUT))
                XlMoves(source.host.runner).forget(path)
            with under_test(self, "restore"):
                config, bound = self._config_at(target).to_xl(), self.stretched(MOVE_TIMEOUT)
                domid = crossing.restore(self.name, config, path, bound)
                self._arrives(target, domid)

    def _crossing(self, target: Seat) -> Crossing:
        directory = build_directory(self._run, self.hostname)
        return Crossing(source=self._fenced, target=target.fenced, directory=directory)

    def _arrives(self, target: Seat, domid: int) -> None:
        """It is on the other host from now on: heard there, and let run."""
        if self.away:
            # The connection by way of its second host ends here; the first one's goes on.
            self._disconnect()
            self._ssh, self._parked = self._parked, None
        else:
            self._parked, self._ssh = self._ssh, None
        self._seat = target
        self._goes_on(domid)

    def _await_left(self, source: Seat) -> None:
        domain = self._needed(source.domain, "has no domain yet")
        deadline = Deadline.after(self.stretched(SETTLE))

        def let_go() -> None:
            if left := [one for number in domain.domids for one in source.host.xl.backends(number)]:
                raise NotYet(", ".join(left))

        try:
            domain.wait_gone(deadline)
            wait_for(let_go, what=f"its back ends on {source.host.name} to go", deadline=deadline)
        except DeadlineExceeded as error:
            msg = f"it was moved, and is still on {source.host.name}, too: {error}"
            raise self.failure(msg, "leave", "still-there") from error

    def _disks_at(self, seat: Seat) -> tuple[Disk, ...]:
        disks = super()._disks_at(seat)
        if seat is self._home:
            return disks
        # There is one: the rules of the flight see to that.
        device = self._needed(self._lent, "has lent no disk").device
        return (replace(disks[0], path=device), *disks[1:])

    def let_go(self) -> None:
        """Let go of its console and its connections; never raises."""
        if self._parked:
            self._parked.close()
        self._disconnect()
        if self._recorder:
            self._recorder.close()


def _version(info: XenInfo) -> tuple[int, int]:
    return info.major, info.minor
