"""One guest from its first byte to its last: what the steps of a suite work with.

It is made of layers, each of which needs those before it: `gueststate` (what is known of it),
`guestdevice` (what it has of the host's), `guestmaking`, `guestdriving` (boot, shell, SSH),
`guestasking` (commands, console), `guestmoving`, `guestpower`, `guestchanging`, `guestdisks`,
`guestcrossing` (the verbs), and here what is done when it is left.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from uuid import UUID

from harness.build.remove import remove_built
from harness.errors import LabError, NotApplicable
from harness.host.kept import kept_tags
from harness.host.names import NEIGHBOUR, saved_file
from harness.job.backings import forget_image
from harness.job.evidence import secrets_mask, take_evidence
from harness.job.guestcrossing import GuestCrossing
from harness.job.leaks import domids_of, together
from harness.job.prepared import JobFacts
from harness.job.seat import Seat
from harness.job.teardown import VOLUME_TIMEOUT, end_passing, remove_guest, what_is_left
from harness.results.layout import JobDirectory
from harness.results.model import EvidenceResult, StepResult
from harness.wait import SYSTEM_CLOCK, Deadline


class GuestUnderTest(GuestCrossing):
    """The guest of one job. Its steps call it in order; `step` is the one that runs."""

    _neighbour: GuestUnderTest | None = None

    def require_neighbour(self) -> None:
        """`NotApplicable` where the flight gives it none, or nobody could make one like it."""
        if self.spec.neighbour is None:
            msg = "the flight gives it no neighbour (key `neighbour`)"
            raise NotApplicable(msg)
        if self.spec.builder.on_host:
            msg = f"its disk was made by {self.spec.builder}: there is no image for another"
            raise NotApplicable(msg)

    def add_neighbour(self) -> GuestUnderTest:
        """A second guest of the same image beside it, known on the host for this job's. Not made
        yet: `create`, `boot`, `connect`. It goes with the first."""
        self.require_neighbour()
        memory = self.spec.neighbour or self.spec.memory
        other = self._neighbour = GuestUnderTest(
            spec=replace(
                self.spec, memory=memory, vcpus=1, swap=None, extra_disks=(), passthrough=False
            ),
            plan=self._plan,
            seat=replace(self._home, ledger=None, rescue=None, domain=None),
            image=self._image,
            secrets=self._secrets.directory,
            files=JobDirectory(self._files.path / NEIGHBOUR),
            record=self._record,
            part=NEIGHBOUR,
        )
        # Also removed, kept and looked for with the first.
        self._more_volumes += other.volumes
        return self.neighbour

    @property
    def has_neighbour(self) -> bool:
        """Whether `add_neighbour` was called."""
        return self._neighbour is not None

    @property
    def neighbour(self) -> GuestUnderTest:
        """The second guest, in the step that runs; `LabError` before `add_neighbour`."""
        other = self._needed(self._neighbour, "has no neighbour")
        other.step = self.step
        if other.made:
            self._runvars["neighbour_domid"] = str(other.domain.domid)
        return other

    def capture(self, culprit: StepResult) -> EvidenceResult:
        """Take evidence of a step that did not pass, before anything is removed."""
        began = SYSTEM_CLOCK.monotonic()
        try:
            mask = secrets_mask(self._secrets, self._host_key)
            taken = take_evidence(
                culprit,
                self._plan,
                self._files,
                job=self.spec.name,
                domain=self.name,
                host=self.host,
                again=self._seat.again,
                mask=mask,
            )
            if self._seat.rescue is None or (back := self._seat.rescue(taken)) is None:
                return taken.result
            if back.host:
                # What it had in memory is gone, and the domain with it; its volumes are not.
                self._disconnect()
                self._seat.host, self._seat.domain, self._seat.renewed = back.host, None, True
                if self._neighbour:
                    other = self._neighbour._seat
                    other.host, other.domain = back.host, None
            return back.told(taken, self._files, mask)
        finally:
            self._captured += SYSTEM_CLOCK.monotonic() - began

    def remove(self) -> None:
        """Remove all of it from its host, or from both; well if parts are gone already.

        `LabError` names what would not go.
        """
        self._disconnect()
        if self._gone:
            return
        if self._neighbour:
            self._neighbour.remove()
        problems: list[LabError] = []
        for seat in self._seats:
            self._seat = seat
            # Its disk is let go of whether or not its domain went: else it could not go either.
            rungs = (
                partial(self._leave, seat),
                partial(self._return_device, seat),
                self.take_back_disk,
                partial(self._clear, seat),
            )
            for rung in rungs:
                try:
                    rung()
                except LabError as error:
                    problems.append(error)
        if len(problems) > 1:
            raise LabError("; ".join(map(str, problems))) from problems[0]
        if problems:
            raise problems[0]
        self._gone = True

    def left_behind(self) -> list[str]:
        """What of it is still there, in words; nothing, after `remove`."""
        return [
            f"still on {seat.host.name}: {', '.join(left)}"
            for seat in self._seats
            if (left := what_is_left(seat.host, seat.domain, self._volumes_at(seat)))
        ]

    def _volumes_at(self, seat: Seat) -> tuple[str, ...]:
        return self.volumes if seat is self._home else ()

    def _leave(self, seat: Seat) -> None:
        """End its domain on that host, and remove its disks."""
        host = seat.host
        if self._moved:
            end_passing(host, self.name, saved_file(self._run, self.name))
        if seat is self._home:
            self.forget_backend()
        uuid = UUID(self._runvars["uuid"])
        remove_guest(host, self.name, seat.domain, self._volumes_at(seat), uuid)
        for path in self._more_files if seat is self._home else ():
            forget_image(host, path)

    def _return_device(self, seat: Seat) -> None:
        if seat is self._home:
            self.return_device()

    def _clear(self, seat: Seat) -> None:
        """Remove what was made there for it besides: by a builder, or to have it move."""
        if self.spec.builder.on_host or self._peer:
            bound = Deadline.after(seat.host.stretched(VOLUME_TIMEOUT))
            remove_built(seat.host, self._run, self.hostname, bound)

    def keep(self) -> bool:
        """Leave it on the host, marked so that nobody reaps it; False when it is gone already.

        With the plan's *keep_for*, nobody does until then. One that is on its second host is not
        kept: its disk is lent by this process.
        """
        if self.away:
            return False
        there = {volume.name for volume in self.host.volumes.list()}
        mine = [volume for volume in self.volumes if volume in there]
        if self._gone or not mine:
            return False
        tags = kept_tags(self.host.runner, self._keep_for)
        for volume in mine:
            self.host.volumes.add_tags(volume, tags)
        if self._peer:
            # Nobody lends its disk from now on, so nothing of it is on that host.
            self.take_back_disk()
            self._clear(self._peer)
        return True

    def close(self) -> None:
        """Let go of console, connections and slot; never raises."""
        for guest in filter(None, (self._neighbour, self)):
            guest.let_go()
        for seat in self._seats:
            seat.close()

    def check_leaks(self) -> Future[StepResult]:
        """What of it is on the host still, now that it was left; see `JobLedger.check`."""
        checks = {
            seat.host.name: seat.check_leaks(domids_of(self._runvars) if seat is self._home else ())
            for seat in reversed(self._seats)
        }
        return together(checks)

    def facts(self, *, kept: bool) -> JobFacts:
        """For the results: where its time went, what it was called."""
        self._runvars |= self._numbers()
        waited = self._waited + (self._neighbour._waited if self._neighbour else 0.0)
        ours = SYSTEM_CLOCK.monotonic() - self._began - waited - self._captured
        waits = {"guest": round(waited, 2), "harness": round(max(0.0, ours), 2)}
        if self._captured:
            waits["evidence"] = round(self._captured, 2)
        return JobFacts(
            host=self._home.host.name, kept=kept, waits=waits, runvars=dict(self._runvars)
        )
