"""The shape of flight files. docs/flights.md says what each key means."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema

from harness.dists.kernels import DEFAULT_KERNEL
from harness.flight.axes import Builder, Devices, DiskFormat, Layout, Toolstack
from harness.flight.builderoptions import OptionName, OptionValue, seedable
from harness.flight.fields import (
    AcceptField,
    ArchField,
    AxisName,
    BootField,
    BuilderField,
    DevicesField,
    Disk,
    DiskFormatField,
    DistField,
    Duration,
    ExtraDisk,
    FlightName,
    HostName,
    KernelArgs,
    KernelName,
    LayoutField,
    Location,
    Memory,
    MirrorUrl,
    OneOrMore,
    OneOrSome,
    Package,
    PeerField,
    PhaseName,
    PocketField,
    Reason,
    Sha256,
    SuiteName,
    Swap,
    ToolstackField,
    Variant,
    Vcpus,
    VirtField,
    is_url,
    unique,
)
from harness.flight.model import EXTRA_DEVICES
from harness.units import Size


class Strict(BaseModel):
    """Base of all: unknown keys are errors, and no value is turned into another kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def size(text: str) -> Any:  # noqa: ANN401  # pydantic's Field returns Any too
    """A field whose default is a size, shown to editors as it is written."""
    return Field(default_factory=lambda: Size.parse(text), json_schema_extra={"default": text})


class MirrorModel(Strict):
    """Where guests are built from; `auto` is the machine's own apt sources."""

    url: MirrorUrl | None = None
    accept: OneOrMore[AcceptField] = Field(
        default=[], description="What may be wrong with it: expired, a Release file out of date."
    )
    omit: OneOrMore[PocketField] = Field(default=[], description="Pockets not to use.")


def _mirror(value: object) -> object:
    """`auto` and a URL are short for a mapping."""
    if isinstance(value, str):
        value = {"url": value}
    if isinstance(value, dict) and value.get("url") == "auto":
        value = {**value, "url": None}
    return value


