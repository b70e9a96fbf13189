"""The guest in a simulated domain: it boots, lets root in, and powers off, or does not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import bcrypt

from harness.console.fake import Chunk, TinyGuest
from harness.flight.faults import FaultKind
from harness.sim.boots import (
    BOOT_FAULTS,
    DEATH,
    PROMPTS,
    Boot,
    Line,
    Then,
    boot_of,
    power_off_lines,
)
from harness.sim.cards import lacks_driver
from harness.sim.clock import SimClock
from harness.sim.console import Console
from harness.sim.disk import GuestFiles
from harness.sim.faults import Faults
from harness.sim.shell import run_on_console

FORGETFUL = "systemd.volatile=state"
"""With that a guest's /var is in its memory (systemd(1))."""
DEAF = "initcall_blacklist=xen_setup_shutdown_event"
"""With that a guest's kernel does not look at ``control/shutdown`` (drivers/xen/manage.c)."""
HALTED, RESTARTING = re.compile(r"reboot: System halted"), "reboot: Restarting system"
SLOW = 30.0
"""How much slower a guest is that gets no processor (`FaultKind.DOM0_BUSY`)."""
_DEATH_AFTER = 1.0
_ROOT = re.compile(r"\broot=(?:/dev/(?P<device>\w+)|LABEL=\S+)")


class End(StrEnum):
    """How a guest's life ended, for the toolstack."""

    CRASH = "crash"
    POWER_OFF = "power-off"
    REBOOT = "reboot"
    DESTROYED = "destroyed"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a guest finds when it starts."""

    job: str
    files: GuestFiles
    cmdline: str
    devices: frozenset[str]
    """Its disks, as it calls them."""
    mac: str
    address: str
    boot_id: str
    cards: tuple[str, ...] = ()
    """The host's PCI devices that it has."""


class SimGuest:
    """One guest. *ended* hears of its end, once."""

    def __init__(self, clock: SimClock, faults: Faults, ended: Callable[[End], None]) -> None:
        self._clock = clock
        self._faults = faults
        self._ended = ended
        self.console = Console(clock)
        self.machine: Machine | None = None
        self.up = False
        """Whether it has come to its login prompt, and lives."""
        self.over = False
        self.behind = 0.0
        """Seconds that its clock lacks."""
        self.link_up = True
        self.reaches: Callable[[str], bool] = lambda _: False
        """Whether somebody answers it at an address."""
        self.pretends: str | None = None
        """The MAC address that it uses in place of its own."""
        self.in_memory: dict[str, bytes] = {}
        """Files that go with it."""
        self.counts_since: float | None = None
        """When the process began that counts; None when there is none."""
        self._slow_until = 0.0

    @property
    def slow(self) -> bool:
        """Whether it gets no processor now."""
        return not self.over and self._clock.monotonic() < self._slow_until

    def start(self, machine: Machine) -> None:
        """Let it boot."""
        self.machine = machine
        kind = self._fault(*BOOT_FAULTS) or _symptom(machine)
        boot = boot_of(machine.cmdline, machine.files.hostname, kind)
        busy = self._faults.strike(FaultKind.DOM0_BUSY, job=machine.job)
        until = 0.0
        if busy:
            until = busy.lasts.total_seconds() if busy.lasts else math.inf
        self._slow_until = self._clock.monotonic() + until
        self._print(boot, until)

    def power_off(self) -> None:
        """Somebody asks it to; one that is not up does not hear that."""
        if not self.hears or self._fault(FaultKind.NO_SHUTDOWN):
            return
        quiet = self._fault(FaultKind.UNCLEAN_SHUTDOWN) is not None
        self._go_down(() if quiet else power_off_lines(), End.POWER_OFF)

    def reboot(self) -> None:
        """It begins again, of itself or because somebody asks it to."""
        if not self.up or self._fault(FaultKind.NO_REBOOT):
            return
        words = (replace(one, text=HALTED.sub(RESTARTING, one.text)) for one in power_off_lines())
        self._go_down(words, End.REBOOT)

    def panic(self) -> None:
        """Somebody has pressed the key for that."""
        if self.hears:
            self.console.say(b"[   99.000000] sysrq: Trigger a crash\r\n")
            self._die()

    @property
    def hears(self) -> bool:
        """Whether it does what the toolstack asks it to."""
        return self.up and self.machine is not None and DEAF not in self.machine.cmdline

    def moves_over(self, ended: Callable[[End], None]) -> None:
        """It goes on in another domain, of whose end *ended* hears."""
        self._ended = ended
        if self._fault(FaultKind.PROCESS_LOST):
            self.counts_since = None
        if self._fault(FaultKind.CLOCK_JUMPS):
            self.behind = 60.0

    def _go_down(self, words: Iterable[Line], how: End) -> None:
        self.up = False
        after = 0.0
        for line in words:
            after += line.seconds
            self.console.say(f"{line.text}\r\n".encode(), after)
        self._clock.after(after + 0.2, lambda: self._end(how))

    def stop(self) -> None:
        """Its domain was destroyed: nothing more comes of it, and nobody is told."""
        self.over, self.up = True, False
        self.console.hush()
        self.console.close()

    def strikes(self, kind: FaultKind, command: str = "") -> bool:
        """Whether a fault of this guest's strikes now."""
        return self._fault(kind, command=command) is not None

    @property
    def has_address(self) -> bool:
        """Whether DHCP gave it one."""
        masked = self.machine and "systemd.mask=systemd-networkd.service" in self.machine.cmdline
        if self.machine and lacks_driver(self.machine.cmdline, self.machine.cards):
            return False
        return self.up and not masked and not self.strikes(FaultKind.NO_ADDRESS)

    # -- its boot ----------------------------------------------------------------------

    def _print(self, boot: Boot, slow_until: float = 0.0) -> None:
        at = 0.0
        for line in boot.lines:
            at = _after(at, line.seconds, slow_until)
            feed = "" if line.text in PROMPTS else "\r\n"
            self.console.say(f"{line.text}{feed}".encode(), at)
        if boot.noise:
            self.console.say(boot.noise, at + 1)
        self._clock.after(at + 0.1, lambda: self._arrived(boot))

    def _arrived(self, boot: Boot) -> None:
        """All its lines are out."""
        if self.over:
            return
        match boot.then:
            case Then.UP:
                self._come_up()
            case Then.CRASHES:
                self._end(End.CRASH)
            case Then.POWERS_OFF:
                self._end(End.POWER_OFF)
            case Then.VANISHES:
                self._end(End.DESTROYED)
            case Then.REBOOTS:
                self._print(Boot(lines=boot.lines[:20], then=Then.STAYS))
            case Then.STAYS:
                pass

    def _come_up(self) -> None:
        machine = self.machine
        assert machine
        self.up = True
        masked = "systemd.mask=serial-getty@hvc0.service" in machine.cmdline
        if not masked and not self.strikes(FaultKind.NO_GETTY):
            tty = Tty(self, machine)
            self.console.on_input(tty.receive)
            self.console.say(tty.prompt())
        if self.strikes(FaultKind.DIES_LATER):
            self._clock.after(_DEATH_AFTER, self._die)

    def _die(self) -> None:
        if self.over:
            return
        for text in DEATH:
            self.console.say(f"{text}\r\n".encode())
        self._end(End.CRASH)

    def _end(self, how: End) -> None:
        if self.over:
            return
        self.over, self.up = True, False
        self.console.on_input(lambda _: ())
        self._ended(how)

    def _fault(self, *kinds: FaultKind, command: str = "") -> FaultKind | None:
        job = self.machine.job if self.machine else ""
        fault = self._faults.strike(*kinds, job=job, command=command)
        return fault.kind if fault else None


