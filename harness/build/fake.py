"""xen-create-image on a fake host: it makes volumes and says what it is told to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from harness.host.fake import FakeHost
from harness.host.names import BUILDS_FOR_RUN, BUILDS_GUEST, built_volumes
from harness.remote.command import Command, Stream
from harness.remote.fake import Call, FakeStream, Reply
from harness.storage.names import scratch_tags

_FIRST_OWN_WORD = 8
"""In the sandbox's command line: what comes before is the sandbox's."""


@dataclass
class FakeXenTools:
    """Set what is to happen, then build."""

    fake: FakeHost
    job: str
    says: str = "Installation Summary\n"
    status: int | None = 0
    """None: its processes are ended by somebody, and nothing is said of it."""
    mounts: tuple[str, ...] = ()
    """What it leaves mounted."""
    makes_volumes: bool = True
    release: str = "6.1.0-50-amd64"
    missing_programs: tuple[str, ...] = ()
    missing_files: tuple[str, ...] = ()
    not_on_disk: tuple[str, ...] = ()
    calls: list[tuple[str, ...]] = field(default_factory=list)
    seconds: int = 0
    """How long it was allowed to take."""

    def __post_init__(self) -> None:
        runner = self.fake.runner
        runner.builder = self._build
        runner.on_call(r" look ", self._look)
        runner.on_call(r" require /", self._require)
        runner.on_call(r" make-sandbox /", self._make_sandbox)
        runner.on_call(r"^sh -ec 'sed ", lambda _: Reply(stdout="bookworm = debian\n"))
        runner.on_call(r"^cat /var/lib/xenflight/builds/", self._configuration)
        runner.on_call(r"^debugfs -f - ", self._debugfs)

    def _look(self, call: Call) -> Reply:
        there = [name for name in call.command.argv[4:] if name not in self.missing_programs]
        return Reply(stdout=f"release {self.release}\n" + "".join(f"program {x}\n" for x in there))

    def _require(self, call: Call) -> Reply:
        missing = [path for path in call.command.argv[4:] if path in self.missing_files]
        return Reply(stdout="\n".join(missing))

    def _make_sandbox(self, call: Call) -> Reply:
        run, hostname = call.command.argv[-1].split("/")[-2:]
        self.fake.builds.add(f"{run}/{hostname}")
        return Reply()

    def _build(self, command: Command) -> Stream:
        run, hostname = command.env[BUILDS_FOR_RUN], command.env[BUILDS_GUEST]
        self.calls.append(command.argv[_FIRST_OWN_WORD:])
        mark, self.seconds = command.argv[6], int(command.argv[7])
        words = command.argv
        if self.makes_volumes:
            swap = "--noswap" not in words
            for name in built_volumes(hostname)[: 2 if swap else 1]:
                self.fake.volumes[name] = set(scratch_tags(run, self.job))
        said = self.says + "\n" + "".join(f"{mark} left-mounted {path}\n" for path in self.mounts)
        if self.status is not None:
            said += f"{mark} ended {self.status}\n"
        return FakeStream(deque([None, said.encode()]))

    def _configuration(self, call: Call) -> Reply:
        hostname = call.command.argv[1].rpartition("/")[2].removesuffix(".cfg")
        found = [name for name in built_volumes(hostname) if name in self.fake.volumes]
        first = len(found)
        lines = [f"  'phy:/dev/vg0/{name},xvda{first - n},w'," for n, name in enumerate(found)]
        return Reply(stdout="disk        = [\n" + "\n".join(lines) + "\n ]\n")

    def _debugfs(self, call: Call) -> Reply:
        paths = [line.split()[1] for line in call.stdin.decode().splitlines()]
        there = [path for path in paths if path not in self.not_on_disk]
        errors = [f"{path}: File not found by ext2_lookup" for path in self.not_on_disk]
        return Reply(
            stdout="".join(f"debugfs: stat {path}\nInode: 12\n" for path in there),
            stderr="debugfs 1.47.0 (5-Feb-2023)\n" + "\n".join(errors),
        )
