"""What the controller made ready for a flight, written down for all its processes.

`Prepared` is what is common, and there before the first step. The images come later, while
guests of other images are at work already: see `harness.job.outcomes`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.errors import LabError
from harness.host.capabilities import Capabilities
from harness.remote.sshlink import SshEndpoint
from harness.results.recorder import write_atomically

PREPARED = "prepared.json"


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


class Prepared(_Record):
    """Read by every worker before it touches a guest."""

    flight_id: str
    host: Endpoint | None = None
    secrets: Path = Path()
    """Directory with the flight's user key and root password, open to its owner only."""
    images: dict[str, str] = {}
    """By job name the name of its image's outcome. None for jobs that are skipped."""
    skips: dict[str, str] = {}
    """Why jobs cannot run on this host, by job name."""
    capabilities: Capabilities = Capabilities()
    """What the host can do."""
    controller: int = 0
    """Process id of who makes the images."""
    broken: str = ""
    """Why no job can run at all; empty when they can."""

    @property
    def endpoint(self) -> SshEndpoint:
        """How to reach the host."""
        if self.host is None:
            msg = self.broken or "the flight was not made ready"
            raise LabError(msg)
        return self.host.endpoint()

    def image_of(self, job: str) -> str:
        """The name of the outcome that *job* needs; `LabError` when there will be none."""
        if self.broken:
            raise LabError(self.broken)
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
        try:
            return cls.model_validate_json((directory / PREPARED).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"the flight was not made ready: {error}"
            raise LabError(msg) from error


class JobFacts(_Record):
    """What is known of a job when it is over."""

    kept: bool = False
    waits: dict[str, float] = {}
    runvars: dict[str, str] = {}


def write_record(path: Path, record: BaseModel) -> None:
    """Save *record*, whole or not at all; `LabError` when it can't be."""
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, record.model_dump_json(indent=1))
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise LabError(msg) from error
