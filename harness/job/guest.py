"""One guest from its first byte to its last: what the steps of a suite work with."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from harness.build.model import BuildRequest
from harness.build.on_host import build_on_host
from harness.build.remove import remove_built
from harness.console.boot import BootWatcher
from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.console.recorder import ConsoleRecorder, Record
from harness.console.shell import ConsoleShell
from harness.errors import LabError, NotApplicable
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.guest.identity import MacAllocator, host_name, machine_id
from harness.guest.seed import apply_seed, guest_seed, patience
from harness.host.capabilities import Capabilities
from harness.host.fence import fenced
from harness.host.kept import kept_tags
from harness.host.lease import SlotLease
from harness.host.names import domain_name
from harness.host.overload import PressureWatch
from harness.host.owners import domain_uuid
from harness.host.xenhost import XenHost
from harness.job.address import find_address
from harness.job.afterboot import Rescue
from harness.job.booting import (
    domain_config,
    guest_console,
    kernel_arguments,
    listen_command,
    menu_files,
)
from harness.job.channel import GuestChannel, connect_through
from harness.job.death import DeathWatch
from harness.job.delay import told_from_overload
from harness.job.disks import make_rest, make_root, plan_disks
from harness.job.evidence import Reconnect, secrets_mask, take_evidence
from harness.job.leaks import DOMID_RUNVARS, JobLedger, domid_runvars, domids_of, unchecked
from harness.job.prepared import JobFacts, PreparedImage
from harness.job.refusal import whose_fault
from harness.job.secrets import FlightSecrets
from harness.job.shutdown import wait_down
from harness.job.slot import in_slot
from harness.job.teardown import VOLUME_TIMEOUT, remove_guest
from harness.remote.command import Runner
from harness.remote.keys import load_public, make_keypair
from harness.remote.sshlink import SshEndpoint
from harness.results.layout import JobDirectory
from harness.results.model import EvidenceResult, StepResult
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK, Deadline
from harness.xen.config import DomainConfig, Vif
from harness.xen.domain import Domain
from harness.xen.toolstack import CreateRefused

T = TypeVar("T")


class GuestUnderTest:
    """The guest of one job. Its steps call it in order; `step` is the one that runs."""

    def __init__(
        self,
        *,
        spec: JobSpec,
        plan: Plan,
        host: XenHost,
        again: Reconnect,
        lease: SlotLease,
        ledger: JobLedger | None = None,
        image: PreparedImage,
        secrets: Path,
        files: JobDirectory,
        capabilities: Capabilities,
        rescue: Rescue | None = None,
        record: Record = ConsoleRecorder,
    ) -> None:
        self.spec = spec
        self.host = host
        self._again = again
        self._rescue = rescue
        self._lease = lease
        self._ledger = ledger
        # All that comes to be on the host does so while the slot is ours; what is the job's own
        # may be looked at and ended at any time.
        self._fenced = fenced(host, lease)
        self.name = domain_name(plan.flight_id, spec.name)
        self.hostname = host_name(plan.flight_id, spec.name)
        self.disks = plan_disks(spec, plan.flight_id, image)
        self.mac = MacAllocator(plan.flight_id, (job.name for job in plan.jobs)).mac(spec.name)
        self.step = StepRecord(job=spec.name, testid="none")
        self._plan = plan
        self._run = plan.flight_id
        self._keep_for = plan.keep_for
        self._image = image
        self._capabilities = capabilities
        self._record = record
        self._arguments = f"root=/dev/{self.disks.root_device} ro"
        self._secrets = FlightSecrets(secrets)
        self._host_key = secrets / f"host-{self.hostname}"
        self._files = files
        self._domain: Domain | None = None
        self._recorder: ConsoleRecorder | None = None
        self._shell: ConsoleShell | None = None
        self._ssh: GuestChannel | None = None
        self._runvars: dict[str, str] = {"domain": self.name, "hostname": self.hostname}
        self._runvars |= {"mac": self.mac, "slot": str(lease.slot)}
        if image.key:
            self._runvars["image"] = image.key
        self._runvars["uuid"] = domain_uuid(self._run, spec.name)
        self._pressure = PressureWatch(host.runner, factor=host.timeout_factor)
        self._deaths: Callable[[], AbstractContextManager[None]] = nullcontext
        self._began = SYSTEM_CLOCK.monotonic()
        self._waited = 0.0
        self._captured = 0.0
        self._gone = False
        self._renewed = False

    # -- making it ---------------------------------------------------------------------

    def create(self) -> None:
        """Make its disk and its domain, listen on its console, and let it run.

        The domain is made paused and unpaused with the recorder attached, so that not a
        byte of its boot is lost (XTF's runner does the same).
        """
        self._files.path.mkdir(parents=True, exist_ok=True)
        if self._ledger:
            self._ledger.wait()
        if self.spec.builder.on_host:
            self._build()
        else:
            with self.step.phase("scratch"):
                make_root(self._fenced, self.disks, self.spec, self._run, self._image.golden)
        if self.seeded:
            with self.step.phase("seed"):
                self._seed()
        make_rest(self._fenced, self.disks, self.spec, self._run)
        config = self.domain_config().to_xl()
        self._files.xl_cfg.write_text(config, encoding="utf-8")
        # Xen's domain builder unpacks kernel and initramfs, and pygrub reads the disk: the
        # first phase of the boot.
        with self.waiting(), self.step.phase("create"):
            try:
                made = self._fenced.xl.create_paused(config, self.name)
            except CreateRefused as error:
                raise whose_fault(error, self.host.runner) from error
        self._domain = Domain(self.host.xl, name=made.name, domid=made.domid)
        self._runvars |= domid_runvars(self._domain)
        command = listen_command(self.spec, self._image, self.name)
        stream = self.host.runner.open(command)
        self._recorder = self._record(stream, self._files.path, name=self.spec.name)
        self._fenced.xl.unpause(self.name)
        self.step.facts.update(self._runvars)

    def _build(self) -> None:
        """Have its disk made on the host. That is the guest's time: the builder is under test."""
        request = BuildRequest(
            host=self._fenced,
            spec=self.spec,
            run=self._run,
            hostname=self.hostname,
            mac=self.mac,
            mirror_url=self._image.mirror_url,
            step=self.step,
            log=self._files.path / "build.log",
            deadline=Deadline.after(self._timeout("build")),
        )
        with in_slot(self._lease), self.waiting(), self.step.phase("build"):
            try:
                built = build_on_host(request)
            finally:
                self._runvars |= {k: v for k, v in self.step.facts.items() if k in DOMID_RUNVARS}
        self.disks = self.disks.on(built)
        self._arguments = built.arguments
        self._image = self._image.model_copy(
            update={"kernel": built.kernel, "initrd": built.initrd}
        )
        if built.remarks:
            self.step.facts["remark"] = "; ".join(built.remarks)

    @property
    def seeded(self) -> bool:
        """Whether the harness writes its own files into the guest: names, keys, a password."""
        wanted = self.spec.image is None or self.spec.image.overlay
        return wanted and self._image.seedable

    def _seed(self) -> None:
        make_keypair(self._host_key, comment=self.hostname)
        seed = guest_seed(
            host_name=self.hostname,
            machine_id=machine_id(self._run, self.spec.name),
            authorized_keys=[self._secrets.public_key],
            host_key=self._host_key.read_bytes(),
            host_key_pub=(load_public(self._host_key) + "\n").encode(),
            root_hash=self._secrets.password_hash,
            swap_device=f"/dev/{self.disks.swap_device}" if self._swaps else None,
            extra=(
                *menu_files(self.spec, self._image),
                *patience(self.host.timeout_factor),
            ),
        )
        if self.spec.image:
            self.step.facts["overlay"] = " ".join(seed.written)
        device = self.host.volumes.path(self.disks.root)
        apply_seed(self._fenced.runner, device, seed, self.disks.root_offset)

    @property
    def _swaps(self) -> bool:
        """Whether the guest must be told of its swap space; a builder on the host does that."""
        return self.disks.swap is not None and not self.spec.builder.on_host

    def domain_config(self) -> DomainConfig:
        """Its xl.cfg(5) as data."""
        return domain_config(
            self.spec,
            name=self.name,
            image=self._image,
            arguments=kernel_arguments(self.spec, self._image, self._arguments),
            uuid=self._runvars["uuid"],
            disks=self.disks.attached(self.host),
            vif=Vif(mac=self.mac, bridge=self.host.bridge),
            capabilities=self._capabilities,
        )

    # -- driving it --------------------------------------------------------------------

    def boot(self) -> None:
        """Follow its boot to the login prompt, phase by phase, and log in on the console."""
        watcher = BootWatcher(
            self.recorder,
            # Not "login": the watcher has its own, shorter grace for a prompt that should
            # be there; the flight's is for the dialogue that follows.
            timeouts={
                phase: self._timeout(phase) for phase in self.spec.timeouts if phase != "login"
            },
            domain_state=self._pressure.along(self.domain.state),
            hostname=self.hostname,
            step=self.step,
            timeout_factor=self.host.timeout_factor,
            console=guest_console(self.spec, self._image),
        )
        with in_slot(self._lease), self.waiting():
            booted = watcher.to_login()
        self._deaths = DeathWatch(self.recorder, booted.position).told
        for remark in booted.remarks:
            self.step.facts.setdefault("remark", remark)
        if not self.seeded:
            return
        with in_slot(self._lease), self.waiting(), self.step.phase("console-login"):
            console = RecorderSpawn(self.recorder, start=booted.position)
            self._shell = login(
                console, "root", self._secrets.password, timeout=self._timeout("login")
            )

    @property
    def recorder(self) -> ConsoleRecorder:
        """Its console; `LabError` before `create`."""
        return self._needed(self._recorder, "has no console yet")

    @property
    def domain(self) -> Domain:
        """Its domain; `LabError` before `create`."""
        return self._needed(self._domain, "has no domain yet")

    @property
    def shell(self) -> ConsoleShell:
        """root's shell on its console; `LabError` before `boot`, `NotApplicable` for a guest
        that was not given our password.
        """
        self._require_seeded()
        return self._needed(self._shell, "has nobody logged in on its console")

    @property
    def ssh(self) -> GuestChannel:
        """root's commands over SSH; `LabError` before `connect`, `NotApplicable` as for `shell`."""
        self._require_seeded()
        return self._needed(self._ssh, "is not connected over SSH")

    def connect(self) -> GuestChannel:
        """Find its address, then log in over SSH: two phases, two classes of failure."""
        with in_slot(self._lease), self.waiting(), self.step.phase("network"):
            address = find_address(self.shell, self.mac, self._timeout("network"))
        self.remember("guest_ip", str(address))
        with in_slot(self._lease), self.waiting(), self.step.phase("ssh"):
            runner = self._connect(address, self._timeout("ssh"))
        self._ssh = GuestChannel(
            runner,
            self.host.runner,
            evidence=self.recorder.tail,
            waiting=self.waiting,
            factor=self.host.timeout_factor,
        )
        return self._ssh

    def _connect(self, address: ipaddress.IPv4Address, timeout: timedelta) -> Runner:
        endpoint = SshEndpoint(
            name=self.hostname,
            address=str(address),
            port=22,
            user="root",
            key_file=self._secrets.user_key,
            host_key=load_public(self._host_key),
        )
        return connect_through(self.host, endpoint, Deadline.after(timeout), self.recorder.tail)

    def shut_down(self) -> None:
        """Ask it to power off, and wait until its domain is gone and its console said so."""
        with in_slot(self._lease):
            mark = self.recorder.mark()
            self._disconnect()
            self.domain.shutdown()
            with self.waiting():
                wait_down(
                    self.domain, self.recorder, mark, Deadline.after(self._timeout("shutdown"))
                )

    # -- leaving it --------------------------------------------------------------------

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
        remove_guest(self.host, self.name, self._domain, self.disks.volumes)
        if self.spec.builder.on_host:
            bound = Deadline.after(self.host.stretched(VOLUME_TIMEOUT))
            remove_built(self.host, self._run, self.hostname, bound)
        self._gone = True

    def keep(self) -> bool:
        """Leave it on the host, marked so that nobody reaps it; False when it is gone already.

        With the plan's *keep_for*, nobody does until then.
        """
        there = {volume.name for volume in self.host.volumes.list()}
        mine = [volume for volume in self.disks.volumes if volume in there]
        if self._gone or not mine:
            return False
        tags = kept_tags(self.host.runner, self._keep_for)
        for volume in mine:
            self.host.volumes.add_tags(volume, tags)
        return True

    def close(self) -> None:
        """Let go of console, connections and slot; never raises."""
        self._disconnect()
        if self._recorder:
            self._recorder.close()
        self._lease.release()
        if self._renewed:
            self.host.close()

    def check_leaks(self) -> Future[StepResult]:
        """What of it is on the host still, now that it was left; see `JobLedger.check`."""
        if self._ledger is None:
            return unchecked()
        return self._ledger.check(domids_of(self._runvars | domid_runvars(self._domain)))

    def facts(self, *, kept: bool) -> JobFacts:
        """For the results: where its time went, what it was called."""
        self._runvars |= domid_runvars(self._domain)
        ours = SYSTEM_CLOCK.monotonic() - self._began - self._waited - self._captured
        waits = {"guest": round(self._waited, 2), "harness": round(ours, 2)}
        if self._captured:
            waits["evidence"] = round(self._captured, 2)
        return JobFacts(host=self.host.name, kept=kept, waits=waits, runvars=dict(self._runvars))

    # -- small parts -------------------------------------------------------------------

    def remember(self, name: str, value: str) -> None:
        """Store a runvar, in the job and in the step that found it."""
        self._runvars[name] = self.step.facts[name] = value

    def recall(self, name: str) -> str:
        """A runvar that an earlier step stored; `LabError` if none did."""
        return self._needed(self._runvars.get(name), f"has no {name}")

    def stretched(self, timeout: timedelta) -> timedelta:
        """*timeout*, which is meant for hardware, on this guest's host."""
        return self.host.stretched(timeout)

    def _require_seeded(self) -> None:
        if not self.seeded:
            msg = "the image was left as it is, so nobody has a password or a key for it"
            raise NotApplicable(msg)

    def _disconnect(self) -> None:
        if self._ssh:
            self._ssh.close()
            self._ssh = None

    def _timeout(self, phase: str) -> timedelta:
        return self.host.stretched(self.spec.timeouts[phase])

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside as spent on the guest, not on us.

        What did not come in time is `HostOverloaded` if the host was, and has the class of
        the guest's death if it told of one on its console.
        """
        began = SYSTEM_CLOCK.monotonic()
        try:
            with told_from_overload(self._pressure, self.step), self._deaths():
                yield
        finally:
            self._waited += SYSTEM_CLOCK.monotonic() - began

    def _needed(self, value: T | None, what: str) -> T:
        if value is None:
            # A worker that died took the guest's state along; the steps after it land here.
            msg = f"the guest of {self.spec.name} {what} in this process"
            raise LabError(msg)
        return value
