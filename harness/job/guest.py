"""One guest from its first byte to its last: what the steps of a suite work with.

It is made of layers, each of which needs those before it: `gueststate` (what is known of it),
`guestdevice` (what it has of the host's), `guestmaking`, `guestdriving` (boot, shell, SSH),
`guestmoving`, `guestpower`, `guestchanging`, `guestdisks` (the verbs), and here what is done when
it is left.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

from harness.build.remove import remove_built
from harness.errors import NotApplicable
from harness.host.kept import kept_tags
from harness.host.names import NEIGHBOUR, saved_file
from harness.job.backings import forget_image
from harness.job.evidence import secrets_mask, take_evidence
from harness.job.guestdisks import GuestDisks
from harness.job.leaks import domid_runvars, domids_of, unchecked
from harness.job.prepared import JobFacts
from harness.job.teardown import VOLUME_TIMEOUT, end_passing, remove_guest
from harness.results.layout import JobDirectory
from harness.results.model import EvidenceResult, StepResult
from harness.wait import SYSTEM_CLOCK, Deadline


class GuestUnderTest(GuestDisks):
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
            host=self.host,
            again=self._again,
            lease=self._lease,
            image=self._image,
            secrets=self._secrets.directory,
            files=JobDirectory(self._files.path / NEIGHBOUR),
            capabilities=self._capabilities,
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
                again=self._again,
                mask=mask,
            )
            if self._rescue is None or (back := self._rescue(taken)) is None:
                return taken.result
            if back.host:
                # What it had in memory is gone, and the domain with it; its volumes are not.
                self._disconnect()
                self.host, self._domain, self._renewed = back.host, None, True
                if self._neighbour:
                    self._neighbour.host, self._neighbour._domain = back.host, None
            return back.told(taken, self._files, mask)
        finally:
            self._captured += SYSTEM_CLOCK.monotonic() - began

    def remove(self) -> None:
        """Remove all of it from the host; well if parts are gone already.

        `LabError` names what would not go.
        """
        self._disconnect()
        if self._gone:
            return
        if self._neighbour:
            self._neighbour.remove()
        if self._moved:
            end_passing(self.host, self.name, saved_file(self._run, self.name))
        try:
            self.forget_backend()
            remove_guest(self.host, self.name, self._domain, self.volumes)
        finally:
            self.return_device()
        for path in self._more_files:
            forget_image(self.host, path)
        if self.spec.builder.on_host:
            bound = Deadline.after(self.host.stretched(VOLUME_TIMEOUT))
            remove_built(self.host, self._run, self.hostname, bound)
        self._gone = True

    def keep(self) -> bool:
        """Leave it on the host, marked so that nobody reaps it; False when it is gone already.

        With the plan's *keep_for*, nobody does until then.
        """
        there = {volume.name for volume in self.host.volumes.list()}
        mine = [volume for volume in self.volumes if volume in there]
        if self._gone or not mine:
            return False
        tags = kept_tags(self.host.runner, self._keep_for)
        for volume in mine:
            self.host.volumes.add_tags(volume, tags)
        return True

    def close(self) -> None:
        """Let go of console, connections and slot; never raises."""
        for guest in filter(None, (self._neighbour, self)):
            guest.let_go()
        self._lease.release()
        if self._renewed:
            self.host.close()

    def let_go(self) -> None:
        """Let go of its console and its connection; never raises."""
        self._disconnect()
        if self._recorder:
            self._recorder.close()

    def check_leaks(self) -> Future[StepResult]:
        """What of it is on the host still, now that it was left; see `JobLedger.check`."""
        if self._ledger is None:
            return unchecked()
        return self._ledger.check(domids_of(self._runvars | domid_runvars(self._domain)))

    def facts(self, *, kept: bool) -> JobFacts:
        """For the results: where its time went, what it was called."""
        self._runvars |= domid_runvars(self._domain)
        waited = self._waited + (self._neighbour._waited if self._neighbour else 0.0)
        ours = SYSTEM_CLOCK.monotonic() - self._began - waited - self._captured
        waits = {"guest": round(waited, 2), "harness": round(max(0.0, ours), 2)}
        if self._captured:
            waits["evidence"] = round(self._captured, 2)
        return JobFacts(host=self.host.name, kept=kept, waits=waits, runvars=dict(self._runvars))
