"""Bringing a testbox up: from its own saved state, from a warm one, or by booting.

Each way that does not work falls back to the next, and the notes say why.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field

from harness.cache import content_key, exclusive
from harness.errors import LabError, XenflightError
from harness.flight.model import BoxBoot, TestboxSpec
from harness.progress import Progress, silent
from harness.remote.command import Command
from harness.testbox import wires
from harness.testbox.dom0 import Dom0Image
from harness.testbox.installing import INSTALL, ensure_installed
from harness.testbox.launch import Launch, set_clock
from harness.testbox.limits import BOOT_TIMEOUT, RESUME_TIMEOUT, SAVE_TIMEOUT, WARM_SPACE
from harness.testbox.paths import TestboxPaths, base_directory
from harness.testbox.qemu import DOM0_ARGS, XEN_ARGS, Hardware
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord, Stage
from harness.testbox.space import require_space
from harness.testbox.volumes import SCRIPT, make_volume_group
from harness.testbox.warm import NONE, SavedState, new_warm_state, overlay, warm_states
from harness.wait import Deadline


def warm_key(image: Dom0Image, hardware: Hardware, spec: TestboxSpec) -> str:
    """The key of all that must be the same for a state to be resumed."""
    version = hardware.emulator.version
    how = [XEN_ARGS, DOM0_ARGS, SCRIPT]
    if spec.boot is BoxBoot.DISK:
        how.append(INSTALL)
    if spec.spare_nics:
        how.append(wires.SCRIPT)
    return content_key(image.key, version, *hardware.options(), str(spec.disk), *how)


@dataclass(kw_only=True)
class BringUp:
    """One start of a testbox that is down, with one accelerator."""

    launch: Launch
    spec: TestboxSpec
    progress: Progress
    notes: list[str] = field(default_factory=list)
    """What was tried and did not work."""
    booted: bool = False
    """Whether a new warm state was made."""

    @property
    def _paths(self) -> TestboxPaths:
        return self.launch.paths

    def run(self) -> InstanceRecord:
        """Start it, one way or another; `LabError` when none works."""
        self._paths.top.mkdir(parents=True, exist_ok=True)
        if not self.launch.hardware.can_be_saved:
            return self._boot_to_stay()
        record = self._resume(SavedState(directory=self._paths.top, key=self.launch.key))
        record = record or self._resume_warm()
        if record:
            return record
        lock = base_directory() / f"{self.spec.release}-boot.lock"
        with exclusive(lock, what="booting a testbox for the first time"):
            # Somebody else may have made one while we waited.
            record = self._resume_warm()
            if record:
                return record
            self._make_warm()
        record = self._resume_warm()
        if record:
            return record
        msg = f"testbox {self._paths.name} boots, but can't be resumed: {'; '.join(self.notes)}"
        raise LabError(msg, hint=f"see {self._paths.qemu_log}")

    def _resume_warm(self) -> InstanceRecord | None:
        """Resume the newest warm state that works; what does not is never tried again."""
        for state in reversed(warm_states(base_directory(), self.launch.key)):
            record = self._resume(state)
            if record:
                return record
            # Its disks may be in use below others' overlays: only its seal goes.
            state.unseal()
        return None

    def _resume(self, state: SavedState) -> InstanceRecord | None:
        own = state.directory == self._paths.top
        kind = "saved" if own else "warm"
        why_not = state.why_not()
        if why_not:
            if why_not != NONE:
                self.notes.append(f"the {kind} state was not used: {why_not}")
            return None
        self.progress(f"resuming testbox {self._paths.name}")
        how = "resumed as it was left" if own else "resumed from the warm snapshot"
        try:
            if not own:
                self._fresh_disks(state)
            return self._go_on_from(state, how, spend=own)
        except XenflightError as error:
            self.notes.append(f"the {kind} state did not resume: {error}")
            end(self._paths)
            return None

    def _fresh_disks(self, state: SavedState) -> None:
        SavedState(directory=self._paths.top, key="").unseal()
        files = self._paths.files
        overlay(self.launch.runner, state.root, files.root)
        overlay(self.launch.runner, state.volumes, files.volumes)

    def _go_on_from(self, state: SavedState, how: str, *, spend: bool) -> InstanceRecord:
        deadline = Deadline.after(RESUME_TIMEOUT)
        going = False

        def before() -> None:
            nonlocal going
            if spend:
                # From here on its disks change, and its memory no longer fits them.
                state.unseal()
            going = True

        try:
            record = self.launch.start(how, state.memory)
            record = self.launch.resume(record, deadline, before)
        except XenflightError:
            raise
        except BaseException:
            # Ctrl-C. Before its disks change nothing is lost; after that it runs, and whoever
            # comes next takes it over.
            if not going:
                end(self._paths)
            raise
        return self.settle(record, deadline)

    def settle(self, record: InstanceRecord, deadline: Deadline) -> InstanceRecord:
        """Wait for dom0 of a resumed testbox, and set its clock."""
        dom0 = self.launch.wait_for_ssh(record, deadline, silent)
        try:
            set_clock(dom0)
        finally:
            dom0.close()
        return self.launch.note(record, Stage.READY)

    def _boot_to_stay(self) -> InstanceRecord:
        """Boot from scratch, make the volume group, and go on: QEMU can't save such a machine."""
        self._new_disks()
        try:
            record = self.launch.start("booted; QEMU can save no state of an emulated AMD-Vi")
            self._first_boot(record, Deadline.after(BOOT_TIMEOUT))
        except BaseException:
            end(self._paths)
            raise
        return self.launch.note(record, Stage.READY)

    def _make_warm(self) -> None:
        """Boot from scratch, make the volume group, and freeze the result as a warm state."""
        self._new_disks()
        files = self._paths.files
        warm = new_warm_state(base_directory(), self.launch.key)
        try:
            record = self.launch.start("booted")
            self._boot(record, warm)
            end(self._paths)
            shutil.move(files.root, warm.root)
            shutil.move(files.volumes, warm.volumes)
            shutil.move(files.console_log, warm.boot_log)
            warm.seal()
            self.booted = True
        finally:
            end(self._paths)
            if not warm.sealed:
                shutil.rmtree(warm.directory, ignore_errors=True)

    def _new_disks(self) -> None:
        require_space(base_directory(), WARM_SPACE, f"booting testbox {self._paths.name}")
        SavedState(directory=self._paths.top, key="").unseal()
        files = self._paths.files
        self._new_root()
        files.volumes.unlink(missing_ok=True)
        create = ("qemu-img", "create", "-q", "-f", "qcow2", files.volumes, self.spec.disk)
        self.launch.runner.run(Command.of(*create))

    def _new_root(self) -> None:
        """dom0's disk as it was made, and to be written on."""
        runner, root = self.launch.runner, self._paths.files.root
        if self.spec.boot is BoxBoot.DISK:
            overlay(runner, ensure_installed(self.launch, self.progress), root)
        else:
            overlay(runner, self.launch.image.root, root, backing_format="raw")

    def _first_boot(self, record: InstanceRecord, deadline: Deadline) -> None:
        """Wait for dom0, and make what a new host lacks."""
        dom0 = self.launch.wait_for_ssh(record, deadline, self.progress)
        try:
            self.progress("making the volume group", 0.9)
            make_volume_group(dom0)
            if self.spec.spare_nics:
                wires.join_wires(dom0, self.spec.spare_nics)
            # What the page cache holds would only make the state larger.
            dom0.run(Command.shell("sync; echo 3 > /proc/sys/vm/drop_caches"))
        finally:
            dom0.close()

    def _boot(self, record: InstanceRecord, warm: SavedState) -> None:
        deadline = Deadline.after(BOOT_TIMEOUT)
        self._first_boot(record, deadline)
        self.progress("saving the warm snapshot", 0.95)
        try:
            with connect(self._paths.files.qmp, deadline) as qmp:
                qmp.save_state(warm.memory, Deadline.after(SAVE_TIMEOUT))
        except LabError:
            self.launch.check_runs(record)
            raise


def end(paths: TestboxPaths) -> None:
    """End a testbox's QEMU as a power cut would, and forget it."""
    record = InstanceRecord.read(paths.record)
    if record:
        record.end()
    paths.record.unlink(missing_ok=True)
