"""The kinds of values in flight files, as pydantic types that explain what they accept."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

from harness.flight.axes import (
    AXES,
    Accept,
    Arch,
    Boot,
    Builder,
    Devices,
    DiskFormat,
    Dist,
    Layout,
    Peer,
    Pocket,
    Toolstack,
    Virt,
    choose,
)
from harness.flight.hints import did_you_mean
from harness.flight.model import PHASES
from harness.pci import EXAMPLE, PCI_ADDRESS
from harness.units import Size, parse_duration

T = TypeVar("T")

MAX_TIMEOUT = timedelta(days=1)
_WORD = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_VARIANT = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KERNEL = re.compile(r"[a-z0-9][a-z0-9.+~-]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ON_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_SIZE_PATTERN = r"^\s*\d+(\.\d+)?\s*[KMGTkmgt]?([iI]?[bB])?\s*$"
_DURATION_PATTERN = r"^(?=.)(\d+h)?(\d+m)?(\d+(\.\d+)?s)?$"


def _size(low: str, high: str) -> Callable[[object], Size]:
    least, most = Size.parse(low), Size.parse(high)

    def check(value: object) -> Size:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            msg = "a size is a number and a unit, such as 512M or 2G"
            raise ValueError(msg)
        try:
            size = Size.parse(str(value))
        except OverflowError as error:
            msg = f"a size this long is impossible; accepted: {low} to {high}"
            raise ValueError(msg) from error
        if not least <= size <= most:
            bare = "" if isinstance(value, str) else " bytes (a number without a unit)"
            how = "small: the least is" if size < least else "large: the most is"
            msg = f"{value}{bare} is too {how} {low if size < least else high}"
            raise ValueError(msg)
        return size

    return check


def _duration(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        msg = "a duration is written as 90s, 5m or 1h30m"
        raise ValueError(msg)
    try:
        duration = parse_duration(value)
    except OverflowError:
        duration = timedelta.max
    if duration > MAX_TIMEOUT:
        msg = f"{value} is too long: the most is 24h"
        raise ValueError(msg)
    return duration


def _number(low: float, high: float) -> Callable[[T], T]:
    def check(value: T) -> T:
        if isinstance(value, int | float) and not low <= value <= high:
            msg = f"{value} is out of bounds; accepted: {low} to {high}"
            raise ValueError(msg)
        return value

    return check


def _matches(pattern: re.Pattern[str], longest: int, what: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value) or len(value) > longest:
            msg = f"{value!r} is not {what}"
            raise ValueError(msg)
        return value

    return check


def _phase(value: str) -> str:
    if value not in PHASES:
        msg = f"unknown phase {value!r}{did_you_mean(value, PHASES)}"
        raise ValueError(msg)
    return value


def _axis(value: str) -> str:
    if value not in AXES:
        msg = f"unknown axis {value!r}{did_you_mean(value, AXES)}"
        raise ValueError(msg)
    return value


def _swap(value: object) -> Size | None:
    return None if value == "none" else _size("16M", "1T")(value)


def _kernel_args(value: str) -> str:
    if not value.isprintable():
        msg = "kernel arguments stand on one line, without control characters"
        raise ValueError(msg)
    return value.strip()


def _url(value: str) -> str:
    parts = urlsplit(value)
    # First of all, since the other messages repeat what was written.
    if parts.password is not None:
        msg = "a mirror's URL holds no password: flights and results are for everyone to read"
        raise ValueError(msg)
    # A space would begin another word of a line of sources.list, as "[trusted=yes]" does.
    odd = not value.isprintable() or " " in value
    if parts.scheme not in ("http", "https") or not parts.hostname or odd:
        msg = (
            f"{value!r} is not a mirror; write auto, or a URL that begins with http:// or https://"
        )
        raise ValueError(msg)
    return value


def is_url(location: str) -> bool:
    """Whether an image is fetched, and not just read."""
    return "://" in location


def _location(value: str) -> str:
    if not value.isprintable() or not value.strip():
        msg = "this must be a path, or a URL that begins with http:// or https://"
        raise ValueError(msg)
    if not is_url(value):
        return value
    parts = urlsplit(value)
    if parts.password is not None:
        msg = "an image's URL holds no password: flights and results are for everyone to read"
        raise ValueError(msg)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"{value!r} is not a URL that begins with http:// or https://"
        raise ValueError(msg)
    return value


def _reason(value: str) -> str:
    text = " ".join(value.split())
    if not text or not text.isprintable():
        msg = "a reason is a sentence for whoever asks why the job did not run"
        raise ValueError(msg)
    return text


def _host_key(value: str) -> str:
    kind, _, rest = value.strip().partition(" ")
    encoded = rest.split(" ")[0]
    try:
        known = kind.encode() in base64.b64decode(encoded, validate=True)[:64]
    except binascii.Error:
        known = False
    if not known:
        msg = (
            "this is not a public host key; write what `ssh-keyscan -t ed25519 HOST` prints "
            "after the host's name, such as ssh-ed25519 AAAA..."
        )
        raise ValueError(msg)
    return f"{kind} {encoded}"


def _command_line(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            msg = f"{value!r} can't be split into words: {error}"
            raise ValueError(msg) from error
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        words = value
    else:
        msg = "a command is one line of text, or a list of its words"
        raise ValueError(msg)
    if not words or not words[0] or "\0" in "".join(words):
        msg = "this is no command: it begins with the name of a program"
        raise ValueError(msg)
    return tuple(words)


def unique(values: list[T]) -> list[T]:
    """The list itself; `ValueError` when it is empty or names a thing twice."""
    if not values:
        msg = "the list is empty"
        raise ValueError(msg)
    for position, value in enumerate(values):
        if value in values[:position]:
            word = "none" if value is None else str(value)
            msg = f"{word!r} stands in the list twice"
            raise ValueError(msg)
    return values


def _listed(value: object) -> object:
    """One value is short for a list of it."""
    return value if value is None or isinstance(value, list | dict) else [value]


def _pci_addresses(value: object) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple):
        msg = f"this is a list of PCI addresses, such as [{EXAMPLE}]"
        raise ValueError(msg)
    for one in found:
        if not isinstance(one, str) or not PCI_ADDRESS.fullmatch(one):
            msg = f"{one!r} is not a PCI address with its domain, such as {EXAMPLE}"
            raise ValueError(msg)
    return tuple(unique(list(found))) if found else ()


class _OneOrList:
    """Tells editors that a list's only value may stand alone."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        return {"anyOf": [found["items"], found]}


