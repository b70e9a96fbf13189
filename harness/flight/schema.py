"""The shape of flight files and of hosts.yaml, and errors that say how to put them right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from harness.flight.fields import (
    Address,
    ArchField,
    BootField,
    Disk,
    DistField,
    Duration,
    Factor,
    FlightName,
    HostKey,
    HostName,
    KernelArgs,
    Memory,
    MirrorUrl,
    OnHost,
    Package,
    PhaseName,
    PocketField,
    Port,
    Slots,
    SuiteName,
    Variant,
    Vcpus,
    VirtField,
    unique,
)
from harness.flight.hints import did_you_mean
from harness.flight.problems import Finding, InputErrors
from harness.flight.yamlfile import Document, KeyPath, kind_of
from harness.units import Size

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

NonEmpty = AfterValidator(unique)


class Strict(BaseModel):
    """Base of all: unknown keys are errors, and no value is turned into another kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _default(text: str) -> Any:  # noqa: ANN401  # pydantic's Field returns Any too
    return Field(default_factory=lambda: Size.parse(text), json_schema_extra={"default": text})


class Overrides(Strict):
    """What `defaults` gives to every job, and what a job may give otherwise."""

    suite: SuiteName = Field(default="boot", description="The folder under suites/ to run.")
    memory: Memory = _default("512M")
    vcpus: Vcpus = 1
    disk: Disk = _default("2G")
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


class MatrixModel(Strict):
    """Every combination of these becomes a job."""

    dist: Annotated[list[DistField], NonEmpty]
    arch: Annotated[list[ArchField], NonEmpty]
    virt: Annotated[list[VirtField], NonEmpty]
    boot: Annotated[list[BootField], NonEmpty]


class MirrorModel(Strict):
    """Where guests are built from; `auto` is the machine's own apt sources."""

    url: MirrorUrl | None = None
    accept_expired: bool = False
    omit: list[PocketField] = []


def _mirror(value: object) -> object:
    """`auto` and a URL are short for a mapping."""
    if isinstance(value, str):
        value = {"url": value}
    if isinstance(value, dict) and value.get("url") == "auto":
        value = {**value, "url": None}
    return value


class FlightModel(Strict):
    """A flight file."""

    flight: FlightName = Field(description="The flight's name; the file is called the same.")
    description: str = ""
    mirror: Annotated[MirrorModel, BeforeValidator(_mirror)] = MirrorModel()
    hosts: Annotated[list[HostName], NonEmpty] = Field(
        default_factory=list, description="Names from hosts.yaml; left out: its default host."
    )
    defaults: Overrides = Overrides()
    matrix: MatrixModel | None = None
    jobs: list[JobModel] = []

    @model_validator(mode="after")
    def _some_jobs(self) -> FlightModel:
        if self.matrix is None and not self.jobs:
            msg = "the flight has no jobs; give it a 'matrix' or 'jobs'"
            raise ValueError(msg)
        return self


class TestboxModel(Strict):
    """A Xen host made in QEMU."""

    __test__ = False

    release: DistField
    memory: Memory = _default("4G")
    vcpus: Vcpus = 2
    disk: Disk = _default("16G")


class SshModel(Strict):
    """A Xen host reached by SSH."""

    address: Address
    port: Port = 22
    user: OnHost = "root"
    key_file: str
    host_key: HostKey
    vg: OnHost
    thin_pool: OnHost
    bridge: OnHost


class HostModel(Strict):
    """One host."""

    slots: Slots = 1
    timeout_factor: Factor = 1.0
    testbox: TestboxModel | None = None
    ssh: SshModel | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> HostModel:
        if (self.testbox is None) == (self.ssh is None):
            msg = "a host is either a 'testbox' or reached by 'ssh': give one of the two"
            raise ValueError(msg)
        return self


class HostsModel(Strict):
    """hosts.yaml."""

    default: HostName
    hosts: dict[HostName, HostModel]

    @model_validator(mode="after")
    def _default_exists(self) -> HostsModel:
        if self.default not in self.hosts:
            msg = f"the default host {self.default!r} is not among the hosts"
            raise ValueError(msg + did_you_mean(self.default, self.hosts))
        return self


def validate(model: type[M], document: Document) -> M:
    """*document* as *model*. `InputErrors` tells all that is wrong with it at once."""
    try:
        found = model.model_validate(document.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        findings = [_explain(model, document, detail) for detail in details]
        # A key inside a union is reported once for each branch; a user sees it once.
        raise InputErrors(dict.fromkeys([*document.findings, *findings])) from error
    if document.findings:
        raise InputErrors(document.findings)
    return found


def _explain(model: type[BaseModel], document: Document, detail: ErrorDetails) -> Finding:
    loc = detail["loc"]
    is_key = "[key]" in loc
    path: KeyPath = tuple(part for part in loc if part != "[key]")
    match detail["type"]:
        case "extra_forbidden":
            known = _model_at(model, path[:-1]).model_fields
            name = str(path[-1])
            text = f"unknown key {name!r}{did_you_mean(name, known)}"
            return document.finding(text, path, key=True)
        case "missing":
            where = f" in {_dotted(path[:-1])}" if path[:-1] else ""
            return document.finding(f"the key {path[-1]!r} is missing{where}", path)
        case "value_error":
            text = str(detail["ctx"]["error"])
        case kind:
            text = f"{_expected(kind, detail['msg'])}, not {kind_of(detail['input'])}"
    subject = f"{_dotted(path)}: " if path else ""
    return document.finding(f"{subject}{text}", path, key=is_key)


def _expected(kind: str, message: str) -> str:
    match kind:
        case "string_type":
            return "this must be text (put it in quotes)"
        case "int_type":
            return "this must be a whole number"
        case "float_type":
            return "this must be a number"
        case "bool_type":
            return "this must be true or false"
        case "list_type":
            return "this must be a list, such as [a, b]"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "this must be a mapping of keys to values"
        case _:
            return message[:1].lower() + message[1:]


def _dotted(path: KeyPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    """The model of the mapping at *path*: names lead into fields, numbers into lists."""
    for part in path:
        info = model.model_fields.get(str(part))
        if info:
            model = next(_models_in(info.annotation), model)
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
