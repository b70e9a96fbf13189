"""The bundle on the disk: a directory that says what failed, and holds what it takes to run it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import LabError, UsageError
from harness.flight.axes import Builder
from harness.job.wanted import wanted_by
from harness.report.again import bundle_words
from harness.repro.fragment import flight_name, fragment
from harness.repro.origin import Origin
from harness.repro.readme import readme
from harness.results.model import ImageFacts
from harness.results.recorder import to_json
from harness.results.revisions import IMAGE
from harness.results.rules import host_of

IMAGE_FILE = "image.json"
_MOST = 64 << 10
"""Bytes of a file that is copied: no xl.cfg of ours comes near."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One that was written."""

    path: Path
    flight: Path
    """The flight file in it."""
    command: str
    lacks: tuple[str, ...]
    """What could not be put in, and why."""


def write_bundle(origin: Origin, out: Path, *, host: str = "") -> Bundle:
    """Write it to *out*, whole or not at all; a bundle that is there is replaced.

    *host*: the name to run it on, where that is not the usual one. `UsageError` when *out* is
    something else, or the job can't be run by itself; `LabError` when it can't be written.
    """
    if out.exists() and not (out / IMAGE_FILE).is_file():
        msg = f"{out} is there and no bundle; nothing was overwritten"
        raise UsageError(msg, hint="name another directory with --out")
    flight = out / f"{flight_name(origin.result.flight)}.yaml"
    command = bundle_words(str(flight), host)
    lacks = [] if not origin.remark else [origin.remark]
    texts = dict(_texts(origin, flight.name, lacks))
    texts["README.txt"] = readme(origin, command, tuple(texts), lacks)
    try:
        _put(out, texts)
    except OSError as error:
        msg = f"cannot write {error.filename or out}: {error.strerror or error}"
        raise LabError(msg) from error
    return Bundle(path=out, flight=flight, command=command, lacks=tuple(lacks))


def _put(out: Path, texts: dict[str, str]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        fresh.chmod(0o755)
        for name, text in texts.items():
            (fresh / name).write_text(text, encoding="utf-8", errors="replace")
        shutil.rmtree(out, ignore_errors=True)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _texts(origin: Origin, flight: str, lacks: list[str]) -> Iterator[tuple[str, str]]:
    result, job = origin.result, origin.job
    yield flight, fragment(result.flight, origin.spec)
    yield IMAGE_FILE, _json(_image(origin))
    yield "job.json", to_json(job, indent=1) + "\n"
    if facts := host_of(result.hosts, job):
        yield "host.json", to_json(facts, indent=1) + "\n"
    else:
        lacks.append("host.json is not here: the job never had a host.")
    files = origin.files
    config = files.job(job.name).xl_cfg if files else None
    if text := _read(config):
        yield "xl.cfg", text
    else:
        why = "the flight's files are not on this machine" if files is None else "none was written"
        lacks.append(f"xl.cfg is not here: {why}.")
    key = job.runvars.get(IMAGE)
    if files and key and (packages := _packages(origin, key)):
        yield "packages.json", packages


def _packages(origin: Origin, key: str) -> str:
    """What was installed in the image, if that is known; a name that can't be a file's is none."""
    try:
        return _read(origin.files.packages(key), most=_MOST << 6) if origin.files else ""
    except ValueError:
        return ""


def _read(file: Path | None, most: int = _MOST) -> str:
    try:
        if file is None or file.is_symlink() or file.stat().st_size > most:
            return ""
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _image(origin: Origin) -> dict[str, Any]:
    """How its image is made, and which one it had."""
    wanted = wanted_by(origin.spec)
    facts = _facts(origin)
    built_here = wanted.builder is Builder.MMDEBSTRAP
    return {
        "key": origin.job.runvars.get(IMAGE) or (facts.key if facts else None),
        "name": wanted.name,
        "wanted": asdict(wanted),
        "recipe": wanted.spec().as_json() if built_here else None,
        "packages_asked_for": wanted.spec().packages if built_here else None,
        "facts": facts.model_dump(mode="json") if facts else None,
    }


def _facts(origin: Origin) -> ImageFacts | None:
    """What the flight says of the image that the job had; None where it can't be told which."""
    job = origin.job
    key = job.runvars.get(IMAGE)
    images = origin.result.images
    mine = [one for one in images if (one.dist, one.arch) == (job.dist, job.arch)]
    found = [one for one in mine if one.key == key] if key else mine
    return found[0] if len(found) == 1 else None


def _json(value: object) -> str:
    return json.dumps(value, indent=1, default=str) + "\n"
