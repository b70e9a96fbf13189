"""A guest that has booted on a fake host, for tests of what is done with one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from test_job_flight import FLIGHTS

from harness.console.fake import ScriptedStream, TinyGuest, VirtualClock, VirtualRecorder
from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.console.recorder import ConsoleRecorder
from harness.console.shell import ConsoleShell
from harness.errors import GuestFailure, HostLost
from harness.flight.build import build_plan
from harness.host.capabilities import Capabilities
from harness.host.fake import FakeHost
from harness.host.lease import take_lease
from harness.host.slots import Claim
from harness.host.xenhost import XenHost
from harness.job.guest import GuestUnderTest
from harness.job.inventories import Inventories
from harness.job.leaks import JobLedger
from harness.job.prepared import PreparedImage
from harness.job.seat import Seat
from harness.job.secrets import FlightSecrets
from harness.job.slot import slot_terms
from harness.remote.fake import Call, FakeRunner, Reply
from harness.results.layout import JobDirectory
from harness.steps import StepRecord
from harness.storage.names import golden_tags

BOOT_ID = "0f2a6c0e-6b1c-4a49-9f4e-2b6c1d7e8f90"
PINGS = "20 packets transmitted, 20 received, 0% packet loss, time 3810ms\n"


class Guest(GuestUnderTest):
    """The real one, with a console in virtual time and a fake at the end of SSH."""

    over_ssh: FakeRunner
    on_console: ConsoleShell

    @property
    def shell(self) -> ConsoleShell:
        return self.on_console

    @property
    def recorder(self) -> ConsoleRecorder:
        return self.on_console.console.recorder

    @property
    def ssh(self) -> FakeRunner:  # type: ignore[override]
        return self.over_ssh

    def connect(self) -> FakeRunner:  # type: ignore[override]
        return self.over_ssh


class Bench:
    """A guest that has booted."""

    def __init__(self, tmp_path: Path) -> None:
        plan = build_plan(str(FLIGHTS / "smoke.yaml"))
        self.spec = plan.jobs[0]
        self.other: FakeHost | None = None
        self.fake = FakeHost(volumes={"xf-golden-k": set(golden_tags("k"))})
        image = PreparedImage(golden="xf-golden-k", kernel="/boot/k", initrd="/boot/i")
        claim = Claim(holder="ada@ctl", flight=plan.flight_id, job=self.spec.name)
        self.lease = take_lease(self.fake.runner, claim, slot_terms(plan.hosts[0]))
        self.inventories = Inventories(VirtualClock())
        self.guest = Guest(
            spec=self.spec,
            plan=plan,
            seat=Seat(
                host=self.fake.host,
                again=self.reconnect,
                lease=self.lease,
                ledger=JobLedger.open(
                    self.inventories,
                    self.fake.host,
                    self.reconnect,
                    flight=plan.flight_id,
                    job=self.spec.name,
                    jobs=[self.spec.name],
                ),
                capabilities=Capabilities(),
            ),
            image=image,
            secrets=FlightSecrets.make(plan.flight_id).directory,
            files=JobDirectory(tmp_path / "job"),
        )
        self.guest.step = StepRecord(job=self.spec.name, testid="now")
        self.guest.over_ssh = FakeRunner("guest")
        self.answers = {"boot_id": BOOT_ID}
        clock = VirtualClock()
        tiny = TinyGuest(compute=self._compute)
        stream = ScriptedStream(clock, [(1, tiny.prompt())], guest=tiny)
        self.recorder = VirtualRecorder(stream, tmp_path / "console", clock=clock, name="guest")
        console = RecorderSpawn(self.recorder, start=0)
        self.guest.on_console = login(console, "root", None, timeout=timedelta(minutes=1))

    def reconnect(self) -> XenHost:
        if self.other is None:
            msg = "no route to host"
            raise HostLost(msg)
        return self.other.host

    def _compute(self, command: str) -> tuple[str, int]:
        if match := re.match(r"printf %s (\w+) \| sha256sum", command):
            digest = hashlib.sha256(match[1].encode()).hexdigest()
            return f"{self.answers.get('digest', digest)}  -\n", 0
        return (f"{self.answers['boot_id']}\n", 0) if "boot_id" in command else ("", 1)

    def ssh_answers(self, *, boot_id: str = BOOT_ID, digest: str | None = None) -> None:
        ssh = self.guest.over_ssh
        ssh.on_call("^sha256sum$", lambda call: Reply(stdout=digest or sha256(call.stdin)))
        ssh.on("boot_id", boot_id + "\n")
        ssh.on("^uname", "6.1.0-47-cloud-amd64\n")

    def network_answers(self, *, pings: str = PINGS, spoil: bytes = b"") -> None:
        self.guest.remember("guest_ip", "10.0.2.100")
        kept: list[bytes] = []

        def tee(call: Call) -> Reply:
            kept.append(call.stdin + spoil)
            return Reply(stdout=sha256(call.stdin))

        self.guest.over_ssh.on_call("tee ", tee)
        self.guest.over_ssh.on_call(
            "base64", lambda _: Reply(stdout=base64.b64encode(kept[0]).decode())
        )
        self.fake.runner.on("^ping ", pings)


def sha256(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  -\n"


@contextmanager
def guest_bench(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, below: str = "."
) -> Iterator[Bench]:
    """One, with its files *below* the test's *directory*; closed afterwards."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
    made = Bench(directory / below)
    yield made
    made.guest.close()
    made.recorder.close()
    made.inventories.close()


def failure_of(prove: object, bench: Bench) -> tuple[str | None, str]:
    with pytest.raises(GuestFailure) as caught:
        prove(bench.guest)  # type: ignore[operator]
    return caught.value.phase, caught.value.failure_class
