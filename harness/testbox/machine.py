"""A testbox: a real Xen host inside QEMU, started, resumed, saved and stopped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.cache import exclusive
from harness.errors import LabError
from harness.flight.model import BoxBoot, TestboxSpec
from harness.progress import Progress, silent
from harness.remote.local import LocalRunner
from harness.remote.sshlink import SshEndpoint
from harness.testbox.accel import Accel, accelerators, choose_accel, note_kvm_failure
from harness.testbox.bringup import BringUp, end, warm_key
from harness.testbox.dom0 import Dom0Image, ensure_dom0
from harness.testbox.emulator import Emulator, emulator_program, find_emulator
from harness.testbox.launch import Launch, MachineDied, free_port
from harness.testbox.limits import ASK_TIMEOUT, RESUME_TIMEOUT, SAVE_TIMEOUT
from harness.testbox.paths import TestboxPaths, base_directory, kvm_failure
from harness.testbox.prune import prune
from harness.testbox.qemu import Hardware
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord, Stage
from harness.testbox.restart import reset, restart
from harness.testbox.warm import SavedState
from harness.wait import Deadline


@dataclass(frozen=True, kw_only=True)
class Started:
    """A testbox that runs, and how it came to."""

    endpoint: SshEndpoint
    accel: Accel
    accel_reason: str
    """Why this accelerator."""
    how: str
    mended: bool
    """Whether it runs in a QEMU of `xenflight testbox mend`."""
    seconds: float
    """How long it took to get it running; 0 if it already was."""
    notes: tuple[str, ...] = ()
    """What was tried first and did not work."""


class Testbox:
    """One named testbox. Its methods lock it, so several processes may use them at once."""

    __test__ = False  # pytest would take the name for a test class

    def __init__(self, name: str, spec: TestboxSpec, runner: LocalRunner | None = None) -> None:
        self.name = name
        self.spec = spec
        self.paths = TestboxPaths(name)
        self.ports: Callable[[], int] = free_port
        """Where ports for its SSH come from; each is tried until one is really free."""
        self._runner = runner or LocalRunner()

    def record(self) -> InstanceRecord | None:
        """The running QEMU; None when it is down."""
        record = InstanceRecord.read(self.paths.record)
        return record if record and record.alive else None

    def image(self, progress: Progress = silent, *, rebuild: bool = False) -> Dom0Image:
        """The dom0 image for its next fresh start, built if there is none."""
        return ensure_dom0(self.spec.release, self._runner, progress, rebuild=rebuild)

    def endpoint(self) -> SshEndpoint:
        """How to reach its dom0; `LabError` when it is down."""
        record = self.record()
        if not record or record.stage is Stage.STARTING:
            msg = f"testbox {self.name} is down"
            raise LabError(msg, hint=f"xenflight testbox up {self.name}")
        return self._launch(self._image_of(record), record.accel, record.key).endpoint(record)

    # -- up ----------------------------------------------------------------------------

    def up(self, progress: Progress = silent) -> Started:
        """Have it running: as it is, resumed, or booted; what is missing is built first.

        `LabError` says what could not be had.
        """
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            check_tools()
            began = time.monotonic()
            accel, reason = choose_accel(failure=kvm_failure())
            notes: list[str] = []
            record = self._take_over(notes, progress)
            if record:
                how, seconds = f"was running ({record.how})", 0.0
            else:
                record = self._start(accel, notes, progress)
                how, seconds = record.how, time.monotonic() - began
            if record.accel is not accel:
                reason = f"{accel} does not work here" if seconds else "it was started with it"
            launch = self._launch(self._image_of(record), record.accel, record.key)
            return Started(
                endpoint=launch.endpoint(record),
                accel=record.accel,
                accel_reason=reason,
                how=how,
                mended=record.mended,
                seconds=seconds,
                notes=tuple(notes),
            )

    def _take_over(self, notes: list[str], progress: Progress) -> InstanceRecord | None:
        """The QEMU that runs already, made to go on if it had stopped; None when none is any good.

        We hold the lock, so whoever started it is done with it or dead.
        """
        record = InstanceRecord.read(self.paths.record)
        if not record:
            return None
        if not record.alive:
            notes.append("it had ended without being asked to, so its guests are gone")
            end(self.paths)
            return None
        if record.stage is Stage.STARTING:
            notes.append("an earlier start was interrupted; it was ended")
            end(self.paths)
            return None
        image = self._image_of(record)
        try:
            image.require()
            self._keep_running(record)
            if record.stage is Stage.RESUMED:
                launch = self._launch(image, record.accel, record.key)
                bring = BringUp(launch=launch, spec=self.spec, progress=progress)
                record = bring.settle(record, Deadline.after(RESUME_TIMEOUT))
        except LabError as error:
            # Who is only busy is not to be ended: guests of others may run in it.
            ready = record.stage is Stage.READY and image.complete
            if ready and record.alive and not isinstance(error, MachineDied):
                raise
            notes.append(f"it was running, but of no use: {error}")
            end(self.paths)
            return None
        return record

    def _keep_running(self, record: InstanceRecord) -> None:
        """Let it go on if somebody died while saving it; `MachineDied` when it never can."""
        deadline = Deadline.after(ASK_TIMEOUT)
        with connect(self.paths.files.qmp, deadline, alive=lambda: record.alive) as qmp:
            status = qmp.status()
            if status in {"paused", "postmigrate", "finish-migrate"}:
                SavedState(directory=self.paths.top, key=record.key).unseal()
                qmp.go_on()
            elif status != "running":
                msg = f"QEMU has stopped: {status}"
                raise MachineDied(msg)

    def _start(self, accel: Accel, notes: list[str], progress: Progress) -> InstanceRecord:
        image = self.image(progress)
        for choice in accelerators(accel):
            emulator = find_emulator(self._runner, choice)
            key = warm_key(image, self._hardware(choice, emulator), self.spec)
            launch = self._launch(image, choice, key, emulator)
            bring = BringUp(launch=launch, spec=self.spec, progress=progress, notes=notes)
            try:
                record = bring.run()
            except MachineDied as error:
                if choice is not Accel.KVM:
                    raise
                notes.append(f"KVM does not work here: {error}")
                note_kvm_failure(kvm_failure(), str(error))
                continue
            if bring.booted:
                prune(self._runner, image, time.time())
            return record
        raise AssertionError(accel)

    # -- down --------------------------------------------------------------------------

    def down(self, *, save: bool = True, progress: Progress = silent) -> bool:
        """Stop it; with *save* its state is kept for the next `up`. False if it was down.

        Without *save* a state that was kept earlier is thrown away, too. `LabError` when QEMU can't
        save a machine like that: it goes on.
        """
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            record = self.record()
            if record and save and record.stage is not Stage.STARTING:
                self._require_saving(record)
                self._save(record, progress)
            end(self.paths)
            if not save:
                self._forget()
            return record is not None

    def _require_saving(self, record: InstanceRecord) -> None:
        """`LabError` for a machine that QEMU can't save: nothing is done to it then."""
        if not self._hardware(record.accel, Emulator()).can_be_saved:
            msg = f"testbox {self.name} has an AMD-Vi, and of such a machine QEMU can save no state"
            raise LabError(msg, hint=f"xenflight testbox down {self.name} --discard")

    def _save(self, record: InstanceRecord, progress: Progress) -> None:
        progress(f"saving testbox {self.name}")
        # It belongs to the image it runs, whatever was built since.
        image = self._image_of(record)
        hardware = self._hardware(record.accel, find_emulator(self._runner, record.accel))
        key = record.key or warm_key(image, hardware, self.spec)
        state = SavedState(directory=self.paths.top, key=key)
        self._keep_running(record)
        deadline = Deadline.after(RESUME_TIMEOUT)
        with connect(self.paths.files.qmp, deadline, alive=lambda: record.alive) as qmp:
            qmp.save_state(state.memory, Deadline.after(SAVE_TIMEOUT))
        state.seal()

    def remove(self) -> None:
        """Stop it and remove all its files; images and warm states stay."""
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            end(self.paths)
            self._forget()
        self.paths.lock.unlink(missing_ok=True)

    def rebuild(self, progress: Progress = silent) -> Started:
        """Make a new dom0 image of today's packages, throw away what this testbox became, and
        start anew. Other testboxes stay as they are until they are stopped."""
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            check_tools()
            self.image(progress, rebuild=True)
            end(self.paths)
            self._forget()
        return self.up(progress)

    def kill(self) -> None:
        """End its QEMU as a power cut would."""
        end(self.paths)

    def power_cycle(self) -> None:
        """Let dom0 boot again, from the disks it has. `LabError` when it was not up."""
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            record = InstanceRecord.read(self.paths.record)
            if not record or record.stage is Stage.STARTING:
                msg = f"testbox {self.name} was not up, so it has nothing to boot again from"
                raise LabError(msg, hint=f"xenflight testbox up {self.name}")
            image = self._image_of(record)
            image.require()
            if self.spec.boot is BoxBoot.DISK and record.alive:
                reset(self.paths)
                return
            emulator = find_emulator(self._runner, record.accel)
            restart(self._launch(image, record.accel, record.key, emulator), record)

    # -- small parts -------------------------------------------------------------------

    def _forget(self) -> None:
        shutil.rmtree(self.paths.top, ignore_errors=True)
        for path in self.paths.sockets:
            path.unlink(missing_ok=True)

    def _image_of(self, record: InstanceRecord) -> Dom0Image:
        return Dom0Image(base_directory() / record.image) if record.image else self.image()

    def _hardware(self, accel: Accel, emulator: Emulator) -> Hardware:
        return Hardware.of(self.spec, accel, emulator)

    def _launch(
        self, image: Dom0Image, accel: Accel, key: str, emulator: Emulator | None = None
    ) -> Launch:
        """*emulator* is only needed to start it."""
        return Launch(
            runner=self._runner,
            paths=self.paths,
            hardware=self._hardware(accel, emulator or Emulator()),
            image=image,
            key=key,
            ports=self.ports,
        )


def check_tools() -> None:
    """`LabError` when QEMU is not installed."""
    emulator_program(Accel.TCG)
    if not shutil.which("qemu-img"):
        msg = "qemu-img is not installed"
        raise LabError(msg, hint="apt install qemu-utils")
