"""A Xen host in memory: it understands the commands by which we ask and change a real one."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

from harness.errors import HostLost
from harness.host.fakecensus import FakeCensus
from harness.host.fakeroom import INFO, AdmitStream, facts, pool_report
from harness.host.fakeslots import FakeSlots
from harness.host.names import BUILDS_GUEST
from harness.host.xenhost import XenHost
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.fake import Call, FakeRunner, FakeStream, Reply
from harness.remote.ssh import SocketLike
from harness.storage.volumes import VolumeManager
from harness.wait import SYSTEM_CLOCK, Clock
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

VG, POOL = "vg0", "pool"
_XEN, _DOM0, _GUEST = 43, 1024, 512
"""MiB that the hypervisor itself, dom0 and each domain have."""


@dataclass
class FakeHost:
    """What is on the host now; change it as you like. `host` is what the harness sees of it."""

    name: str = "fakehost"
    volumes: dict[str, set[str]] = field(default_factory=dict)
    """Name to tags."""
    domains: dict[str, int] = field(default_factory=dict)
    """Name to domid; dom0 goes without saying."""
    flights: set[str] = field(default_factory=set)
    """Those that have a directory in /run."""
    builds: set[str] = field(default_factory=set)
    """Flights, or ``flight/guest``, that have a directory for builders."""
    builders: list[dict[str, str]] = field(default_factory=list)
    """Running builders: the marks in their environment."""
    unending: bool = False
    """Whether builders stay whatever is done to them."""
    locked: set[str] = field(default_factory=set)
    """Names of locks that somebody holds."""
    lock_files: set[str] = field(default_factory=set)
    """Names of locks whose files are left, though nobody holds them."""
    stuck: dict[str, str] = field(default_factory=dict)
    """LVs that can't be removed, and what LVM says of it."""
    slots: FakeSlots = field(default_factory=FakeSlots)
    """Who holds its slots."""
    now: int = 1_800_000_000
    """Seconds since the epoch."""
    data_percent: str = "1.00"
    """How full the thin pool and every volume is."""
    memory: int = 4095
    """MiB in all; what neither Xen, dom0 nor a domain has is free."""
    commandline: str = "dom0_mem=1024M,max:1024M"
    autoballoon: str = ""
    """As xl.conf has it."""
    pool_size: int = 16 << 30
    pool_metadata: int = 64 << 20
    clock: Clock = SYSTEM_CLOCK
    """By which those who wait for room on it do so."""
    boot: str = "0f2a6c0e-6b1c-4a49-9f4e-2b6c1d7e8f90"
    """dom0's boot id."""
    history: list[str] = field(default_factory=list)
    """Lines of its health."""
    canary: str = ""
    """What is written down of the guest that it is known to run."""
    pool_percent: str = ""
    """How full the pool is, if it is not as full as the volumes."""
    interfaces: list[str] = field(default_factory=lambda: ["lo", "xenbr0"])
    census: FakeCensus = field(default_factory=FakeCensus)
    """What else is found on it."""

    def __post_init__(self) -> None:
        self.runner = FakeHostRunner(self.name, fake=self)
        answers: dict[str, Callable[[Call], Reply]] = {
            # First: their scripts have the words of others in them.
            r" find-room ": lambda _: Reply(stdout=self.look()),
            r" census '=== ": self._census,
            r" read-slots ": self.slots.read,
            r"(un)?drain-host ": self.slots.drain,
            r" revoke-leases ": self.slots.revoke,
            r"^cat /proc/sys/kernel/random/boot_id$": lambda _: Reply(stdout=f"{self.boot}\n"),
            r" note-health ": self._note_health,
            r" read-health ": lambda _: Reply(stdout="\n".join(self.history)),
            r" note-known-good ": self._note_known_good,
            r" read-known-good ": lambda _: Reply(stdout=self.canary),
            r" known-good-there ": lambda _: Reply(),
            r"^date \+%s$": lambda _: Reply(stdout=f"{self.now}\n"),
            r"^lvs ": lambda _: Reply(stdout=self._lvs()),
            r"^vgs ": lambda _: Reply(stdout=_report("vg", [_GROUP])),
            r"^lvcreate ": self._lvcreate,
            r"^lvchange ": self._lvchange,
            r"^lvremove ": self._lvremove,
            r"^xl list -v$": lambda _: Reply(stdout=self._xl_list()),
            r"^xl info$": lambda _: Reply(stdout=self._xl_info()),
            r"^xl destroy ": self._destroy,
            r"flock --nonblock": self._free_locks,
            r"ls -d /run/xenflight/flights/": lambda _: Reply(stdout=self._with_files()),
            r"^rm -rf /(run/xenflight/flights|var/lib/xenflight/builds)/": self._remove_files,
            r"remove-sandbox /": self._remove_files,
            r" forget-(domains|saved) ": lambda _: Reply(),
            r"end-builders XENFLIGHT_BUILDS_": self._end_builders,
            r"^mkdir -p /run/xenflight/flights/": self._make_flight,
            r"^ls /sys/class/net$": lambda _: Reply(stdout="\n".join(self.interfaces)),
            r"/etc/os-release": lambda _: Reply(stdout="Debian GNU/Linux 12 (bookworm)\n"),
            r"^rm -f /run/xenflight/locks/": self._forget_lock,
            r"^xenstore-ls|udevadm settle|^rm -f ": lambda _: Reply(),
        }
        for pattern, answer in answers.items():
            self.runner.on_call(pattern, answer)

    @property
    def host(self) -> XenHost:
        """The same as the harness sees it."""
        return XenHost(
            name=self.name,
            runner=self.runner,
            volumes=VolumeManager(self.runner, VG, POOL),
            xl=Xl(self.runner),
            xenstore=Xenstore(self.runner),
            bridge="xenbr0",
            timeout_factor=1.0,
        )

    def _lvs(self) -> str:
        rows = [_volume(POOL, (), "twi-aotz--")]
        rows += [
            _volume(name, sorted(tags), "Vwi-a-tz--") | {"pool_lv": POOL}
            for name, tags in self.volumes.items()
        ]
        rows = [row | {"data_percent": self.data_percent} for row in rows]
        rows[0]["data_percent"] = self.pool_percent or self.data_percent
        return _report("lv", rows)

    def _lvcreate(self, call: Call) -> Reply:
        words = list(call.command.argv)
        self.volumes[words[words.index("--name") + 1]] = set(_values(words, "--addtag"))
        return Reply()

    def _lvchange(self, call: Call) -> Reply:
        words = list(call.command.argv)
        tags = self.volumes[words[-1].removeprefix(f"{VG}/")]
        tags |= set(_values(words, "--addtag"))
        tags -= set(_values(words, "--deltag"))
        return Reply()

    def _lvremove(self, call: Call) -> Reply:
        name = call.command.argv[-1].removeprefix(f"{VG}/")
        if name in self.stuck:
            return Reply(exit_status=5, stderr=self.stuck[name])
        del self.volumes[name]
        return Reply()

    def look(self) -> str:
        """What it says when it is asked what it has room for."""
        pool = pool_report(VG, POOL, self.pool_size, chunk=256 << 10, metadata=self.pool_metadata)
        sections = {
            "autoballoon": self.autoballoon,
            "before": self._xl_list(),
            "info": self._xl_info(),
            "after": self._xl_list(),
            "pool": pool,
            "volumes": self._lvs(),
            "end": "",
        }
        return facts(self.slots, sections)

    def _xl_list(self) -> str:
        rows = [f"{name} {domid} {_GUEST} 1 -b---- 1.0 - -" for name, domid in self.domains.items()]
        return "\n".join(["Name ID Mem", f"Domain-0 0 {_DOM0} 2 r----- 1.0 - -", *rows])

    def _xl_info(self) -> str:
        free = max(0, self.memory - _XEN - _DOM0 - (_GUEST + 6) * len(self.domains))
        return INFO.format(total=self.memory, free=free, commandline=self.commandline)

    def _census(self, call: Call) -> Reply:
        return self.census.answer(call, self, self._xl_list(), self._lvs())

    def _destroy(self, call: Call) -> Reply:
        del self.domains[call.command.argv[-1]]
        return Reply()

    def _free_locks(self, call: Call) -> Reply:
        names = call.command.argv[5:]
        return Reply(stdout="\n".join(name for name in names if name not in self.locked))

    def _note_health(self, call: Call) -> Reply:
        self.history.append(f"{self.now} {call.command.argv[-2]}")
        return Reply()

    def _note_known_good(self, call: Call) -> Reply:
        self.canary = call.stdin.decode("ascii")
        return Reply()

    def _make_flight(self, call: Call) -> Reply:
        self.flights.add(call.command.argv[-1].rpartition("/")[2])
        return Reply()

    def _with_files(self) -> str:
        found = [f"/run/xenflight/flights/{run}" for run in sorted(self.flights)]
        runs = sorted({build.split("/")[0] for build in self.builds})
        inside = sorted(build for build in self.builds if "/" in build)
        found += [f"/var/lib/xenflight/builds/{name}" for name in (*runs, *inside)]
        return "\n".join(found + [f"/run/xenflight/locks/{name}" for name in self.lock_files])

    def _forget_lock(self, call: Call) -> Reply:
        self.lock_files.discard(call.command.argv[-1].rpartition("/")[2])
        return Reply()

    def _remove_files(self, call: Call) -> Reply:
        for path in call.command.argv[2:]:
            self.flights.discard(path.removeprefix("/run/xenflight/flights/"))
            gone = path.removeprefix("/var/lib/xenflight/builds/")
            self.builds = {build for build in self.builds if not f"{build}/".startswith(f"{gone}/")}
        return Reply()

    def _end_builders(self, call: Call) -> Reply:
        name, _, value = call.command.argv[-1].partition("=")
        if self.unending:
            return Reply(exit_status=1, stderr="process 7 (sleep)\n")
        self.builders = [marks for marks in self.builders if marks.get(name) != value]
        return Reply()


