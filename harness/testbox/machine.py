"""A testbox: a real Xen host inside QEMU, started, resumed, saved and stopped."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import timedelta

from harness.cache import content_key, exclusive
from harness.errors import LabError, XenflightError
from harness.flight.model import TestboxSpec
from harness.progress import Progress, silent
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.remote.sshlink import SshEndpoint
from harness.testbox.accel import Accel, choose_accel
from harness.testbox.dom0 import Dom0Image, ensure_dom0
from harness.testbox.launch import Launch, accelerators, set_clock
from harness.testbox.paths import TestboxPaths, base_directory
from harness.testbox.qemu import QEMU, Hardware
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord
from harness.testbox.volumes import SCRIPT, make_volume_group
from harness.testbox.warm import SavedState, overlay
from harness.wait import Deadline

BOOT_TIMEOUT = timedelta(minutes=10)
RESUME_TIMEOUT = timedelta(minutes=1)
SAVE_TIMEOUT = timedelta(minutes=3)


@dataclass(frozen=True, kw_only=True)
class Started:
    """A testbox that runs, and how it came to."""

    endpoint: SshEndpoint
    accel: Accel
    how: str
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
        self._runner = runner or LocalRunner()
        self._notes: list[str] = []

    def record(self) -> InstanceRecord | None:
        """The running QEMU; None when it is down."""
        record = InstanceRecord.read(self.paths.record)
        return record if record and record.alive else None

    def image(self, progress: Progress = silent, *, rebuild: bool = False) -> Dom0Image:
        """Its dom0 image, built if there is none."""
        return ensure_dom0(self.spec.release, self._runner, progress, rebuild=rebuild)

    # -- up ----------------------------------------------------------------------------

    def up(self, progress: Progress = silent) -> Started:
        """Have it running: as it is, resumed, or booted; what is missing is built first.

        `LabError` says what could not be had.
        """
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            check_tools()
            image = self.image(progress)
            record = self.record()
            if record:
                endpoint = self._launch(image, record.accel).endpoint(record)
                how = f"was running ({record.how})"
                return Started(endpoint=endpoint, accel=record.accel, how=how, seconds=0.0)
            began = time.monotonic()
            self._notes = []
            launch, record = self._start(image, progress)
            return Started(
                endpoint=launch.endpoint(record),
                accel=record.accel,
                how=record.how,
                seconds=time.monotonic() - began,
                notes=tuple(self._notes),
            )

    def _start(self, image: Dom0Image, progress: Progress) -> tuple[Launch, InstanceRecord]:
        self.paths.top.mkdir(parents=True, exist_ok=True)
        choices = accelerators(choose_accel()[0])
        for accel in choices:
            launch = self._launch(image, accel)
            try:
                return launch, self._start_with(launch, image, progress)
            except LabError as error:
                if accel is choices[-1]:
                    raise
                self._notes.append(f"{accel} does not work here: {error}")
        raise AssertionError(choices)

    def _start_with(self, launch: Launch, image: Dom0Image, progress: Progress) -> InstanceRecord:
        key = self._warm_key(image, launch.hardware)
        saved = SavedState(directory=self.paths.top, key=key)
        warm = SavedState(directory=base_directory() / f"warm-{key}", key=key)
        record = self._try_resume(saved, launch, progress)
        if record:
            return record
        lock = base_directory() / f"warm-{key}.lock"
        with exclusive(lock, what="booting a testbox for the first time"):
            record = self._try_resume(warm, launch, progress)
            if record:
                return record
            self._make_warm(warm, launch, image, progress)
        record = self._try_resume(warm, launch, progress)
        if record:
            return record
        msg = f"testbox {self.name} boots, but can't be resumed: {'; '.join(self._notes)}"
        raise LabError(msg, hint=f"see {self.paths.qemu_log}")

    def _try_resume(
        self, state: SavedState, launch: Launch, progress: Progress
    ) -> InstanceRecord | None:
        own = state.directory == self.paths.top
        kind = "saved" if own else "warm"
        why_not = state.why_not()
        if why_not:
            if why_not != "there is none":
                self._notes.append(f"the {kind} state was not used: {why_not}")
            return None
        progress(f"resuming testbox {self.name}")
        try:
            if own:
                state.unseal()
            else:
                overlay(self._runner, state.root, self.paths.files.root)
                overlay(self._runner, state.volumes, self.paths.files.volumes)
            how = "resumed as it was left" if own else "resumed from the warm snapshot"
            record = launch.start(how, state.memory)
            deadline = Deadline.after(RESUME_TIMEOUT)
            launch.resume(record, deadline)
            dom0 = launch.wait_for_ssh(record, deadline, silent)
            try:
                set_clock(dom0)
            finally:
                dom0.close()
        except XenflightError as error:
            self._notes.append(f"the {kind} state did not resume: {error}")
            self.kill()
            if not own:
                state.discard()
            return None
        return record

    def _make_warm(
        self, warm: SavedState, launch: Launch, image: Dom0Image, progress: Progress
    ) -> None:
        """Boot from scratch, make the volume group, and freeze the result as *warm*."""
        warm.discard()
        warm.directory.mkdir(parents=True)
        files = self.paths.files
        overlay(self._runner, image.root, files.root, backing_format="raw")
        files.volumes.unlink(missing_ok=True)
        create = ("qemu-img", "create", "-q", "-f", "qcow2", files.volumes, self.spec.disk)
        self._runner.run(Command.of(*create))
        record = launch.start("booted")
        try:
            deadline = Deadline.after(BOOT_TIMEOUT)
            dom0 = launch.wait_for_ssh(record, deadline, progress)
            try:
                progress("making the volume group", 0.9)
                make_volume_group(dom0)
                # What the page cache holds would only make the state larger.
                dom0.run(Command.shell("sync; echo 3 > /proc/sys/vm/drop_caches"))
            finally:
                dom0.close()
            progress("saving the warm snapshot", 0.95)
            with connect(files.qmp, deadline) as qmp:
                qmp.save_state(warm.memory, Deadline.after(SAVE_TIMEOUT))
        finally:
            self.kill()
        shutil.move(files.root, warm.root)
        shutil.move(files.volumes, warm.volumes)
        warm.seal()

    # -- down --------------------------------------------------------------------------

    def down(self, *, save: bool = True, progress: Progress = silent) -> bool:
        """Stop it; with *save* its state is kept for the next `up`. False if it was down."""
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            record = self.record()
            if not record:
                return False
            if save:
                self._save(record, progress)
            self.kill()
            return True

    def _save(self, record: InstanceRecord, progress: Progress) -> None:
        progress(f"saving testbox {self.name}")
        image = self.image()
        key = self._warm_key(image, self._hardware(record.accel))
        state = SavedState(directory=self.paths.top, key=key)
        with connect(self.paths.files.qmp, Deadline.after(RESUME_TIMEOUT)) as qmp:
            qmp.save_state(state.memory, Deadline.after(SAVE_TIMEOUT))
        state.seal()

    def rebuild(self, progress: Progress = silent) -> Started:
        """Throw away the dom0 image and what this testbox became, and start anew."""
        with exclusive(self.paths.lock, what=f"testbox {self.name}"):
            self.kill()
            shutil.rmtree(self.paths.top, ignore_errors=True)
            self.image(progress, rebuild=True)
        return self.up(progress)

    def kill(self) -> None:
        """End its QEMU as a power cut would."""
        record = InstanceRecord.read(self.paths.record)
        if record:
            record.end()
        self.paths.record.unlink(missing_ok=True)

    # -- small parts -------------------------------------------------------------------

    def _hardware(self, accel: Accel) -> Hardware:
        return Hardware(accel=accel, memory=self.spec.memory, vcpus=self.spec.vcpus)

    def _launch(self, image: Dom0Image, accel: Accel) -> Launch:
        return Launch(
            runner=self._runner,
            paths=self.paths,
            hardware=self._hardware(accel),
            boot=image.boot_files,
            key_file=image.key_file,
            host_key=image.host_key,
        )

    def _warm_key(self, image: Dom0Image, hardware: Hardware) -> str:
        version = self._runner.run(Command.of(QEMU, "--version")).stdout.splitlines()[0]
        return content_key(image.key, version, *hardware.options(), str(self.spec.disk), SCRIPT)


def check_tools() -> None:
    """`LabError` when QEMU is not installed."""
    for tool in (QEMU, "qemu-img"):
        if not shutil.which(tool):
            msg = f"{tool} is not installed"
            raise LabError(msg, hint="apt install qemu-system-x86 qemu-utils")
