"""A Xen host in memory: it understands the commands by which we ask and change a real one."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import HostLost
from harness.host.names import BUILDS_GUEST
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
    builds: set[str] = field(default_factory=set)
    """Flights, or ``flight/guest``, that have a directory for builders."""
    builders: list[dict[str, str]] = field(default_factory=list)
    """Running builders: the marks in their environment."""
    unending: bool = False
    """Whether builders stay whatever is done to them."""
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
            r"ls -d /run/xenflight/flights/": lambda _: Reply(stdout=self._with_files()),
            r"^rm -rf /(run/xenflight/flights|var/lib/xenflight/builds)/": self._remove_files,
            r"remove-sandbox /": self._remove_files,
            r"end-builders XENFLIGHT_BUILDS_": self._end_builders,
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

    def _with_files(self) -> str:
        found = [f"/run/xenflight/flights/{run}" for run in sorted(self.flights)]
        runs = sorted({build.split("/")[0] for build in self.builds})
        return "\n".join(found + [f"/var/lib/xenflight/builds/{run}" for run in runs])

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

    def open(self, command: Command) -> Stream:
        """Take a lock, as `harness.host.lock` asks for it; anything else as `FakeRunner`."""
        if self.builder and BUILDS_GUEST in command.env:
            return self.builder(command)
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
