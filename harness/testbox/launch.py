"""Starting one QEMU and waiting until its dom0 answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from harness.console.text import last_lines
from harness.errors import HostLost, LabError
from harness.progress import Progress
from harness.remote.command import Command, Runner
from harness.remote.local import LocalRunner
from harness.remote.ssh import SshRunner
from harness.remote.sshlink import SshEndpoint
from harness.testbox.accel import Accel
from harness.testbox.dom0 import Dom0Image
from harness.testbox.paths import TestboxPaths
from harness.testbox.qemu import Hardware, qemu_command
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord, Stage
from harness.testbox.stages import boot_stage
from harness.wait import Deadline, NotYet, wait_for

PROBE_TIMEOUT = timedelta(seconds=5)
START_TIMEOUT = timedelta(seconds=30)
PORT_TRIES = 5
PORT_TAKEN = "Could not set up host forwarding rule"
SILENCE = {Accel.KVM: timedelta(seconds=30), Accel.TCG: timedelta(minutes=4)}
"""How long a booting host's console may say nothing before it counts as hung."""
LAST_LINES = 5
"""So much of its console is told when it does."""


class MachineDied(LabError):
    """QEMU ended, stopped or hung: with another accelerator it might not."""


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Launch:
    """All that one start of a testbox needs."""

    runner: LocalRunner
    paths: TestboxPaths
    hardware: Hardware
    image: Dom0Image
    key: str
    """Of the warm state that this machine belongs to."""
    ports: Callable[[], int] = free_port

    def start(self, how: str, state: Path | None = None) -> InstanceRecord:
        """Start QEMU and wait until it listens to us; with *state* it comes up paused, from there.

        A free port is only free until somebody takes it: another is tried then.
        """
        for _ in range(PORT_TRIES):
            record = self._spawn(how, state)
            if self._listens(record, Deadline.after(START_TIMEOUT)):
                return record
        msg = f"QEMU got none of {PORT_TRIES} free ports: {self._last_words()}"
        raise LabError(msg)

    def _spawn(self, how: str, state: Path | None) -> InstanceRecord:
        files = self.paths.files
        for path in (files.qmp, files.serial, files.console_log, self.paths.qemu_log):
            path.unlink(missing_ok=True)
        port = self.ports()
        command = qemu_command(
            self.hardware, self.image.boot_files, files, ssh_port=port, state=state
        )
        record = InstanceRecord(
            ssh_port=port,
            accel=self.hardware.accel,
            marker=str(files.qmp),
            started=time.time(),
            how=how,
            stage=Stage.STARTING,
            image=self.image.name,
            key=self.key,
            mended=self.hardware.emulator.mended,
        )
        # Before QEMU is there, so that nobody's death in between leaves one without a record.
        record.write(self.paths.record)
        record = replace(record, pid=self.runner.spawn_detached(command, self.paths.qemu_log))
        record.write(self.paths.record)
        return record

    def _listens(self, record: InstanceRecord, deadline: Deadline) -> bool:
        """Whether QEMU came up; False when its port was taken, `MachineDied` for all else."""
        try:
            with connect(self.paths.files.qmp, deadline, alive=lambda: record.alive):
                return True
        except LabError as error:
            if PORT_TAKEN not in self._qemu_log():
                raise MachineDied(self._last_words()) from error
        record.wait_gone(deadline)
        return False

    def endpoint(self, record: InstanceRecord) -> SshEndpoint:
        """How to reach dom0: a port on this machine's loopback, forwarded by QEMU."""
        return SshEndpoint(
            name=self.paths.name,
            address="127.0.0.1",
            port=record.ssh_port,
            user="root",
            key_file=self.image.key_file,
            host_key=self.image.host_key,
        )

    def resume(
        self, record: InstanceRecord, deadline: Deadline, before: Callable[[], None]
    ) -> InstanceRecord:
        """Let a QEMU that was started from a state go on, as soon as it has read it.

        *before* is called at the last moment before its disks may change.
        """
        with connect(self.paths.files.qmp, deadline) as qmp:

            def loaded() -> None:
                if not record.alive:
                    raise MachineDied(self._last_words())
                if qmp.status() == "inmigrate":
                    msg = "QEMU still reads the state"
                    raise NotYet(msg)

            wait_for(
                loaded,
                what="QEMU to read the saved state",
                deadline=deadline,
                interval=timedelta(milliseconds=50),
            )
            before()
            record = self.note(record, Stage.RESUMED)
            qmp.execute("cont")
        return record

    def note(self, record: InstanceRecord, stage: Stage) -> InstanceRecord:
        """Write down how far it is."""
        record = replace(record, stage=stage)
        record.write(self.paths.record)
        return record

    def wait_for_ssh(
        self, record: InstanceRecord, deadline: Deadline, progress: Progress
    ) -> SshRunner:
        """A connection to dom0, as soon as it answers; ends early when QEMU does."""
        silence = Silence(deadline, SILENCE[record.accel], self.paths.files.console_log)

        def probe() -> SshRunner:
            self.check_runs(record)
            console = self._console()
            stage, fraction = boot_stage(console)
            progress(stage, fraction)
            silence.check(console, stage)
            try:
                return SshRunner.connect(self.endpoint(record), deadline.sooner(PROBE_TIMEOUT))
            except HostLost as error:
                msg = f"{stage}; {error}"
                raise NotYet(msg) from error

        what = f"SSH to dom0 of testbox {self.paths.name}"
        return wait_for(probe, what=what, deadline=deadline, interval=timedelta(milliseconds=200))

    def check_runs(self, record: InstanceRecord) -> None:
        """`MachineDied` when QEMU is gone or has stopped, with its last words."""
        if not record.alive:
            raise MachineDied(self._last_words())
        try:
            with connect(self.paths.files.qmp, Deadline.after(PROBE_TIMEOUT)) as qmp:
                status = qmp.status()
        except LabError:
            # Too busy to answer, or just ended: the next look tells.
            return
        if status != "running":
            # KVM without real hardware behind it ends here, in Xen's first instructions.
            msg = f"QEMU stopped with {status!r} while the testbox started: {self._last_words()}"
            raise MachineDied(msg, hint=f"see {self.paths.qemu_log}")

    def _console(self) -> bytes:
        try:
            return self.paths.files.console_log.read_bytes()
        except OSError:
            return b""

    def _qemu_log(self) -> str:
        try:
            return self.paths.qemu_log.read_text(errors="replace").strip()
        except OSError:
            return ""

    def _last_words(self) -> str:
        said = self._qemu_log().splitlines()
        return f"QEMU ended: {said[-1] if said else 'it said nothing'}"


class Silence:
    """Notices when a console has said nothing new for too long."""

    def __init__(self, deadline: Deadline, longest: timedelta, log: Path) -> None:
        self._clock = deadline.clock
        self._longest = longest.total_seconds()
        self._log = log
        self._length = -1
        self._since = self._clock.monotonic()

    def check(self, console: bytes, stage: str) -> None:
        now = self._clock.monotonic()
        if len(console) != self._length:
            self._length, self._since = len(console), now
        elif now - self._since > self._longest:
            # The log may be gone by the time that somebody reads this.
            said = last_lines(console, LAST_LINES).replace("\n", " | ") or "nothing at all"
            msg = (
                f"its console has said nothing for {self._longest:.0f} s; last seen: {stage}; "
                f"it ends with: {said}"
            )
            raise MachineDied(msg, hint=f"see {self._log}")


def set_clock(dom0: Runner) -> None:
    """Set the host's clock: a resumed one lives in the past, which TLS, make and apt notice.

    dom0 passes it on to Xen, from where guests take it.
    """
    dom0.run(Command.of("date", "--utc", "--set", f"@{time.time():.3f}"))
