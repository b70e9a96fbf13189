"""What is otherwise than it was in an earlier flight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.results.model import FlightResult, HostFacts, ImageFacts
from harness.results.revisions import DEFINED, DEFINITION, DOM0_KERNEL, IMAGE, XEN
from harness.results.runs import Run
from harness.site.archive import Head
from harness.status import Status

NAMES = {XEN: "Xen", DOM0_KERNEL: "dom0's kernel", IMAGE: "image", DEFINITION: "job's definition"}
_GUEST_KERNEL = "guest_kernel"
"""The runvar in which a guest's own answer stands."""

_NAMED = 6
"""Images, or jobs, that changed alike and are named."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing; empty when it was not there, or is not there any more."""

    what: str
    then: str
    now: str


def kind_of(image: ImageFacts) -> str:
    """What an image is, whatever is in it: ``bookworm amd64 disk``."""
    return " ".join(part for part in (image.dist, image.arch, image.layout) if part)


def last_good(heads: Sequence[Head], flight: str) -> Head | None:
    """The last flight of the same branch before *flight* whose gate opened; without one, the last
    that passed. *heads*: newest first."""
    here = next((head for head in heads if head.flight == flight), None)
    if here is None:
        return None
    earlier = [head for head in heads if head.branch == here.branch and head.started < here.started]
    opened = next((head for head in earlier if head.gate_open), None)
    return opened or next((head for head in earlier if head.status is Status.PASS), None)


def flight_changes(then: FlightResult, now: FlightResult) -> list[Change]:
    """What was under test, thing by thing; only what differs."""
    found = _differences(_facts(then), _facts(now))
    return [*found, *_image_changes(then.images, now.images), *_definitions(then, now)]


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    keys = [*new, *(key for key in old if key not in new)]
    return [
        Change(what=key, then=old.get(key, ""), now=new.get(key, ""))
        for key in keys
        if old.get(key, "") != new.get(key, "")
    ]


def _image_changes(then: Sequence[ImageFacts], now: Sequence[ImageFacts]) -> list[Change]:
    """Images that changed in the same way, a newer mirror say, as one line."""
    keys = _differences(_images(then, _key), _images(now, _key))
    old, new = _images(then, _made_of), _images(now, _made_of)
    same: dict[tuple[str, str], list[str]] = {}
    for change in keys:
        before, after = old.get(change.what, ""), new.get(change.what, "")
        if before == after:
            before, after = change.then, change.now
        same.setdefault((before, after), []).append(change.what)
    return [
        Change(what=_several(names), then=before, now=after)
        for (before, after), names in same.items()
    ]


def _definitions(then: FlightResult, now: FlightResult) -> list[Change]:
    """What the flight file gives the jobs that are in both; those that changed alike as one line.

    It tells most of what there is to tell of a job that fails since its definition was changed.
    """
    old = {job.name: job.runvars for job in then.jobs}
    same: dict[tuple[str, str, str], list[str]] = {}
    for job in now.jobs:
        before = old.get(job.name)
        for name in DEFINED if before else ():
            # One that never ran has none.
            if before and name in before and name in job.runvars:
                change = (name, before[name], job.runvars[name])
                if change[1] != change[2]:
                    same.setdefault(change, []).append(job.name)
    return [
        Change(what=f"{name} of {_named(jobs)}", then=before or "none", now=after or "none")
        for (name, before, after), jobs in same.items()
    ]


def _several(names: Sequence[str]) -> str:
    return f"image{'s' if len(names) > 1 else ''} {_named(names)}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def run_changes(then: Run, now: Run) -> list[Change]:
    """The same of two runs of one job, by their revisions; and whether it ran elsewhere."""
    found = [
        Change(
            what=NAMES.get(tree, tree),
            then=then.revisions.get(tree, ""),
            now=now.revisions.get(tree, ""),
        )
        for tree in sorted({*then.revisions, *now.revisions})
        if then.revisions.get(tree) != now.revisions.get(tree)
    ]
    if then.host and now.host and then.host != now.host:
        found.append(Change(what="host", then=then.host, now=now.host))
    return found


def _facts(flight: FlightResult) -> dict[str, str]:
    found: dict[str, str] = {}
    found |= _of_hosts(flight.hosts)
    for name, kernels in _kernels(flight).items():
        found[f"kernel of guests, {name}"] = ", ".join(sorted(kernels))
    found["xenflight"] = flight.revision or flight.harness_version
    return found


def _of_hosts(hosts: Iterable[HostFacts]) -> dict[str, str]:
    """One line for all hosts where they agree."""
    usable = [host for host in hosts if not host.unusable]
    facts: dict[str, dict[str, str]] = {
        "Xen": {host.name: host.xen_version or "" for host in usable},
        "dom0's kernel": {host.name: host.dom0_kernel or "" for host in usable},
        "dom0's release": {host.name: host.dom0_release or "" for host in usable},
        "emulation": {host.name: host.accel or "" for host in usable},
    }
    found = {what: _agreed(by_host) for what, by_host in facts.items()}
    found["hosts"] = ", ".join(sorted(host.name for host in usable))
    return found


def _agreed(by_host: Mapping[str, str]) -> str:
    values = set(by_host.values())
    if len(values) == 1:
        return values.pop()
    return ", ".join(f"{value or 'unknown'} on {host}" for host, value in sorted(by_host.items()))


def _images(images: Iterable[ImageFacts], say: Callable[[ImageFacts], str]) -> dict[str, str]:
    """What to *say* of them, by what they are; several of a kind together."""
    found: dict[str, str] = {}
    for image in images:
        what = kind_of(image)
        found[what] = f"{found[what]}; {say(image)}" if what in found else say(image)
    return found


def _key(image: ImageFacts) -> str:
    return image.key


def _made_of(image: ImageFacts) -> str:
    dates = ", ".join(f"{pocket} of {at:%Y-%m-%d}" for pocket, at in image.release_dates.items())
    parts = [image.builder, image.kernel or "", dates, image.source or ""]
    return ", ".join(part for part in parts if part)


def _kernels(flight: FlightResult) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for job in flight.jobs:
        if kernel := job.runvars.get(_GUEST_KERNEL):
            found.setdefault(f"{job.dist} {job.arch}", set()).add(kernel)
    return found
