"""Read apt's own source lists, in both of their formats (sources.list(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import LabError, Place

ETC_APT = Path("/etc/apt")

_ONE_LINE = re.compile(
    r"(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)"
    r"(?P<components>(?:\s+\S+)*)\s*"
)


@dataclass(frozen=True, kw_only=True)
class AptSource:
    """One entry of a source list. A deb822 stanza may name several URIs and suites."""

    types: tuple[str, ...]
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    """Keys in lower case, as written in the other format too: ``signed-by``, ``arch``."""
    place: Place


def parse_deb822(text: str, file: str) -> list[AptSource]:
    """The entries of a ``*.sources`` file; those with ``Enabled: no`` are left out."""
    found = []
    for line, fields in _stanzas(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable"):
            continue
        words = {key: tuple(value.split()) for key, value in fields.items()}
        known = ("types", "uris", "suites", "components", "enabled")
        found.append(
            AptSource(
                types=words.get("types", ()),
                uris=words.get("uris", ()),
                suites=words.get("suites", ()),
                components=words.get("components", ()),
                options={key: text for key, text in fields.items() if key not in known},
                place=Place(file=file, line=line),
            )
        )
    return found


def _stanzas(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each stanza's fields (keys in lower case) and the line that it begins on."""
    fields: dict[str, str] = {}
    first, key = 0, ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield first, fields
            fields, key = {}, ""
        elif line[0] in " \t" and key:
            fields[key] += "\n" + line.strip()
        elif ":" in line:
            first = first if fields else number
            name, _, value = line.partition(":")
            key = name.strip().lower()
            fields[key] = value.strip()


def parse_one_line(text: str, file: str) -> list[AptSource]:
    """The entries of a ``*.list`` file. Lines that apt would refuse are passed over."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if not match:
            continue
        pairs = (word.partition("=") for word in (match["options"] or "").split())
        options = {name.lower(): value for name, equals, value in pairs if equals}
        found.append(
            AptSource(
                types=(match["type"],),
                uris=(match["uri"],),
                suites=(match["suite"],),
                components=tuple(match["components"].split()),
                options=options,
                place=Place(file=file, line=number),
            )
        )
    return found


def source_files(etc_apt: Path = ETC_APT) -> list[Path]:
    """The files that apt reads, in its order; there may be none."""
    parts = etc_apt / "sources.list.d"
    named = [*parts.glob("*.list"), *parts.glob("*.sources")]
    return [path for path in (etc_apt / "sources.list", *sorted(named)) if path.is_file()]


def read_sources(etc_apt: Path = ETC_APT) -> list[AptSource]:
    """Every enabled entry of the machine. `LabError` when a list cannot be read."""
    found: list[AptSource] = []
    for path in source_files(etc_apt):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            msg = f"cannot read apt's source list {path}: {error.strerror}"
            raise LabError(msg) from error
        parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
        found.extend(parse(text, str(path)))
    return found
