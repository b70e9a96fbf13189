"""One guest from its first byte to its last: what the steps of a suite work with."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from harness.build.model import BuildRequest
from harness.build.on_host import build_on_host
from harness.build.remove import remove_built
from harness.console.boot import BootWatcher
from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.console.recorder import ConsoleRecorder
from harness.console.shell import ConsoleShell
from harness.errors import DeadlineExceeded, GuestFailure, HostLost, LabError, NotApplicable
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.guest.identity import MacAllocator, host_name, machine_id
from harness.guest.seed import apply_seed, guest_seed, patience
from harness.host.capabilities import Capabilities
from harness.host.names import domain_name
from harness.host.reaper import KEPT
from harness.host.xenhost import XenHost
from harness.job.address import find_address
from harness.job.booting import (
    domain_config,
    guest_console,
    kernel_arguments,
    listen_command,
    menu_files,
)
from harness.job.channel import GuestChannel
from harness.job.disks import make_rest, make_root, plan_disks
from harness.job.prepared import JobFacts, PreparedImage
from harness.job.refusal import whose_fault
from harness.job.secrets import FlightSecrets
from harness.job.teardown import VOLUME_TIMEOUT, remove_guest
from harness.remote.keys import load_public, make_keypair
from harness.remote.ssh import SshRunner
from harness.remote.sshlink import SshEndpoint
from harness.results.layout import JobDirectory
from harness.steps import StepRecord
from harness.wait import Deadline
from harness.xen.config import DomainConfig, Vif
from harness.xen.domain import Domain
from harness.xen.toolstack import CreateRefused

POWERED_OFF = re.compile(r"reboot: (Power down|System halted|Power off not available)")
"""Linux's last words (kernel/reboot.c). A PV guest has no power to switch off, and halts;
6.12 then says "Power off not available: System halted instead"."""
T = TypeVar("T")


class GuestUnderTest:
    """The guest of one job. Its steps call it in order; `step` is the one that runs."""

    def __init__(
        self,
        *,
        spec: JobSpec,
        plan: Plan,
        host: XenHost,
        image: PreparedImage,
        secrets: Path,
        files: JobDirectory,
        capabilities: Capabilities,
    ) -> None:
        self.spec = spec
        self.host = host
        self.name = domain_name(plan.flight_id, spec.name)
        self.hostname = host_name(plan.flight_id, spec.name)
        self.disks = plan_disks(spec, plan.flight_id, image)
        self.mac = MacAllocator(plan.flight_id, (job.name for job in plan.jobs)).mac(spec.name)
        self.step = StepRecord(job=spec.name, testid="none")
        self._run = plan.flight_id
        self._image = image
        self._capabilities = capabilities
        self._arguments = f"root=/dev/{self.disks.root_device} ro"
        self._secrets = FlightSecrets(secrets)
        self._host_key = secrets / f"host-{self.hostname}"
        self._files = files
        self._domain: Domain | None = None
        self._recorder: ConsoleRecorder | None = None
        self._shell: ConsoleShell | None = None
        self._ssh: GuestChannel | None = None
        self._runvars: dict[str, str] = {"domain": self.name, "hostname": self.hostname}
        self._runvars["mac"] = self.mac
        self._began = time.monotonic()
        self._waited = 0.0
        self._gone = False

    # -- making it ---------------------------------------------------------------------

    def create(self) -> None:
        """Make its disk and its domain, listen on its console, and let it run.

        The domain is made paused and unpaused with the recorder attached, so that not a
        byte of its boot is lost (XTF's runner does the same).
        """
        self._files.path.mkdir(parents=True, exist_ok=True)
        if self.spec.builder.on_host:
            self._build()
        else:
            with self.step.phase("scratch"):
                make_root(self.host, self.disks, self.spec, self._run, self._image.golden)
        if self.seeded:
            with self.step.phase("seed"):
                self._seed()
        make_rest(self.host, self.disks, self.spec, self._run)
        config = self.domain_config().to_xl()
        self._files.xl_cfg.write_text(config, encoding="utf-8")
        # Xen's domain builder unpacks kernel and initramfs, and pygrub reads the disk: the
        # first phase of the boot.
        with self.waiting(), self.step.phase("create"):
            try:
                self._domain = self.host.xl.create_paused(config, self.name)
            except CreateRefused as error:
                raise whose_fault(error, self.host.runner) from error
        command = listen_command(self.spec, self._image, self.name)
        stream = self.host.runner.open(command)
        self._recorder = ConsoleRecorder(stream, self._files.path, name=self.spec.name)
        self._domain.unpause()
        self.step.facts.update(self._runvars)

    def _build(self) -> None:
        """Have its disk made on the host. That is the guest's time: the builder is under test."""
        request = BuildRequest(
            host=self.host,
            spec=self.spec,
            run=self._run,
            hostname=self.hostname,
            mac=self.mac,
            mirror_url=self._image.mirror_url,
            step=self.step,
            log=self._files.path / "build.log",
            deadline=Deadline.after(self._timeout("build")),
        )
        with self.waiting(), self.step.phase("build"):
            built = build_on_host(request)
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
        apply_seed(self.host.runner, device, seed, self.disks.root_offset)

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
            domain_state=self.domain.state,
            hostname=self.hostname,
            step=self.step,
            timeout_factor=self.host.timeout_factor,
            console=guest_console(self.spec, self._image),
        )
        with self.waiting():
            booted = watcher.to_login()
        for remark in booted.remarks:
            self.step.facts.setdefault("remark", remark)
        if not self.seeded:
            return
        with self.waiting(), self.step.phase("console-login"):
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
        with self.waiting(), self.step.phase("network"):
            address = find_address(self.shell, self.mac, self._timeout("network"))
        self.remember("guest_ip", str(address))
        with self.waiting(), self.step.phase("ssh"):
            runner = self._connect(address, self._timeout("ssh"))
        self._ssh = GuestChannel(
            runner,
            self.host.runner,
            evidence=self.recorder.tail,
            waiting=self.waiting,
            factor=self.host.timeout_factor,
        )
        return self._ssh

    def _connect(self, address: ipaddress.IPv4Address, timeout: timedelta) -> SshRunner:
        endpoint = SshEndpoint(
            name=self.hostname,
            address=str(address),
            port=22,
            user="root",
            key_file=self._secrets.user_key,
            host_key=load_public(self._host_key),
        )
        try:
            return SshRunner.connect(
                endpoint,
                Deadline.after(timeout),
                dial=lambda: self.host.runner.open_tcp(str(address), 22),
            )
        except HostLost as error:
            if not self.host.runner.alive:
                raise
            # dom0 still talks to us, so it is the guest that does not.
            msg = f"no SSH to the guest at {address}: {error}"
            raise GuestFailure(
                msg,
                phase="ssh",
                failure_class="no-ssh",
                evidence=self.recorder.tail(),
            ) from error

    def shut_down(self) -> None:
        """Ask it to power off, and wait until its domain is gone and its console said so."""
        mark = self.recorder.mark()
        self._disconnect()
        self.domain.shutdown()
        with self.waiting():
            self._wait_down(mark, Deadline.after(self._timeout("shutdown")))

    def _wait_down(self, mark: int, deadline: Deadline) -> None:
        try:
            self.domain.wait_gone(deadline)
        except DeadlineExceeded as error:
            raise GuestFailure(
                str(error),
                phase="shutdown",
                failure_class="no-shutdown",
                evidence=self.recorder.tail(),
            ) from error
        said = "\n".join(self.recorder.lines_since(mark))
        if not POWERED_OFF.search(said):
            msg = "its domain is gone, but its kernel never said on the console that it ended"
            raise GuestFailure(
                msg,
                phase="shutdown",
                failure_class="unclean-shutdown",
                evidence=self.recorder.tail(),
            )

    # -- leaving it --------------------------------------------------------------------

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
        """Leave it on the host, marked so that nobody reaps it; False when it is gone already."""
        there = {volume.name for volume in self.host.volumes.list()}
        mine = [volume for volume in self.disks.volumes if volume in there]
        if self._gone or not mine:
            return False
        for volume in mine:
            self.host.volumes.add_tags(volume, (KEPT,))
        return True

    def close(self) -> None:
        """Let go of console and connections; never raises."""
        self._disconnect()
        if self._recorder:
            self._recorder.close()

    def facts(self, *, kept: bool) -> JobFacts:
        """For the results: where its time went, what it was called."""
        total = time.monotonic() - self._began
        waits = {"guest": round(self._waited, 2), "harness": round(total - self._waited, 2)}
        return JobFacts(kept=kept, waits=waits, runvars=dict(self._runvars))

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
        """Count the time inside as spent on the guest, not on us."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - began

    def _needed(self, value: T | None, what: str) -> T:
        if value is None:
            # A worker that died took the guest's state along; the steps after it land here.
            msg = f"the guest of {self.spec.name} {what} in this process"
            raise LabError(msg)
        return value