@dataclass
class FakeHostRunner(FakeRunner):
    """The host's runner: it gives locks, too, and may be lost."""

    fake: FakeHost = field(default_factory=FakeHost)
    alive: bool = True
    builder: Callable[[Command], Stream] | None = None
    """What a builder does and says, when one is started."""

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """What is fenced, if its lease is good; anything else as `FakeRunner`."""
        inside = self.fake.slots.inside(command)
        if isinstance(inside, Command):
            return super().run(inside, timeout=timeout, check=check, stdin=stdin)
        self.calls.append(Call(command=command, stdin=b"", timeout=timeout))
        return CommandResult(
            command=command,
            where=self.name,
            exit_status=inside.exit_status,
            stdout=inside.stdout,
            stderr=inside.stderr,
            duration=timedelta(0),
        )

    def open(self, command: Command) -> Stream:
        """Take a slot or a lock, as they are asked for; anything else as `FakeRunner`."""
        if command.argv[3:4] == ("take-slot",):
            self.calls.append(Call(command=command, stdin=b"", timeout=timedelta(0)))
            return self.fake.slots.take(command)
        if command.argv[3:4] == ("admit-job",):
            self.calls.append(Call(command=command, stdin=b"", timeout=timedelta(0)))
            slot, token = (int(word) for word in command.argv[5:7])
            fake, heeds = self.fake, bool(command.argv[9])
            return AdmitStream(fake.look, fake.slots, slot, token, fake.clock, heeds_drain=heeds)
        inside = self.fake.slots.inside(command)
        if not isinstance(inside, Command):
            return FakeStream(_chunks(inside.stderr.encode()))
        command = inside
        if self.builder and BUILDS_GUEST in command.env:
            return self.builder(command)
        if command.script_name != "take-lock":
            return super().open(command)
        name = command.argv[5].rpartition("/")[2]
        if name in self.fake.locked:
            return FakeStream(_chunks(b""))
        self.fake.locked.add(name)
        return _LockStream(self.fake, name)

    def before(self, pattern: str, *, raises: Exception) -> None:
        """From now on commands with *pattern* in their line fail, whatever the host has."""
        self.on(pattern, raises=raises)
        self._rules.insert(0, self._rules.pop())

    def open_tcp(self, address: str, port: int) -> SocketLike:
        """There is nobody to reach."""
        msg = f"{self.name} cannot reach {address} port {port}"
        raise HostLost(msg)


