"""Verbs that end a guest, or have it begin again: with the same disk, name and address."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

from harness.errors import DeadlineExceeded
from harness.job.guestmoving import SETTLE, GuestMoving
from harness.job.slot import in_slot
from harness.job.xlcalls import under_test
from harness.remote.command import Command
from harness.wait import Deadline, NotYet, wait_for
from harness.xen.config import Action, DomainConfig
from harness.xen.listing import DomainState

REBOOT = "nohup sh -c 'sleep 1; exec reboot' >/dev/null 2>&1 </dev/null &"
"""A moment later, so that SSH can end in good order."""
ALLOW_SYSRQ = "echo 1 >/proc/sys/kernel/sysrq"
"""Debian's usual 438 leaves out the key that crashes (sysrq.rst)."""
CONSOLE_TTY = "/local/domain/{}/console/tty"
"""Where xenconsoled says which terminal shows a domain's console."""
POLL = timedelta(seconds=1)
STAYS = timedelta(seconds=4)
"""xl waits 2 s before it makes a domain again (xl_vmcontrol.c)."""


class GuestPower(GuestMoving):
    """How it ends, and what the toolstack makes of that."""

    _actions = (Action.PRESERVE, Action.RESTART)

    @property
    def actions(self) -> tuple[Action, Action]:
        """Its present domain's ``on_crash`` and ``on_reboot``."""
        return self._actions

    def stop(self) -> None:
        """Ask it to power off, and wait until its domain and all its back ends are gone."""
        self.shut_down()
        self._await_backends()

    def start(
        self, *, on_crash: Action = Action.PRESERVE, on_reboot: Action = Action.RESTART
    ) -> None:
        """Make its domain again, with the same disk, follow its boot, and log in."""
        config = replace(self.domain_config(), on_crash=on_crash, on_reboot=on_reboot)
        self._actions = on_crash, on_reboot
        self._start(config)

    def reboot(self) -> None:
        """Have it reboot by itself, from inside; to its login prompt, in a new domain."""
        self._reboot(self._reboot_inside)

    def reboot_by_toolstack(self) -> None:
        """The same, asked for from dom0 (``xl reboot``)."""
        self._reboot(lambda: self._moves.reboot(self.name))

    def destroy(self) -> None:
        """End it without asking it (``xl destroy``); over when all its back ends are gone."""
        self._disconnect()
        with in_slot(self._lease), under_test(self, "destroy"):
            self._tools.lives.destroy(self.name, self._timeout("shutdown"))
            self._await_gone("destroy", "xl said that it was destroyed, and it is still there")
        self._await_backends()

    def crash(self) -> str:
        """Have its kernel panic; how it ends: ``preserve``, ``restart`` or ``destroy``."""
        return self._ends("crash", self._panic)

    def reboot_ends(self) -> str:
        """Have it reboot by itself where that may be its end; how it ends, as for `crash`."""
        return self._ends("reboot", self._reboot_inside)

    # -- small parts -------------------------------------------------------------------

    def _start(self, config: DomainConfig) -> None:
        # What its console said before is none of this life's.
        self._deaths = nullcontext
        with in_slot(self._lease):
            self._launch(config)
        self._up_again()

    def _reboot_inside(self) -> None:
        self.ssh.run(Command.script("reboot-guest", REBOOT))

    def _panic(self) -> None:
        self.ssh.run(Command.script("allow-sysrq", ALLOW_SYSRQ))
        self._moves.sysrq(self.name, "c")

    def _reboot(self, ask: Callable[[], None]) -> None:
        before = self.domain.domid
        with in_slot(self._lease):
            with under_test(self, "reboot"):
                ask()
                self._disconnect()
                self._await_another(before)
            self._deaths = nullcontext
            self._is_now(self.domain.domid)
            self._hear_again()
        self._up_again()

    def _await_another(self, domid: int) -> None:
        """Until it has another number than *domid*, and a console: so it is another domain.

        While xl makes that it has none, and a client that wants to listen ends at once.
        """

        def there() -> None:
            state = self.domain.state()
            if state is None or self.domain.domid == domid:
                msg = f"domain {domid} is {state or 'gone'}, and there is no other"
                raise NotYet(msg)
            if not self.host.xenstore.exists(CONSOLE_TTY.format(self.domain.domid)):
                msg = f"domain {self.domain.domid} is {state}, and has no console yet"
                raise NotYet(msg)

        bound = self._timeout("shutdown") + self._timeout("create")
        try:
            what = f"{self.name} to begin again"
            wait_for(there, what=what, deadline=Deadline.after(bound), interval=POLL)
        except DeadlineExceeded as error:
            raise self.failure(str(error), "reboot", "no-reboot") from error

    def _up_again(self) -> None:
        self._disconnect()
        self.boot()
        if self.seeded:
            self.connect()

    def _ends(self, phase: str, ask: Callable[[], None]) -> str:
        before = self.domain.domid
        with in_slot(self._lease), under_test(self, phase):
            ask()
            self._disconnect()
            found = self._how_it_ended(before, phase)
        # It said so on its console, and that was no accident.
        self._deaths = nullcontext
        return found

    def _how_it_ended(self, domid: int, phase: str) -> str:
        def ended() -> str:
            state = self.domain.state()
            if state is None:
                # One look may fall between two lives.
                return Action.DESTROY if self._stays_away() else Action.RESTART
            if self.domain.domid != domid:
                return Action.RESTART
            if state in (DomainState.CRASHED, DomainState.SHUTDOWN):
                return Action.PRESERVE if self._stays_dead(domid) else Action.RESTART
            raise NotYet(state)

        try:
            bound = Deadline.after(self._timeout("shutdown"))
            return wait_for(ended, what=f"the end of {self.name}", deadline=bound, interval=POLL)
        except DeadlineExceeded as error:
            raise self.failure(str(error), phase, "no-end") from error

    def _stays_away(self) -> bool:
        """Whether there is no domain of that name for a while."""
        return self._holds(lambda: self.domain.state() is None)

    def _stays_dead(self, domid: int) -> bool:
        """Whether the dead domain is still there after a while: xl looks at it, too.

        `NotYet` when xl has ended it: then it must be looked at anew.
        """
        if self._holds(lambda: self.domain.state() is not None and self.domain.domid == domid):
            return True
        msg = "xl is at it"
        raise NotYet(msg)

    def _holds(self, fact: Callable[[], bool]) -> bool:
        """Whether *fact* is so, and stays so for some seconds."""
        deadline = Deadline.after(self.stretched(STAYS))

        def changed() -> None:
            if fact():
                msg = "as it was"
                raise NotYet(msg)

        try:
            wait_for(changed, what="a change", deadline=deadline, interval=POLL)
        except DeadlineExceeded:
            return True
        return False

    def _await_backends(self) -> None:
        """`DeadlineExceeded`, a fault of the lab, when some stay."""
        domid = self.domain.domid

        def none_left() -> None:
            if left := self.host.xl.backends(domid):
                raise NotYet(", ".join(left))

        with self.step.phase("backends"):
            wait_for(
                none_left,
                what=f"the back ends of {self.name} (domid {domid}) to go",
                deadline=Deadline.after(self.stretched(SETTLE)),
                interval=POLL,
            )
