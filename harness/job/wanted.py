"""Which images the jobs of a flight need, each once, in the order in which they are needed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from harness.cache import content_key
from harness.dists.kernels import DEFAULT_KERNEL, DOM0_KERNEL
from harness.dists.table import find_dist
from harness.flight.axes import Builder
from harness.flight.model import ImageSource, JobSpec, MirrorSpec
from harness.guest.kernels import choose_kernel
from harness.guest.layout import Layout
from harness.guest.spec import ImageSpec
from harness.units import Size

_HASH = 8
_NO_SIZE = Size(0)
_USUAL_MIRROR = MirrorSpec()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One image, as jobs ask for it; jobs with equal ones share it."""

    builder: Builder
    dist: str
    arch: str
    layout: str = ""
    kernel: str = DEFAULT_KERNEL
    size: Size = _NO_SIZE
    packages: tuple[str, ...] = ()
    mirror: MirrorSpec = _USUAL_MIRROR
    source: ImageSource | None = None

    @property
    def name(self) -> str:
        """Short, for people and for files: ``bookworm-amd64-bare-1a2b3c4d``."""
        text = json.dumps(asdict(self), sort_keys=True)
        how = self.layout if self.builder is Builder.MMDEBSTRAP else self.builder.value
        return f"{self.dist}-{self.arch}-{how}-{content_key(text)[:_HASH]}"

    def spec(self) -> ImageSpec:
        """For the builder of Debian images; `UsageError` when it can't be built as asked."""
        return ImageSpec(
            dist=self.dist,
            arch=self.arch,
            size=self.size,
            layout=Layout(self.layout),
            kernel=self.kernel,
            extra_packages=self.packages,
        )

    def arches(self) -> tuple[str, ...]:
        """The architectures that packages come from; `UsageError` as for `spec`."""
        if self.builder is Builder.MMDEBSTRAP:
            return self.spec().arches
        choice = choose_kernel(find_dist(self.dist), self.arch, self.kernel)
        return tuple(dict.fromkeys([self.arch, choice.flavour.arch]))


def wanted_by(job: JobSpec) -> Wanted:
    """The image that *job* needs; what makes no difference to its builder is left out."""
    kernel = DEFAULT_KERNEL if job.kernel == DOM0_KERNEL else job.kernel
    usual = Wanted(builder=job.builder, dist=job.dist.value, arch=job.arch.value)
    if job.builder is Builder.IMPORT:
        return replace(usual, size=job.disk, source=job.image)
    if job.builder.on_host:
        # It makes each job its own disk: only a mirror is made ready.
        return replace(usual, kernel=kernel, mirror=job.mirror)
    return replace(
        usual,
        layout=job.layout.value,
        kernel=kernel,
        size=job.disk,
        packages=tuple(sorted(job.packages)),
        mirror=job.mirror,
    )


def in_order(jobs: Iterable[JobSpec]) -> dict[Wanted, list[str]]:
    """Each image once, in the order of the first job that needs it, and the jobs that do."""
    found: dict[Wanted, list[str]] = {}
    for job in jobs:
        found.setdefault(wanted_by(job), []).append(job.name)
    return found
