"""``extends``: one flight file takes over what stands in others."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError
from harness.flight.hints import nearest
from harness.flight.yamlfile import Document, KeyPath, Span, load_document

_OWN = ("flight", "extends")
"""Keys that a file never takes over: they are about itself."""
_MAX_FILES = 50


def load_extended(path: Path) -> Document:
    """The document in *path*, with what it takes over from the files that it extends.

    The keys of a file win over those of the files it extends, and of these the later named
    one wins. Mappings merge key by key; everything else is replaced. What was taken over still
    knows the file and line where it stands. `UsageError` for a file that is not there, or one
    that extends itself.
    """
    return _Reader().read(path, ())


@dataclass
class _Reader:
    """Counts files, so that files which extend each other in many ways come to an end."""

    count: int = field(default=0)

    def read(self, path: Path, chain: tuple[Path, ...]) -> Document:
        document = load_document(path)
        merged: Document | None = None
        for where, name in _named(document):
            place = document.place(where)
            parent = path.parent / name
            self.count += 1
            if not _is_file(parent):
                msg = f"there is no file {str(parent)!r} to extend{_meant(path.parent, name)}"
                raise UsageError(msg, hint="it is looked for beside this file", place=place)
            if parent.resolve() in {p.resolve() for p in (*chain, path)}:
                names = " extends ".join(str(p) for p in (*chain, path, parent))
                msg = f"a flight cannot extend itself: {names}"
                raise UsageError(msg, place=place)
            if self.count > _MAX_FILES:
                msg = f"this flight extends more than {_MAX_FILES} files"
                raise UsageError(msg, place=place)
            found = self.read(parent, (*chain, path))
            merged = merge(merged, found) if merged else found
        return merge(merged, document) if merged else document


def _meant(folder: Path, name: str) -> str:
    """Which file of *folder* was probably meant; nothing when none is like it."""
    stems = (one.stem for one in folder.glob("*.yaml"))
    near = nearest(name.removesuffix(".yaml"), stems, count=1)
    return f"; did you mean '{near[0]}.yaml'?" if near else ""


def _is_file(path: Path) -> bool:
    """Whether it is one; a name that no file can have, such as one of 300 letters, names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _named(document: Document) -> list[tuple[KeyPath, str]]:
    """The files that are extended. Anything but text is left for validation to refuse."""
    found = document.value.get("extends")
    if isinstance(found, str):
        return [(("extends",), found)]
    names = found if isinstance(found, list) else []
    return [(("extends", i), name) for i, name in enumerate(names) if isinstance(name, str)]


def merge(parent: Document, child: Document) -> Document:
    """*child* with what it takes over from *parent*."""
    inherited = {name: value for name, value in parent.value.items() if name not in _OWN}
    spans: dict[KeyPath, Span] = {}
    value = _Merge(parent.spans, child.spans, spans).mappings((), inherited, child.value)
    return Document(
        file=child.file, value=value, spans=spans, findings=(*parent.findings, *child.findings)
    )


@dataclass
class _Merge:
    """Merges values, and notes where each one stands."""

    parent: dict[KeyPath, Span]
    child: dict[KeyPath, Span]
    spans: dict[KeyPath, Span]

    def mappings(
        self, path: KeyPath, above: dict[str, object], own: dict[str, object]
    ) -> dict[str, object]:
        self.spans[path] = self.child[path]
        merged: dict[str, object] = {}
        for name in dict.fromkeys((*above, *own)):
            here = (*path, name)
            if name not in own:
                self._copy(self.parent, here)
                merged[name] = above[name]
            elif name not in above:
                self._copy(self.child, here)
                merged[name] = own[name]
            else:
                merged[name] = self._both(here, above[name], own[name])
        return merged

    def _both(self, path: KeyPath, above: object, own: object) -> object:
        if path[-1] == "mirror":
            above, own = self._spelt_out(path, above, own)
        if isinstance(above, dict) and isinstance(own, dict):
            return self.mappings(path, above, own)
        self._copy(self.child, path)
        return own

    def _spelt_out(self, path: KeyPath, above: object, own: object) -> tuple[object, object]:
        """A mirror may be written as its URL alone; what is beside it in another file stays."""
        if isinstance(above, str) and isinstance(own, dict):
            self.parent = {**self.parent, (*path, "url"): self.parent[path]}
            above = {"url": above}
        if isinstance(own, str) and isinstance(above, dict):
            self.child = {**self.child, (*path, "url"): self.child[path]}
            own = {"url": own}
        return above, own

    def _copy(self, spans: dict[KeyPath, Span], path: KeyPath) -> None:
        length = len(path)
        self.spans |= {p: span for p, span in spans.items() if p[:length] == path}
