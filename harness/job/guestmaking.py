"""Making a guest: its disk, its files, its domain, and an ear at its console."""

from __future__ import annotations

from harness.build.model import BuildRequest
from harness.build.on_host import build_on_host
from harness.guest.identity import machine_id
from harness.guest.seed import apply_seed, guest_seed, patience
from harness.job.booting import (
    domain_config,
    kernel_arguments,
    listen_command,
    menu_files,
)
from harness.job.disks import make_rest, make_root
from harness.job.guestdevice import GuestDevice
from harness.job.leaks import DOMID_RUNVARS
from harness.job.refusal import whose_fault
from harness.job.seat import Seat
from harness.job.slot import in_slot
from harness.remote.keys import load_public, make_keypair
from harness.wait import Deadline
from harness.xen.config import Disk, DomainConfig, Vif
from harness.xen.domain import Domain
from harness.xen.toolstack import CreateRefused


class GuestMaking(GuestDevice):
    """How it comes to be on its host."""

    def create(self) -> None:
        """Make its disk and its domain, listen on its console, and let it run.

        The domain is made paused and unpaused with the recorder attached, so that not a
        byte of its boot is lost (XTF's runner does the same).
        """
        self._files.path.mkdir(parents=True, exist_ok=True)
        for seat in self._seats:
            if seat.ledger:
                seat.ledger.wait()
        if self.spec.builder.on_host:
            self._build()
        else:
            with self.step.phase("scratch"):
                make_root(self._fenced, self.disks, self.spec, self._run, self._image.golden)
        if self.seeded:
            with self.step.phase("seed"):
                self._seed()
        make_rest(self._fenced, self.disks, self.spec, self._run)
        if self.spec.passthrough:
            self.assign_device()
        self._launch(self.domain_config())
        self.step.facts.update(self._runvars)

    def _launch(self, config: DomainConfig) -> None:
        """Make its domain, paused; listen, and let it run."""
        text = config.to_xl()
        self._files.xl_cfg.write_text(text, encoding="utf-8")
        # Xen's domain builder unpacks kernel and initramfs, and pygrub reads the disk: the
        # first phase of the boot.
        with self.waiting(), self.step.phase("create"):
            try:
                made = self._tools.lives.create_paused(text, self.name)
            except CreateRefused as error:
                raise whose_fault(error, self.host.runner) from error
        self._is_now(made.domid)
        self._listen()
        self._tools.lives.unpause(self.name)

    def _is_now(self, domid: int) -> None:
        """Its domain has this number; those that it had before are remembered."""
        if self._domain is None:
            self._seat.domain = Domain(self.host.xl, name=self.name, domid=domid)
        else:
            self._domain.became(domid)
        found = self._numbers()
        self._runvars |= found
        self.step.facts |= found

    def _listen(self) -> None:
        """Record its console, in one log over all the domains that it has."""
        command = listen_command(self.spec, self._image, self.name)
        stream = self.host.runner.open(command)
        if self._recorder is None:
            self._recorder = self._record(stream, self._files.path, name=self.spec.name)
        else:
            self._boots_at = self._recorder.attach(stream)

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

    def _seed(self) -> None:
        make_keypair(self._host_key, comment=self.hostname)
        seed = guest_seed(
            host_name=self.hostname,
            machine_id=machine_id(self._run, self._identity),
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
        return self._config_at(self._seat)

    def _config_at(self, seat: Seat) -> DomainConfig:
        """The same for that host."""
        return domain_config(
            self.spec,
            name=self.name,
            image=self._image,
            arguments=kernel_arguments(self.spec, self._image, self._arguments),
            uuid=self._runvars["uuid"],
            disks=self._disks_at(seat),
            # With a card of the host's all goes over that (as in osstest).
            vifs=() if self._device else (Vif(mac=self.mac, bridge=seat.host.bridge),),
            pci=(self._device.address,) if self._device else (),
            capabilities=seat.capabilities,
        )

    def _disks_at(self, seat: Seat) -> tuple[Disk, ...]:
        """Its disks, as they are called there."""
        return self.disks.attached(seat.host)
