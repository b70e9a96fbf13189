"""What the controller made ready for a flight, written down for all its processes.

`Prepared` is what is common, and there before the first step. The images come later, while
guests of other images are at work already: see `harness.job.outcomes`.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator

from harness.errors import LabError, Starved
from harness.host.capabilities import Capabilities
from harness.remote.sshlink import SshEndpoint
from harness.results.model import EvidenceResult
from harness.results.recorder import write_atomically

PREPARED = "prepared.json"
Fits = dict[str, tuple[str, ...]]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoint(_Record):
    """How to reach the host (`SshEndpoint` as JSON)."""

    name: str
    address: str
    port: int
    user: str
    key_file: Path
    host_key: str | None

    @classmethod
    def of(cls, endpoint: SshEndpoint) -> Endpoint:
        """The same, as JSON can hold it."""
        return cls(**{name: getattr(endpoint, name) for name in cls.model_fields})

    def endpoint(self) -> SshEndpoint:
        """The real one."""
        return SshEndpoint(**self.model_dump())


class PreparedImage(_Record):
    """The golden LV of an image, or what its builder on the host needs, or why there is none."""

    key: str = ""
    golden: str = ""
    """The LV's name; empty for a builder that makes the disk on the host."""
    kernel: str = ""
    """Path on the host; empty when the image has none for a direct boot."""
    initrd: str = ""
    layout: str = ""
    """``bare`` or ``disk``."""
    root_partition: int = 0
    """Number of the partition with the root file system; 0 without a partition table."""
    root_offset: int = 0
    """Bytes."""
    seedable: bool = True
    menu: str = ""
    """The text of its boot menu; empty without one."""
    menu_path: str = ""
    mirror_url: str = ""
    """What a builder on the host takes for ``--mirror``, as the host reaches it; empty for images
    that were built here."""
    broken: str = ""
    """Why it could not be had; empty when it could."""


class PreparedHost(_Record):
    """A host of the flight, or why no job runs there."""

    endpoint: Endpoint | None = None
    """How to get there; None when that can't be."""
    capabilities: Capabilities = Capabilities()
    """What it can do."""
    misfits: dict[str, str] = {}
    """By job name why it can run there at no time; none for those that can."""
    care: float = 0.0
    """How long it may take to answer what is asked of the host's care, in seconds."""
    held: int = 0
    """How many of its slots others had when it was made ready."""
    broken: str = ""
    """Why no job can run on it; empty when they can."""
    starved: str = ""
    """Why no job may begin on it; empty when they may."""

    @property
    def care_bound(self) -> timedelta:
        """How long an answer of its care may take."""
        return timedelta(seconds=self.care)


def folded(fits: Fits) -> dict[str, Any]:
    """*fits* as JSON has it: each set of hosts once. Of a thousand hosts and ten thousand jobs that
    is a thousandth."""
    sets = {hosts: number for number, hosts in enumerate(dict.fromkeys(fits.values()))}
    return {"sets": list(sets), "jobs": {job: sets[hosts] for job, hosts in fits.items()}}


def unfolded(value: Any) -> Fits:  # noqa: ANN401 (whatever stands in the file)
    """What `folded` made, or what it is made of; `ValueError` for anything else."""
    if not isinstance(value, dict):
        msg = "the hosts of jobs are no mapping"
        raise ValueError(msg)
    if value.keys() != {"sets", "jobs"} or not isinstance(value["sets"], list):
        return {str(job): tuple(hosts) for job, hosts in value.items()}
    sets = [tuple(map(str, hosts)) for hosts in value["sets"]]
    try:
        return {str(job): sets[number] for job, number in value["jobs"].items()}
    except (IndexError, TypeError, AttributeError) as error:
        msg = f"the hosts of jobs are damaged: {error}"
        raise ValueError(msg) from error


class Prepared(_Record):
    """Read by every worker before it touches a guest."""

    flight_id: str
    hosts: dict[str, PreparedHost] = {}
    """By name, in the order of the plan."""
    fits: Annotated[Fits, PlainValidator(unfolded), PlainSerializer(folded)] = {}
    """By job name the hosts that can run it, in the order of the plan. None for jobs of which
    that is not known."""
    peers: dict[str, dict[str, tuple[str, ...]]] = {}
    """For jobs that need a second host: for each on which they may begin, the others."""
    secrets: Path = Path()
    """Directory with the flight's user key and root password, open to its owner only."""
    images: dict[str, str] = {}
    """By job name the name of its image's outcome. None for jobs that are skipped."""
    skips: dict[str, str] = {}
    """Why jobs cannot run on any of the hosts, by job name."""
    controller: int = 0
    """Process id of who makes the images."""
    broken: str = ""
    """Why no job can run at all; empty when they can."""

    def endpoint(self, host: str) -> SshEndpoint:
        """How to reach *host*."""
        found = self.hosts.get(host)
        if found is None or found.endpoint is None:
            msg = (found and found.broken) or f"{host} was not made ready"
            raise LabError(msg)
        return found.endpoint.endpoint()

    def hosts_for(self, job: str) -> tuple[str, ...]:
        """The hosts that can run *job*, at least one.

        `LabError` when there is none because of our lab; `Starved` when one that could might come
        back, or may just not be used.
        """
        if self.broken:
            raise LabError(self.broken)
        if found := self.fits.get(job):
            return found
        starved = [host.starved for host in self.hosts.values() if host.starved]
        broken = [host.broken for host in self.hosts.values() if host.broken]
        if starved:
            raise Starved("; ".join([*starved, *broken]))
        raise LabError("; ".join(broken) or f"no host is known to run {job}")

    def image_of(self, job: str) -> str:
        """The name of the outcome that *job* needs; `LabError` when there will be none."""
        if job not in self.images:
            msg = f"no image is made for {job}"
            raise LabError(msg)
        return self.images[job]

    def write(self, directory: Path) -> None:
        """Save it in the flight's directory, whole or not at all; `LabError` when it can't be."""
        write_record(directory / PREPARED, self)

    @classmethod
    def read(cls, directory: Path) -> Prepared:
        """What the controller wrote; `LabError` when it did not."""
        path = directory / PREPARED
        try:
            about = path.stat()
            return _parsed(path, about.st_ino, about.st_mtime_ns)
        except (OSError, ValueError) as error:
            msg = f"the flight was not made ready: {error}"
            raise LabError(msg) from error


@lru_cache(maxsize=2)
def _parsed(path: Path, inode: int, changed: int) -> Prepared:
    """What stands in the file, once for all who read it: of a thousand hosts it is megabytes. It is
    replaced and never changed, so another inode or moment is another file."""
    del inode, changed
    return Prepared.model_validate_json(path.read_text(encoding="utf-8"))


class JobFacts(_Record):
    """What is known of a job when it is over."""

    host: str = ""
    """The name of the host that it ran on; empty when it never had one."""
    kept: bool = False
    waits: dict[str, float] = {}
    runvars: dict[str, str] = {}
    evidence: EvidenceResult | None = None
    again: bool = False
    """Whether it is to be tried once more, at once."""


def write_record(path: Path, record: BaseModel) -> None:
    """Save *record*, whole or not at all; `LabError` when it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, record.model_dump_json(indent=1))
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise LabError(msg) from error
