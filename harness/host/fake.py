"""A Xen host in memory: it understands the commands by which we ask and change a real one."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import HostLost
from harness.host.xenhost import XenHost
from harness.remote.command import Command, Stream
from harness.remote.fake import Call, FakeRunner, FakeStream, Reply
from harness.remote.ssh import SocketLike
from harness.storage.volumes import VolumeManager
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

VG, POOL = "vg0", "pool"
_INFO = """\
release                : 6.1.0-47-amd64
nr_cpus                : 2
total_memory           : 4095
free_memory            : 3000
virt_caps              : pv hvm
xen_major              : 4
xen_minor              : 17
xen_extra              : .7
xen_version            : 4.17.7
xen_commandline        : loglvl=info
"""


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
    locked: set[str] = field(default_factory=set)
    """Names of locks that somebody holds."""
    stuck: dict[str, str] = field(default_factory=dict)
    """LVs that can't be removed, and what LVM says of it."""
    data_percent: str = "1.00"
    """How full the thin pool and every volume is."""
    interfaces: list[str] = field(default_factory=lambda: ["lo", "xenbr0"])

    def __post_init__(self) -> None:
        self.runner = FakeHostRunner(self.name, fake=self)
        answers: dict[str, Callable[[Call], Reply]] = {
            r"^lvs ": lambda _: Reply(stdout=self._lvs()),
            r"^vgs ": lambda _: Reply(stdout=_report("vg", [_GROUP])),
            r"^lvcreate ": self._lvcreate,
            r"^lvchange ": self._lvchange,
            r"^lvremove ": self._lvremove,
            r"^xl list -v$": lambda _: Reply(stdout=self._xl_list()),
            r"^xl info$": lambda _: Reply(stdout=_INFO),
            r"^xl destroy ": self._destroy,
            r"flock --nonblock": self._free_locks,
            r"ls /run/xenflight/flights": lambda _: Reply(stdout="\n".join(sorted(self.flights))),
            r"^rm -rf /run/xenflight/flights/": self._forget_flight,
            r"^mkdir -p /run/xenflight/flights/": self._make_flight,
            r"^ls /sys/class/net$": lambda _: Reply(stdout="\n".join(self.interfaces)),
            r"/etc/os-release": lambda _: Reply(stdout="Debian GNU/Linux 12 (bookworm)\n"),
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
        rows += [_volume(name, sorted(tags), "Vwi-a-tz--") for name, tags in self.volumes.items()]
        return _report("lv", [row | {"data_percent": self.data_percent} for row in rows])

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

    def _xl_list(self) -> str:
        rows = [f"{name} {domid} 512 1 -b---- 1.0 - -" for name, domid in self.domains.items()]
        return "\n".join(["Name ID Mem", "Domain-0 0 1024 2 r----- 1.0 - -", *rows])

    def _destroy(self, call: Call) -> Reply:
        del self.domains[call.command.argv[-1]]
        return Reply()

    def _free_locks(self, call: Call) -> Reply:
        names = re.findall(r"then echo (\S+);", call.command.argv[-1])
        return Reply(stdout="\n".join(name for name in names if name not in self.locked))

    def _make_flight(self, call: Call) -> Reply:
        self.flights.add(call.command.argv[-1].rpartition("/")[2])
        return Reply()

    def _forget_flight(self, call: Call) -> Reply:
        self.flights.discard(call.command.argv[-1].rpartition("/")[2])
        return Reply()


@dataclass
class FakeHostRunner(FakeRunner):
    """The host's runner: it gives locks, too, and may be lost."""

    fake: FakeHost = field(default_factory=FakeHost)
    alive: bool = True

    def open(self, command: Command) -> Stream:
        """Take a lock, as `harness.host.lock` asks for it; anything else as `FakeRunner`."""
        match = re.search(r"flock --wait .* \S+/(\S+) sh -c", command.argv[-1])
        if not match:
            return super().open(command)
        name = match[1]
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
