"""The builders that work on a host, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.build.debian_installer import debian_installer
from harness.build.model import BuildRequest, BuiltDisks
from harness.build.xen_create_image import xen_create_image
from harness.flight.axes import Builder

BUILDERS: Mapping[Builder, Callable[[BuildRequest], BuiltDisks]] = {
    Builder.XEN_CREATE_IMAGE: xen_create_image,
    Builder.DEBIAN_INSTALLER: debian_installer,
}


def build_on_host(request: BuildRequest) -> BuiltDisks:
    """Have the disks of a job made; see the builders for what can go wrong."""
    return BUILDERS[request.spec.builder](request)