_SIZE_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": _SIZE_PATTERN}, {"type": "integer"}]}
)
_SWAP_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": _SIZE_PATTERN},
            {"const": "none"},
            {"type": "integer"},
        ]
    }
)
_DURATION_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": _DURATION_PATTERN}, {"type": "number"}]}
)


def _word(what: str) -> AfterValidator:
    meaning = f"a {what}: lower-case letters and digits, parts joined by a dash, 40 at most"
    return AfterValidator(_matches(_WORD, 40, meaning))


DistField = Annotated[Dist, BeforeValidator(lambda value: choose(Dist, value))]
ArchField = Annotated[Arch, BeforeValidator(lambda value: choose(Arch, value))]
VirtField = Annotated[Virt, BeforeValidator(lambda value: choose(Virt, value))]
BootField = Annotated[Boot, BeforeValidator(lambda value: choose(Boot, value))]
BuilderField = Annotated[Builder, BeforeValidator(lambda value: choose(Builder, value))]
LayoutField = Annotated[Layout, BeforeValidator(lambda value: choose(Layout, value))]
DiskFormatField = Annotated[DiskFormat, BeforeValidator(lambda value: choose(DiskFormat, value))]
DevicesField = Annotated[Devices, BeforeValidator(lambda value: choose(Devices, value))]
ToolstackField = Annotated[Toolstack, BeforeValidator(lambda value: choose(Toolstack, value))]
PeerField = Annotated[Peer, BeforeValidator(lambda value: choose(Peer, value))]
AcceptField = Annotated[Accept, BeforeValidator(lambda value: choose(Accept, value))]
PocketField = Annotated[Pocket, BeforeValidator(lambda value: choose(Pocket, value))]
FlightName = Annotated[str, _word("flight's name")]
SuiteName = Annotated[str, _word("suite's name")]
# Fit for all that the axes of a matrix put at the end of a name: 6-1-0-50-cloud-amd64-mem1g.
Variant = Annotated[
    str,
    AfterValidator(
        _matches(
            _VARIANT,
            100,
            "a variant: lower-case letters and digits, parts joined by a dash, 100 at most",
        )
    ),
]
HostName = Annotated[str, _word("host's name")]
Package = Annotated[str, AfterValidator(_matches(_PACKAGE, 200, "the name of a Debian package"))]
Memory = Annotated[Size, PlainValidator(_size("64M", "1T")), _SIZE_SCHEMA]
Disk = Annotated[Size, PlainValidator(_size("512M", "16T")), _SIZE_SCHEMA]
ExtraDisk = Annotated[Size, PlainValidator(_size("1M", "16T")), _SIZE_SCHEMA]
Swap = Annotated[Size | None, PlainValidator(_swap), _SWAP_SCHEMA]
Duration = Annotated[timedelta, BeforeValidator(_duration), _DURATION_SCHEMA]
PhaseName = Annotated[
    str, AfterValidator(_phase), WithJsonSchema({"type": "string", "enum": list(PHASES)})
]
Vcpus = Annotated[
    int,
    AfterValidator(_number(1, 512)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 512}),
]
Slots = Annotated[int, AfterValidator(_number(1, 256))]
Port = Annotated[int, AfterValidator(_number(1, 65535))]
Factor = Annotated[float, AfterValidator(_number(0.1, 100))]
Overcommit = Annotated[float, AfterValidator(_number(1, 100))]
Location = Annotated[str, AfterValidator(_location)]
Sha256 = Annotated[
    str,
    AfterValidator(_matches(re.compile(r"[0-9a-f]{64}"), 64, "a SHA-256: 64 digits 0-9 and a-f")),
]
Reason = Annotated[str, AfterValidator(_reason)]
AxisName = Annotated[
    str, AfterValidator(_axis), WithJsonSchema({"type": "string", "enum": list(AXES)})
]
_KERNEL_WORDS = "default, dom0, a flavour such as cloud, or a version such as 6.1.0-50-cloud-amd64"
KernelName = Annotated[str, AfterValidator(_matches(_KERNEL, 100, f"a kernel: {_KERNEL_WORDS}"))]
OneOrSome = Annotated[list[T], BeforeValidator(_listed), AfterValidator(unique), _OneOrList()]
"""A list, or its only value."""
OneOrMore = Annotated[list[T], BeforeValidator(_listed), _OneOrList()]
"""The same, and the list may be empty."""
KernelArgs = Annotated[str, AfterValidator(_kernel_args)]
MirrorUrl = Annotated[str, AfterValidator(_url)]
Address = Annotated[str, AfterValidator(_matches(_ADDRESS, 253, "a host name or IP address"))]
OnHost = Annotated[str, AfterValidator(_matches(_ON_HOST, 100, "a name Linux or LVM accepts"))]
PciAddresses = Annotated[
    tuple[str, ...],
    PlainValidator(_pci_addresses),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": PCI_ADDRESS.pattern}}),
]
HostKey = Annotated[str, AfterValidator(_host_key)]
VariableName = Annotated[
    str, AfterValidator(_matches(_VARIABLE, 200, "the name of an environment variable"))
]
CommandLine = Annotated[tuple[str, ...], PlainValidator(_command_line)]
"""A command of the user's, as a line or as a list of words. No shell reads it."""
