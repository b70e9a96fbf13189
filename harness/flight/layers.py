"""What a job is made of: settings in layers, of which a later one wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.flight.axes import Accept, Boot, Builder, Layout
from harness.flight.fields import is_url
from harness.flight.model import DEFAULT_TIMEOUTS, ImageSource, JobSpec, MirrorSpec
from harness.flight.schema import ImageModel, MirrorModel, Overrides, WhereModel
from harness.flight.yamlfile import Document, KeyPath
from harness.home import expanded

Settings = dict[str, Any]
"""Values by the keys of a flight file, some or all of those that make a job."""
_MERGED = frozenset({"timeouts", "builder_options", "mirror"})
"""Mappings that win key by key; anything else is replaced as a whole."""


def base_settings(mirror: MirrorModel) -> Settings:
    """What a job is when a flight says nothing; its mirror is the flight's."""
    plain = Overrides()
    found = {name: getattr(plain, name) for name in Overrides.model_fields}
    return {**found, "mirror": _mirror(mirror), "variant": None}


def given(layer: Overrides, document: Document, path: KeyPath) -> Settings:
    """What *layer*, which stands at *path*, says itself."""
    found = {name: getattr(layer, name) for name in layer.model_fields_set}
    if layer.mirror is not None:
        found["mirror"] = _mirror(layer.mirror)
    if layer.image is not None:
        found["image"] = _image(layer.image, document, (*path, "image", "location"))
    return found


def merged(lower: Settings, upper: Settings) -> Settings:
    """*lower* with what *upper* says otherwise."""
    found = {**lower, **upper}
    for name in _MERGED & lower.keys() & upper.keys():
        found[name] = {**(lower[name] or {}), **(upper[name] or {})}
    return found


def mirror_spec(settings: Mapping[str, Any]) -> MirrorSpec:
    """A mirror as the rest of the harness knows it."""
    return MirrorSpec(**settings)


def resolved_layout(settings: Mapping[str, Any]) -> Layout:
    """What ``auto`` means for a job."""
    layout: Layout = settings["layout"]
    if layout is not Layout.AUTO:
        return layout
    match settings["builder"]:
        case Builder.XEN_CREATE_IMAGE:
            return Layout.BARE
        case Builder.MMDEBSTRAP if settings["boot"] is Boot.DIRECT:
            return Layout.BARE
        case _:
            return Layout.DISK


def job_of(settings: Settings, name: str, skip: str = "") -> JobSpec:
    """The job that *settings* make."""
    imported = settings["builder"] is Builder.IMPORT
    own_tools = settings["builder"] is Builder.XEN_CREATE_IMAGE
    return JobSpec(
        **{
            **settings,
            "name": name,
            "skip": skip,
            "layout": resolved_layout(settings),
            "packages": tuple(settings["packages"]),
            "extra_disks": tuple(settings["extra_disks"]),
            "timeouts": {**DEFAULT_TIMEOUTS, **settings["timeouts"]},
            "image": settings["image"] if imported else None,
            "builder_options": tuple(settings["builder_options"].items()) if own_tools else (),
            "mirror": mirror_spec(settings["mirror"]),
        }
    )


@dataclass(frozen=True)
class Condition:
    """A ``where``: each of its keys has one of its values."""

    wanted: Mapping[str, frozenset[object]]

    @classmethod
    def of(cls, where: WhereModel) -> Condition:
        """The condition that is written so."""
        names = where.model_fields_set
        return cls({name: frozenset(getattr(where, name)) for name in names})

    def matches(self, settings: Settings) -> bool:
        """Whether a job with *settings* is meant; ``layout`` is what ``auto`` comes to."""
        for name, values in self.wanted.items():
            value = resolved_layout(settings) if name == "layout" else settings[name]
            if value not in values:
                return False
        return True


def _mirror(model: MirrorModel) -> Settings:
    read = {
        "url": ("url", model.url),
        "accept": ("accept_expired", Accept.EXPIRED in model.accept),
        "omit": ("omit", tuple(model.omit)),
    }
    return dict(read[name] for name in model.model_fields_set)


def _image(model: ImageModel, document: Document, path: KeyPath) -> ImageSource:
    location = model.location
    if not is_url(location):
        # Seen from the file where it stands: with `extends`, that may be another one.
        folder = Path(document.place(path).file).parent
        location = str((folder / expanded(location, place=document.place(path))).resolve())
    return ImageSource(location=location, sha256=model.sha256, overlay=model.overlay)
