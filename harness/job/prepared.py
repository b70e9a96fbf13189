"""What the controller made ready for a flight, written down for all its processes."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.errors import LabError
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
    """The golden LV of one job's image, or why there is none."""

    key: str = ""
    golden: str = ""
    """The LV's name."""
    kernel: str = ""
    """Path on the host."""
    initrd: str = ""
    shadow: str = ""
    """The image's /etc/shadow."""
    broken: str = ""
    """Why it could not be had; empty when it could."""


class Prepared(_Record):
    """Read by every worker before it touches a guest."""

    flight_id: str
    host: Endpoint | None = None
    secrets: Path = Path()
    """Directory with the flight's user key and root password, open to its owner only."""
    images: dict[str, PreparedImage] = {}
    """By job name."""
    broken: str = ""
    """Why no job can run at all; empty when they can."""

    @property
    def endpoint(self) -> SshEndpoint:
        """How to reach the host."""
        if self.host is None:
            msg = self.broken or "the flight was not made ready"
            raise LabError(msg)
        return self.host.endpoint()

    def image(self, job: str) -> PreparedImage:
        """The image of *job*; `LabError` says why it has none."""
        if self.broken:
            raise LabError(self.broken)
        image = self.images.get(job) or PreparedImage(broken=f"no image was made for {job}")
        if image.broken:
            raise LabError(image.broken)
        return image

    def write(self, directory: Path) -> None:
        """Save it in the flight's directory, whole or not at all; `LabError` when it can't be."""
        try:
            write_atomically(directory / PREPARED, self.model_dump_json(indent=1))
        except OSError as error:
            msg = f"cannot write {directory / PREPARED}: {error.strerror or error}"
            raise LabError(msg) from error

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