class _LockStream(FakeStream):
    """Holds a lock until it is closed."""

    def __init__(self, fake: FakeHost, name: str) -> None:
        super().__init__(_chunks(b"xenflight-lock-held\n"))
        self._fake = fake
        self._name = name

    def close(self) -> None:
        """Give the lock back."""
        self._fake.locked.discard(self._name)
        super().close()


def _chunks(*chunks: bytes | None) -> deque[bytes | None]:
    return deque(chunks)


def _values(words: list[str], option: str) -> list[str]:
    return [words[index + 1] for index, word in enumerate(words) if word == option]


def _volume(name: str, tags: list[str] | tuple[str, ...], attr: str) -> dict[str, str]:
    return {
        "vg_name": VG,
        "lv_name": name,
        "lv_uuid": "",
        "lv_size": str(2 << 30),
        "lv_attr": attr,
        "pool_lv": "",
        "origin": "",
        "lv_tags": ",".join(tags),
        "lv_active": "active",
        "lv_device_open": "",
        "lv_permissions": "writeable",
        "lv_kernel_minor": "3",
        "data_percent": "1.00",
        "metadata_percent": "1.00",
    }


_GROUP = {
    "vg_name": VG,
    "vg_size": str(16 << 30),
    "vg_free": str(1 << 30),
    "vg_extent_size": str(4 << 20),
}


def _report(kind: str, rows: list[dict[str, str]]) -> str:
    return json.dumps({"report": [{kind: rows}]})
