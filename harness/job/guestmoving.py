"""Verbs of a guest that runs: saved, restored, migrated, paused, renamed, heard anew.

Each is one phase of the step that it is called in, and fails as `harness.job.xlcalls` says. The
console goes on in one log, whatever number the domain has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.errors import DeadlineExceeded, NotApplicable
from harness.flight.axes import Virt
from harness.host.names import saved_file
from harness.job.guestasking import GuestAsking
from harness.job.slot import in_slot
from harness.job.xlcalls import under_test
from harness.wait import Deadline, NotYet, wait_for
from harness.xen.listing import DomainInfo, DomainState
from harness.xen.moves import RENAMED, Moves, why_not_live

MOVE_TIMEOUT = timedelta(minutes=3)
"""For a save, a restore or a migration, on hardware: libxl alone gives a guest 60 s to get ready
to be suspended (libxl_dom_suspend.c), and then its memory is written."""
ENDS = timedelta(seconds=1)
"""A console client that can't listen has ended by then."""
SETTLE = timedelta(seconds=20)
"""How long Xen may take to show what xl has done."""


class GuestMoving(GuestAsking):
    """What can be done to it while it runs, and leaves it as it was."""

    @property
    def info(self) -> DomainInfo:
        """What ``xl list`` says of it; `GuestFailure` (``domain-vanished``) if it is not there."""
        name = self.domain.name
        found = next((one for one in self.host.xl.list() if one.name == name), None)
        if found is None:
            msg = f"there is no domain {name} any more"
            raise self.failure(msg, "list", "domain-vanished")
        return found

    def save(self) -> None:
        """Write it to a file of dom0 (``xl save``), after which it is not there: ``restore`` it."""
        self._moved = True
        path = saved_file(self._run, self.name)
        with in_slot(self._lease), under_test(self, "save"):
            bound = self.stretched(MOVE_TIMEOUT)
            size = self._moves.save(self.name, path, self.spec.memory, bound)
            self._await_gone("save", "xl said that it was saved, and its domain is still there")
        self.remember("saved_bytes", str(int(size)))

    def restore(self) -> None:
        """Make it again from that file, and go on where it was (``xl restore``)."""
        path = saved_file(self._run, self.name)
        with in_slot(self._lease), under_test(self, "restore"):
            self._goes_on(self._moves.restore(self.name, path, self.stretched(MOVE_TIMEOUT)))

    def require_live_migration(self) -> None:
        """`NotApplicable`, with the reason, where Xen cannot migrate such a guest live."""
        why = why_not_live(self.host.xl.info(), pv=self.spec.virt is Virt.PV)
        if why:
            raise NotApplicable(why)

    def migrate_local(self) -> None:
        """Move it, live, to the host that it is on (``xl migrate``).

        `NotApplicable`, before anything is done, where Xen cannot do that with such a guest.
        """
        self.require_live_migration()
        self._moved = True
        with in_slot(self._lease), under_test(self, "migrate"):
            self._goes_on(self._moves.migrate(self.name, self.stretched(MOVE_TIMEOUT)))

    def pause(self) -> None:
        """Stop it where it is (``xl pause``); over when Xen says so."""
        with in_slot(self._lease), under_test(self, "pause"):
            self._tools.lives.pause(self.name)
            self._await_state(paused=True)

    def unpause(self) -> None:
        """Let it go on."""
        with in_slot(self._lease), under_test(self, "unpause"):
            self._tools.lives.unpause(self.name)
            self._await_state(paused=False)

    @contextmanager
    def renamed(self) -> Iterator[str]:
        """It has another name (``xl rename``) as long as that; which one.

        One that is known for ours: what is found under it is removed as under its own.
        """
        self._moved = True
        other = self.name + RENAMED
        with in_slot(self._lease), under_test(self, "rename"):
            self._moves.rename(self.name, other)
        self.domain.name = other
        try:
            yield other
        finally:
            with in_slot(self._lease), under_test(self, "rename-back"):
                self._moves.rename(other, self.name)
            self.domain.name = self.name

    def reattach_console(self) -> None:
        """Let go of its console and take it up again, as an operator does; then log in, if need be.

        The getty and the shell there know nothing of it.
        """
        with in_slot(self._lease), self.waiting(), self.step.phase("attach"):
            self._hear_again()
            console = RecorderSpawn(self.recorder, start=self.recorder.mark())
            console.sendline()
            bound = self._timeout("login")
            self._shell = login(console, "root", self._secrets.password, timeout=bound)

    @property
    def _moves(self) -> Moves:
        return self._tools.moves

    def _hear_again(self) -> None:
        """Let go of its console, and listen to it as soon as that can be."""
        self.recorder.let_go()
        wait_for(
            self._hear,
            what=f"the console of {self.name}",
            deadline=Deadline.after(self.stretched(SETTLE)),
            interval=timedelta(seconds=1),
        )

    def _hear(self) -> None:
        """Listen; `NotYet` when that ends at once, as long as another client has its lock."""
        self._listen()
        deadline = Deadline.after(self.stretched(ENDS))
        while not (deadline.expired or self.recorder.ended):
            # The client's own complaint comes before its end, in pieces.
            self.recorder.wait(self.recorder.mark(), deadline.remaining)
        if self.recorder.ended:
            msg = f"it ended at once: {self.recorder.tail(1)!r}"
            raise NotYet(msg)

    def _goes_on(self, domid: int) -> None:
        """It is there again, paused, under another number."""
        self._is_now(domid)
        self._listen()
        self._tools.lives.unpause(self.name)
        self._await_state(paused=False)

    def _await_gone(self, phase: str, otherwise: str) -> None:
        try:
            self.domain.wait_gone(Deadline.after(self.stretched(SETTLE)))
        except DeadlineExceeded as error:
            msg = f"{otherwise}: {error}"
            raise self.failure(msg, phase, "still-there") from error

    def _await_state(self, *, paused: bool) -> None:
        def there() -> None:
            state = self.domain.state()
            if state in (None, DomainState.CRASHED, DomainState.SHUTDOWN, DomainState.DYING):
                msg = f"its domain is {state or 'gone'}"
                raise self.failure(msg, "state", "domain-vanished")
            if (state is DomainState.PAUSED) != paused:
                raise NotYet(state)

        wait_for(
            there,
            what=f"{self.name} to be {'paused' if paused else 'let run'}",
            deadline=Deadline.after(self.stretched(SETTLE)),
            interval=timedelta(seconds=1),
        )
