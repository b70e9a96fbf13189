"""What an image shall be, and the key that names exactly that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from harness.dists.kernels import DEFAULT_KERNEL, KernelChoice
from harness.dists.table import find_dist
from harness.errors import UsageError
from harness.guest import customise, grub
from harness.guest.kernels import choose_kernel
from harness.guest.layout import Layout, partition_table
from harness.units import Size

BUILDERS = ("mmdebstrap",)
_SMALLEST = Size.parse("768M")
_USUAL = Size.parse("2G")


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """An image to build: an ext4 file system with a kernel, an initramfs and a boot menu in it."""

    dist: str
    arch: str = "amd64"
    size: Size = _USUAL
    """Of the whole image."""
    layout: Layout = Layout.BARE
    kernel: str = DEFAULT_KERNEL
    """As `harness.guest.kernels.choose_kernel` takes it."""
    builder: str = "mmdebstrap"
    extra_packages: tuple[str, ...] = ()
    small_initramfs: bool = True
    """Only Xen's and virtio's block drivers and ext4, instead of everything: `xl create` unpacks
    it, under emulation in a testbox. Off: as Debian makes it for any machine."""
    slim: bool = True
    """Without manual pages, translations and documentation, as in container images."""

    def __post_init__(self) -> None:
        choose_kernel(find_dist(self.dist), self.arch, self.kernel)
        if self.builder not in BUILDERS:
            msg = f"unknown builder {self.builder!r}; known are: {', '.join(BUILDERS)}"
            raise UsageError(msg)
        if self.size < _SMALLEST:
            msg = f"an image of {self.size} is too small: {self.dist} needs {_SMALLEST} or more"
            raise UsageError(msg)

    @property
    def kernel_choice(self) -> KernelChoice:
        """What *kernel* means for this dist and architecture."""
        return choose_kernel(find_dist(self.dist), self.arch, self.kernel)

    @property
    def packages(self) -> tuple[str, ...]:
        """All packages asked for by name, each once."""
        loaders = grub.PACKAGES if self.layout is Layout.DISK else ()
        kernel = self.kernel_choice.for_apt(self.arch)
        wanted = [*find_dist(self.dist).packages, *loaders, kernel, *self.extra_packages]
        return tuple(dict.fromkeys(wanted))

    @property
    def arches(self) -> tuple[str, ...]:
        """The architectures that packages come from, the user land's first."""
        return tuple(dict.fromkeys([self.arch, self.kernel_choice.flavour.arch]))

    def as_json(self) -> dict[str, object]:
        """For a manifest. Two ways to ask for one kernel are the same here."""
        fields = asdict(self) | {"size": int(self.size), "kernel": self.kernel_choice.package}
        fields["extra_packages"] = list(self.extra_packages)
        return fields


def content_key(spec: ImageSpec, mirror_key: str, tools: Mapping[str, str]) -> str:
    """A name for exactly this content: 16 hexadecimal digits.

    Over everything that goes in: *spec*, its packages, the texts of the hooks, the state of the
    mirror, and the versions of the *tools* that build it.
    """
    everything = {
        "spec": spec.as_json(),
        "packages": spec.packages,
        "hooks": [
            customise.before_kernel(small_initramfs=spec.small_initramfs),
            customise.after_packages(spec.layout),
            partition_table(spec.size) if spec.layout is Layout.DISK else "",
            customise.SLIM_DPKG_OPTIONS if spec.slim else (),
        ],
        "mirror": mirror_key,
        "tools": dict(sorted(tools.items())),
    }
    text = json.dumps(everything, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