class _TextOrMapping:
    """Tells editors of the short forms that `_mirror` takes."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


MirrorField = Annotated[MirrorModel, BeforeValidator(_mirror), _TextOrMapping()]


class ImageModel(Strict):
    """An image that somebody else made, for `builder: import`."""

    location: Location = Field(
        description="A path, seen from the file in which it stands, or an http or https URL."
    )
    sha256: Sha256 = Field(default="", description="Of the file as it is; a URL needs it.")
    overlay: bool = Field(
        default=True, description="Whether the harness's key, password and names are written in."
    )

    @model_validator(mode="after")
    def _checked(self) -> ImageModel:
        if is_url(self.location) and not self.sha256:
            msg = "an image from a URL needs its 'sha256': what a server sends may change"
            raise ValueError(msg)
        return self


class Overrides(Strict):
    """What `defaults` gives to every job, and what a job may give otherwise."""

    suite: SuiteName = Field(default="boot", description="The folder under suites/ to run.")
    builder: BuilderField = Builder.MMDEBSTRAP
    kernel: KernelName = Field(
        default=DEFAULT_KERNEL,
        description="default, dom0, a flavour (cloud), or a version (6.1.0-50-cloud-amd64).",
    )
    layout: LayoutField = Layout.AUTO
    memory: Memory = size("512M")
    vcpus: Vcpus = 1
    disk: Disk = size("2G")
    disk_format: DiskFormatField = DiskFormat.RAW
    toolstack: ToolstackField = Toolstack.XL
    swap: Swap = Field(default=None, description="The size of a disk with swap space, or none.")
    devices: DevicesField = Field(
        default=Devices.PV, description="pv, or emulated: an HVM guest sees nothing of Xen."
    )
    extra_disks: list[ExtraDisk] = Field(
        default=[],
        max_length=len(EXTRA_DEVICES),
        description=f"Sizes of further, empty disks, {len(EXTRA_DEVICES)} at most.",
    )
    neighbour: Memory | None = Field(
        default=None,
        description="The memory of a second guest of the same image, for suites that have one.",
    )
    peer: PeerField | None = Field(
        default=None,
        description="A second host for suites that move the guest: any, same (Xen) or newer.",
    )
    passthrough: bool = Field(
        default=False,
        description="Give it one of the host's PCI network cards in place of its interface.",
    )
    image: ImageModel | None = None
    builder_options: Annotated[dict[OptionName, OptionValue], AfterValidator(seedable)] = Field(
        default={}, description="More options for xen-create-image; true for one without a value."
    )
    mirror: MirrorField | None = Field(
        default=None, description="What differs from the flight's mirror."
    )
    kernel_args: KernelArgs = Field(
        default="",
        description="Added at the end of the guest's kernel line; it overrides what is before.",
    )
    packages: list[Package] = Field(default=[], description="Debian packages to add to the guest.")
    timeouts: dict[PhaseName, Duration] = Field(
        default={}, description="How long a phase may take on hardware, such as kernel: 60s."
    )


class JobModel(Overrides):
    """One explicit cell."""

    dist: DistField
    arch: ArchField
    virt: VirtField
    boot: BootField
    variant: Variant | None = Field(default=None, description="A word added to the job's name.")


class AxesModel(Strict):
    """The axes, each with one value or a list of them."""

    dist: OneOrSome[DistField] = []
    arch: OneOrSome[ArchField] = []
    virt: OneOrSome[VirtField] = []
    boot: OneOrSome[BootField] = []
    builder: OneOrSome[BuilderField] = []
    kernel: OneOrSome[KernelName] = []
    layout: OneOrSome[LayoutField] = []
    memory: OneOrSome[Memory] = []
    vcpus: OneOrSome[Vcpus] = []
    disk: OneOrSome[Disk] = []
    disk_format: OneOrSome[DiskFormatField] = []
    toolstack: OneOrSome[ToolstackField] = []
    swap: OneOrSome[Swap] = []
    devices: OneOrSome[DevicesField] = []


class MatrixModel(AxesModel):
    """Every combination of these becomes a job."""

    dist: OneOrSome[DistField]
    arch: OneOrSome[ArchField]
    virt: OneOrSome[VirtField]
    boot: OneOrSome[BootField]


class WhereModel(AxesModel):
    """Jobs that have, for each key, one of its values."""

    suite: OneOrSome[SuiteName] = []
    variant: OneOrSome[Variant] = []

    @model_validator(mode="after")
    def _says_something(self) -> WhereModel:
        if not self.model_fields_set:
            msg = "an empty 'where' means every job; name an axis, or use 'defaults'"
            raise ValueError(msg)
        return self


class ExcludeModel(Strict):
    """Jobs that are not run."""

    where: WhereModel
    reason: Reason = Field(description="Why; it is in the plan and in the results.")


class OverrideModel(Strict):
    """Jobs that differ."""

    where: WhereModel
    set: Overrides


class FlightModel(Strict):
    """A flight file."""

    flight: FlightName = Field(description="The flight's name; the file is called the same.")
    extends: OneOrMore[str] = Field(
        default=[], description="Files whose keys this one takes over where it has none of its own."
    )
    description: str = ""
    mirror: MirrorField = MirrorModel()
    hosts: Annotated[list[HostName], AfterValidator(unique)] = Field(
        default_factory=list, description="Names from hosts.yaml; left out: its default host."
    )
    defaults: Overrides = Overrides()
    matrix: MatrixModel | None = None
    stripe: OneOrSome[AxisName] = Field(
        default_factory=list,
        description="Axes whose values are spread over the product of the others.",
    )
    exclude: list[ExcludeModel] = []
    overrides: list[OverrideModel] = []
    jobs: list[JobModel] = Field(default=[], description="Single jobs beside the matrix.")

    @model_validator(mode="after")
    def _some_jobs(self) -> FlightModel:
        if self.matrix is None and not self.jobs:
            msg = "the flight has no jobs; give it a 'matrix' or 'jobs'"
            raise ValueError(msg)
        return self
