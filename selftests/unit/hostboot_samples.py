"""A host in memory that can be rebooted: it boots the entry that was chosen, and says so."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from grub_samples import read

from harness.console.fake import Chunk, ScriptedStream, VirtualClock, VirtualRecorder
from harness.flight.axes import Arch, Boot, Virt
from harness.flight.build import build_plan
from harness.flight.model import BoxBoot, HostSpec, TestboxSpec
from harness.grub.grub2 import read_grub2
from harness.grub.resolve import boots
from harness.grub.vocabulary import Speller
from harness.host.fake import FakeHost
from harness.host.slots import Claim
from harness.host.whole import WholeHost, take_whole
from harness.host.xenhost import XenHost
from harness.hostboot.entries import name_of, place_of
from harness.job.hostline import HostLine
from harness.job.hostundertest import HostUnderTest
from harness.job.secrets import FlightSecrets
from harness.job.slot import slot_terms
from harness.power.fake import FakePower
from harness.remote.command import Command, Stream
from harness.remote.fake import Call, Reply
from harness.remote.local import LocalRunner
from harness.results.layout import FlightDirectory
from harness.steps import StepRecord
from harness.units import Size

FLIGHTS = Path(__file__).parents[2] / "flights"
GIB = Size.parse("1G")
SPEC = HostSpec(
    name="rack",
    slots=2,
    timeout_factor=1,
    may_reboot=True,
    testbox=TestboxSpec(release="bookworm", memory=GIB, vcpus=1, disk=GIB, boot=BoxBoot.DISK),
)
DOWN = b"[  OK  ] Reached target reboot.target - System Reboot.\r\n"
XEN = b"(XEN) Xen version 4.17.7 (Debian 4.17.7+13-g2445b30a44-0+deb12u1)\r\n"
KERNEL = b"[    0.000000] Linux version 6.1.0-56-amd64\r\n"
INITRAMFS = b"Loading, please wait...\r\n"
INIT = b"Welcome to Debian GNU/Linux 12 (bookworm)!\r\n"
PROMPT = b"\r\nDebian GNU/Linux 12 rack hvc0\r\n\r\nrack login: root (automatic login)\r\n"
UP = (XEN, KERNEL, INITRAMFS, INIT, PROMPT)
NO_INITRD = b"error: file `/boot/initrd.img-6.1.0-56-amd64.xenflight-missing' not found.\r\n"
NO_ROOT = b"ALERT!  /dev/mapper/xenflight-nowhere does not exist.  Dropping to a shell!\r\n"
PANIC = b"(XEN) Panic on CPU 0:\r\n(XEN) Could not construct d0\r\n"


@dataclass
class RebootingHost:
    """Change what it has, says and does as you like."""

    directory: Path
    menu: str = field(default_factory=lambda: read("bookworm-serial.cfg"))
    made: str = ""
    """What update-grub would write; the same as *menu* if empty."""
    next_entry: str = ""
    custom: str = ""
    ring: bytes = b"".join(UP)
    said: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    """By entry what comes on the line instead of `UP`."""
    xen_line: str | None = None
    """What Xen says that it was told, if that is another line than its entry's."""
    memory: int = 896 * 1024 - 4096
    root_type: str = "lvm"
    codename: str = "bookworm"
    kernel: str = "6.1.0-56-amd64"
    """What it runs."""
    flight: str = "host-boot"
    kernel_args: str = ""
    boots: int = 1
    given: list[HostUnderTest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fake = FakeHost(name="rack")
        self.clock = VirtualClock()
        self.line = ScriptedStream(self.clock)
        self.power = FakePower(on_cycle=self._by_power)
        self.cmdline = ""
        runner = self.fake.runner
        for pattern, answer in {
            " host-boot-facts": self._facts,
            "^grub-reboot ": self._choose,
            "^grub-editenv - unset next_entry$": self._forget,
            "^reboot$": self._reboot,
            "^grub-mkconfig$": lambda _: Reply(stdout=self.made or self.menu),
            "^head -c ": lambda _: Reply(stdout=self.menu),
            "^test -r |^sync$": lambda _: Reply(),
            " write-grub-entries ": self._write,
            "^xl dmesg$": lambda _: Reply(stdout=self.ring.decode()),
        }.items():
            runner.on_call(pattern, answer)
            # First: the script that asks for facts has the words of others in it.
            runner._rules.insert(0, runner._rules.pop())

    def under_test(self) -> HostUnderTest:
        """As a job has it."""
        plan = build_plan(str(FLIGHTS / f"{self.flight}.yaml"))
        (job,) = (replace(one, kernel_args=self.kernel_args) for one in plan.jobs)
        files = FlightDirectory(self.directory)
        made = HostUnderTest(
            spec=job,
            host_spec=SPEC,
            plan=plan,
            host=self.fake.host,
            again=self.connect,
            whole=self.whole(),
            power=self.power,
            line=HostLine(
                "rack",
                Command.of("true"),
                files.job(job.name).path,
                record=self._record,
                local=_Line(self.line),
            ),
            files=files.job(job.name),
            secrets=FlightSecrets(self.directory),
        )
        self.given.append(made)
        made.step = StepRecord(job=job.name, testid="host-boot", clock=self.clock)
        return made

    def close(self) -> None:
        """Let go of all that was given."""
        for one in self.given:
            one.close()

    def connect(self) -> XenHost:
        return self.fake.host

    def whole(self) -> WholeHost:
        claim = Claim(holder="me@here", flight="host-boot-1", job="host-boot-x")
        return take_whole(self.fake.host, claim, slot_terms(SPEC))

    def _record(self, stream: Stream, directory: Path, *, name: str) -> VirtualRecorder:
        return VirtualRecorder(stream, directory, clock=self.clock, name=name)

    def _facts(self, _: Call) -> Reply:
        values = {
            "boot_id": self.fake.boot,
            "hostname": "rack",
            "kernel": self.kernel,
            "cmdline": f"placeholder {self.cmdline}",
            "codename": self.codename,
            "arch": Arch.AMD64.value,
            "firmware": Boot.BIOS.value,
            "guest_type": Virt.PV.value.upper(),
            "memory": str(self.memory),
            "root": "/dev/mapper/vg00-lv01",
            "root_type": self.root_type,
            "boot_target": "/boot",
            "boot_root": "hd0,gpt2",
            "next_entry": self.next_entry,
        }
        return Reply(stdout="".join(f"{key}={value}\n" for key, value in values.items()))

    def _choose(self, call: Call) -> Reply:
        self.next_entry = call.command.argv[1]
        return Reply()

    def _forget(self, _: Call) -> Reply:
        self.next_entry = ""
        return Reply()

    def _write(self, call: Call) -> Reply:
        self.custom = call.stdin.decode()
        return Reply()

    def _by_power(self) -> None:
        self._boot("")

    def _reboot(self, _: Call) -> Reply:
        chosen, self.next_entry = self.next_entry, ""
        self.line._schedule([(1, DOWN)])
        self._boot(chosen)
        return Reply()

    def _boot(self, chosen: str) -> None:
        found = boots(read_grub2(self.menu + self.custom, "x"), Speller())
        every = list(found)
        usual = re.search("set default='(.*)'", self.custom)
        chosen = chosen or (usual[1] if usual else "")
        boot = next((one for one in every if chosen in (name_of(one), place_of(one))), every[0])
        if boot.kernel and boot.kernel.path and self._comes_up(chosen):
            self.kernel = boot.kernel.path.text.partition("vmlinuz-")[2] or self.kernel
        self.boots += 1
        self.fake.boot = f"boot-{self.boots}"
        words = " ".join(word.text for word in boot.xen_words)
        self.fake.commandline = words if self.xen_line is None else self.xen_line
        self.cmdline = " ".join(word.text for word in boot.dom0_words)
        booting = f"  Booting `{boot.title}'\r\n".encode()
        script: list[Chunk] = [(1, line) for line in (booting, *self.said.get(chosen, UP))]
        self.line._schedule(script)

    def _comes_up(self, chosen: str) -> bool:
        return PROMPT in self.said.get(chosen, UP)


class _Line(LocalRunner):
    """Starts nothing: whatever is opened is the host's line."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def open(self, command: Command) -> Stream:
        del command
        return self._stream
