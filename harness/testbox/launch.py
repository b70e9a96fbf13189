"""Starting one QEMU and waiting until its dom0 answers."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.errors import HostLost, LabError
from harness.progress import Progress
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.remote.ssh import SshRunner
from harness.remote.sshlink import SshEndpoint
from harness.testbox.accel import Accel
from harness.testbox.paths import TestboxPaths
from harness.testbox.qemu import BootFiles, Hardware, qemu_command
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord
from harness.wait import Deadline, NotYet, wait_for

PROBE_TIMEOUT = timedelta(seconds=5)

BOOT_STAGES = (
    (re.compile(rb"Xen version \d"), "Xen starts", 0.1),
    (re.compile(rb"Linux version \d"), "dom0's kernel starts", 0.2),
    (re.compile(rb"Run /init|Loading, please wait"), "dom0's initramfs", 0.4),
    (re.compile(rb"systemd\[1\]|Welcome to"), "dom0's services start", 0.5),
    (re.compile(rb"Reached target.*network"), "dom0's network is up", 0.7),
    (re.compile(rb"login:|root@\S+:"), "dom0 is up", 0.8),
)
"""What the host's serial console shows on its way up, and about how far that is."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """All that one start of a testbox needs."""

    runner: LocalRunner
    paths: TestboxPaths
    hardware: Hardware
    boot: BootFiles
    key_file: Path
    host_key: str

    def start(self, how: str, state: Path | None = None) -> InstanceRecord:
        """Start QEMU; with *state* it comes up paused, from there."""
        files = self.paths.files
        for path in (files.qmp, files.serial, files.console_log, self.paths.qemu_log):
            path.unlink(missing_ok=True)
        port = free_port()
        command = qemu_command(self.hardware, self.boot, files, ssh_port=port, state=state)
        record = InstanceRecord(
            pid=self.runner.spawn_detached(command, self.paths.qemu_log),
            ssh_port=port,
            accel=self.hardware.accel,
            marker=str(files.qmp),
            started=time.time(),
            how=how,
        )
        record.write(self.paths.record)
        return record

    def endpoint(self, record: InstanceRecord) -> SshEndpoint:
        """How to reach dom0: a port on this machine's loopback, forwarded by QEMU."""
        return SshEndpoint(
            name=self.paths.name,
            address="127.0.0.1",
            port=record.ssh_port,
            user="root",
            key_file=self.key_file,
            host_key=self.host_key,
        )

    def resume(self, record: InstanceRecord, deadline: Deadline) -> None:
        """Let a QEMU that was started from a state go on, as soon as it has read it."""
        with connect(self.paths.files.qmp, deadline) as qmp:

            def loaded() -> None:
                if not record.alive:
                    raise LabError(self._last_words())
                if qmp.status() == "inmigrate":
                    msg = "QEMU still reads the state"
                    raise NotYet(msg)

            wait_for(
                loaded,
                what="QEMU to read the saved state",
                deadline=deadline,
                interval=timedelta(milliseconds=50),
            )
            qmp.execute("cont")

    def wait_for_ssh(
        self, record: InstanceRecord, deadline: Deadline, progress: Progress
    ) -> SshRunner:
        """A connection to dom0, as soon as it answers; ends early when QEMU does."""

        def probe() -> SshRunner:
            self._check_alive(record)
            stage, fraction = self._stage()
            progress(stage, fraction)
            try:
                return SshRunner.connect(self.endpoint(record), deadline.sooner(PROBE_TIMEOUT))
            except HostLost as error:
                msg = f"{stage}; {error}"
                raise NotYet(msg) from error

        what = f"SSH to dom0 of testbox {self.paths.name}"
        return wait_for(probe, what=what, deadline=deadline, interval=timedelta(milliseconds=200))

    def _check_alive(self, record: InstanceRecord) -> None:
        if not record.alive:
            raise LabError(self._last_words())
        with connect(self.paths.files.qmp, Deadline.after(PROBE_TIMEOUT)) as qmp:
            status = qmp.status()
        if status != "running":
            # KVM without real hardware behind it ends here, in Xen's first instructions.
            msg = f"QEMU stopped with {status!r} while the testbox booted"
            raise LabError(msg, hint=f"see {self.paths.qemu_log}")

    def _stage(self) -> tuple[str, float]:
        try:
            text = self.paths.files.console_log.read_bytes()
        except OSError:
            text = b""
        reached = [(words, part) for pattern, words, part in BOOT_STAGES if pattern.search(text)]
        return reached[-1] if reached else ("QEMU starts", 0.0)

    def _last_words(self) -> str:
        try:
            said = self.paths.qemu_log.read_text(errors="replace").strip().splitlines()
        except OSError:
            said = []
        return f"QEMU ended: {said[-1] if said else 'it said nothing'}"


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def set_clock(dom0: SshRunner) -> None:
    """Set the host's clock: a resumed one lives in the past, which TLS, make and apt notice.

    dom0 passes it on to Xen, from where guests take it.
    """
    dom0.run(Command.of("date", "--utc", "--set", f"@{time.time():.3f}"))


def accelerators(chosen: Accel) -> tuple[Accel, ...]:
    """What to try, in order."""
    return (chosen,) if chosen is Accel.TCG else (chosen, Accel.TCG)
