"""Strict YAML: every value knows its line, and no key is given twice.

Scalars follow the core schema of YAML 1.2: only ``true`` and ``false`` are booleans, so
``no``, ``on`` and ``1:30`` stay the text that was written. Anchors and merge keys work; tags
do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from harness.errors import Place, UsageError
from harness.flight.problems import Finding, InputErrors, in_file_order

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: ``("jobs", 0, "memory")``."""

_TAG = "tag:yaml.org,2002:"
_MAX_BYTES = 1 << 20
_MAX_NODES = 20_000
_TOO_DEEP = "the values are nested too deeply"
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})$")
_HALF = re.compile("[\ud800-\udfff]")
_HALF_TEXT = "an escape here is half of a character; no file and no terminal takes that"
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,17}$")


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, without the implicit types of YAML 1.1."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # an attribute of PyYAML's own class


_Loader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    f"{_TAG}null", re.compile(r"(?:null|Null|NULL|~|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<$"), ["<"])


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where a key and its value stand; a list's entry and the document have no key."""

    key: Place | None
    value: Place


@dataclass(frozen=True, kw_only=True)
class Document:
    """What a file says, and where it says it.

    *findings* are things already known to be wrong, such as keys given twice: whoever checks
    the values adds to them, so that a user sees all at once.
    """

    file: str
    value: dict[str, object]
    spans: dict[KeyPath, Span]
    findings: tuple[Finding, ...] = ()

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """Where *path* stands, or the nearest thing around it that was written."""
        for length in range(len(path), -1, -1):
            span = self.spans.get(path[:length])
            if span:
                wants_key = key and length == len(path)
                return span.key if wants_key and span.key else span.value
        return Place(file=self.file)

    def finding(self, text: str, path: KeyPath, *, key: bool = False) -> Finding:
        """Something wrong at *path*."""
        return Finding(place=self.place(path, key=key), text=text)


def load_document(path: Path) -> Document:
    """Read *path*. `UsageError` when it is no readable YAML mapping, with file and line."""
    return parse_document(_read(path), file=str(path))


def parse_document(text: str, *, file: str) -> Document:
    """Read *text* as the content of *file*."""
    node = _composed(text, file)
    builder = _Builder(file)
    try:
        value = builder.build(node, (), None)
    except RecursionError as error:
        raise UsageError(_TOO_DEEP, place=builder.place(node)) from error
    if not isinstance(value, dict):
        if builder.findings:
            raise InputErrors(builder.findings)
        msg = f"the file must be a mapping of keys to values, not {kind_of(value)}"
        raise UsageError(msg, place=builder.place(node))
    findings = tuple(sorted(builder.findings, key=in_file_order))
    return Document(file=file, value=value, spans=builder.spans, findings=findings)


