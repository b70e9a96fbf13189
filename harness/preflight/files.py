"""Files in an image, whatever file system they are in."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

_MOST_LINKS = 20
_MOST_TEXT = 4 << 20
"""Bytes of a text: what reads menus and settings has no use for more."""


class UnreadableError(Exception):
    """A file system, or something in it, cannot be read; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A file, directory or symbolic link. *key* is what its tree finds it by."""

    key: str
    mode: int
    size: int

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is an ordinary file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


class Tree(Protocol):
    """A file system that can be read. Every method may raise `UnreadableError`."""

    @property
    def top(self) -> Node:
        """Its root directory."""
        ...

    def entries(self, directory: Node) -> Mapping[str, Node]:
        """What is in a directory, by name; without itself and its parent."""
        ...

    def content(self, file: Node) -> bytes:
        """All of a file."""
        ...

    def target(self, link: Node) -> str:
        """Where a symbolic link leads."""
        ...


class NoTree:
    """A file system that nothing here can read."""

    def __init__(self, why: str) -> None:
        self.why = why

    @property
    def top(self) -> Node:
        """Raises."""
        raise UnreadableError(self.why)

    def entries(self, directory: Node) -> Mapping[str, Node]:  # noqa: ARG002
        """Raises."""
        raise UnreadableError(self.why)

    def content(self, file: Node) -> bytes:  # noqa: ARG002
        """Raises."""
        raise UnreadableError(self.why)

    def target(self, link: Node) -> str:  # noqa: ARG002
        """Raises."""
        raise UnreadableError(self.why)


def find(tree: Tree, path: str) -> tuple[str, Node] | None:
    """What is at the absolute *path*, symbolic links followed: its real path and itself."""
    todo = list(reversed(PurePosixPath(path).parts[1:]))
    done: list[tuple[str, Node]] = [("", tree.top)]
    links = 0
    while todo:
        name = todo.pop()
        if name in {".", ".."}:
            if name == ".." and len(done) > 1:
                done.pop()
            continue
        where, here = done[-1]
        if not here.is_dir or name not in (inside := tree.entries(here)):
            return None
        node = inside[name]
        if not node.is_link:
            done.append((f"{where}/{name}", node))
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        target = PurePosixPath(tree.target(node))
        parts = target.parts
        if target.is_absolute():  # two slashes are a root of their own for pathlib
            done, parts = done[:1], parts[1:]
        todo += reversed(parts)
    where, node = done[-1]
    return where or "/", node


def exists(tree: Tree, path: str) -> bool:
    """Whether there is something at *path*, links followed."""
    return find(tree, path) is not None


def read_bytes(tree: Tree, path: str) -> bytes | None:
    """The content of the file at *path*; None when there is no such file."""
    found = find(tree, path)
    return tree.content(found[1]) if found and found[1].is_file else None


def read_text(tree: Tree, path: str) -> str | None:
    """The same as text; bad bytes are replaced. Of a huge one, its beginning."""
    content = read_bytes(tree, path)
    return None if content is None else content[:_MOST_TEXT].decode(errors="replace")


def names(tree: Tree, path: str) -> list[str]:
    """What is in the directory at *path*, in order; nothing when there is no such directory."""
    found = find(tree, path)
    return sorted(tree.entries(found[1])) if found and found[1].is_dir else []


def link_at(tree: Tree, path: str) -> str | None:
    """Where the symbolic link at *path* leads; None when it is no link."""
    place = PurePosixPath(path)
    parent = find(tree, str(place.parent))
    node = tree.entries(parent[1]).get(place.name) if parent and parent[1].is_dir else None
    return tree.target(node) if node and node.is_link else None