def _after(at: float, seconds: float, slow_until: float) -> float:
    """When what takes so long is over that begins at *at*; until then there is no processor."""
    slow = max(0.0, slow_until - at)
    done = min(seconds, slow / SLOW)
    return at + done * SLOW + (seconds - done)


def _symptom(machine: Machine) -> FaultKind | None:
    """What its own kernel line does to it."""
    words = machine.cmdline.split()
    roots = [match for word in words if (match := _ROOT.fullmatch(word))]
    if not roots or (roots[-1]["device"] and roots[-1]["device"] not in machine.devices):
        return FaultKind.WRONG_ROOT
    if any(word.startswith("init=/bin/") for word in words):
        return FaultKind.KERNEL_PANIC
    return None


class Tty:
    """The getty on its console, and root's shell."""

    def __init__(self, guest: SimGuest, machine: Machine) -> None:
        self._guest = guest
        self._machine = machine
        self._stalls = guest.strikes(FaultKind.LOGIN_STALLS)
        self._lines = 0
        self._tiny = TinyGuest(
            hostname=machine.files.hostname,
            password=self._is_password,
            compute=self._compute,
            delay=0.05,
        )

    def prompt(self) -> bytes:
        """What the getty says at first."""
        return self._tiny.prompt()

    def receive(self, data: bytes) -> Iterable[Chunk]:
        """What is printed when *data* is typed."""
        if not self._guest.up:
            return ()
        if self._stalls and self._lines >= 1:
            return ()
        self._lines += data.count(b"\r")
        return tuple(self._tiny.receive(data))

    def _is_password(self, word: str) -> bool:
        if self._guest.strikes(FaultKind.LOGIN_REFUSED):
            return False
        hashed = self._machine.files.root_hash.encode()
        return hashed.startswith(b"$2") and bcrypt.checkpw(word.encode(), hashed)

    def _compute(self, command: str) -> tuple[str, int]:
        if self._guest.strikes(FaultKind.CONSOLE_STALLS, command):
            return "", -1
        return run_on_console(self._guest, self._machine, command)