def kind_of(value: object) -> str:
    """What a user would call *value*."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return f"the text {value!r}"
        case bool():
            return "true" if value else "false"
        case _:
            return f"the number {value}"


def _composed(text: str, file: str) -> Node:
    """The nodes of *text*; `UsageError` with the line where it ceases to be YAML."""
    try:
        loader = _Loader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        msg = f"this is not YAML: the character U+{ord(text[error.position]):04X} has no place here"
        raise UsageError(msg, place=Place(file=file, line=line)) from error
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file) from error
    except (RecursionError, ValueError, OverflowError) as error:
        # PyYAML lets chr() itself refuse an escape such as "\U00110000".
        deep = isinstance(error, RecursionError)
        msg = _TOO_DEEP if deep else "this is not YAML: an escape stands for no character"
        place = Place(file=file, line=loader.line + 1, column=loader.column + 1)
        raise UsageError(msg, place=place) from error
    if node is None:
        msg = "the file is empty"
        raise UsageError(msg, place=Place(file=file))
    return node


def _read(path: Path) -> str:
    place = Place(file=str(path))
    try:
        if not path.is_file():
            msg = "there is no such file" if not path.exists() else "this is not a file"
            raise UsageError(msg, place=place)
        data = path.read_bytes()
    except OSError as error:
        msg = f"the file cannot be read: {error.strerror}"
        raise UsageError(msg, place=place) from error
    if len(data) > _MAX_BYTES:
        msg = f"the file has {len(data)} bytes; no such file is larger than {_MAX_BYTES}"
        raise UsageError(msg, place=place)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"the file is not UTF-8: byte 0x{data[error.start]:02x}"
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(msg, place=Place(file=str(path), line=line)) from error


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> UsageError:
    mark = error.problem_mark or error.context_mark
    place = Place(file=file)
    if mark:
        place = Place(file=file, line=mark.line + 1, column=mark.column + 1)
    what = error.problem or error.context or "unknown error"
    if "'\\t'" in what:
        return UsageError("there is a tab here; indent with spaces", place=place)
    context = f" {error.context}" if error.context and error.problem else ""
    return UsageError(f"this is not YAML: {what}{context}", place=place)


@dataclass
class _Builder:
    """Turns PyYAML's nodes into values, and notes where each one stands."""

    file: str
    spans: dict[KeyPath, Span] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _open: set[int] = field(default_factory=set)
    _count: int = 0

    def place(self, node: Node) -> Place:
        return Place(
            file=self.file, line=node.start_mark.line + 1, column=node.start_mark.column + 1
        )

    def problem(self, node: Node, text: str) -> None:
        self.findings.append(Finding(place=self.place(node), text=text))

    def build(self, node: Node, path: KeyPath, key: Node | None) -> object:
        self._counted(node)
        self.spans[path] = Span(key=self.place(key) if key else None, value=self.place(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            self.problem(node, "this refers to itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
                return [self.build(n, (*path, i), None) for i, n in enumerate(node.value)]
            if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, path)
        finally:
            self._open.discard(id(node))
        self.problem(node, f"tags such as {node.tag} are not accepted here")
        return None

    def _counted(self, node: Node) -> None:
        """Aliases make much of little, also behind ``<<``: ten lines could keep us for days."""
        self._count += 1
        if self._count > _MAX_NODES:
            msg = f"the file has more than {_MAX_NODES} values, its aliases counted"
            raise UsageError(msg, place=self.place(node))

    def _scalar(self, node: ScalarNode) -> object:
        text: str = node.value
        if _HALF.search(text):
            self.problem(node, _HALF_TEXT)
            return None
        match node.tag.removeprefix(_TAG):
            case "str" | "merge":
                return text
            case "null" if text in ("", "~", "null", "Null", "NULL"):
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" if _INT.match(text):
                return int(text)
            case "float" if _FLOAT.match(text):
                return float(text)
            case _:
                self.problem(node, f"tags such as {node.tag} are not accepted here")
                return None

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                for name, pair in self._merged(value):
                    merged.setdefault(name, pair)
                continue
            word = self._key(key)
            if word in own:
                line = own[word][0].start_mark.line + 1
                self.problem(key, f"duplicate key {word!r}; it was given on line {line}")
            elif word is not None:
                own[word] = key, value
        pairs = {**merged, **own}
        return {name: self.build(v, (*path, name), k) for name, (k, v) in pairs.items()}

    def _key(self, key: Node) -> str | None:
        """The text of a key. Whatever YAML makes of it, the user wrote a word."""
        if isinstance(key, ScalarNode) and key.tag == f"{_TAG}str":
            if not _HALF.search(key.value):
                return str(key.value)
            self.problem(key, _HALF_TEXT)
            return None
        self.problem(key, "a key must be text; write it in quotes")
        return None

    def _merged(self, node: Node) -> Iterator[tuple[str, tuple[Node, Node]]]:
        """The pairs that ``<<:`` brings in; earlier ones win, as the YAML type says."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, MappingNode) or id(source) in self._open:
                self.problem(source, "'<<' takes a mapping, or a list of mappings")
                continue
            self._open.add(id(source))
            for key, value in source.value:
                self._counted(key)
                if key.tag == f"{_TAG}merge":
                    yield from self._merged(value)
                elif (word := self._key(key)) is not None:
                    yield word, (key, value)
            self._open.discard(id(source))
