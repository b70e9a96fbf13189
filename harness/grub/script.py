"""Words and statements of GRUB 2's script, which is a small shell.

The rules are those of grub-core/script/yylex.l in GRUB's source. What is not well-formed is read
as far as can be, and told of. Each character is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.grub.model import Word, Words

_BLANK = r"(?P<blank>[ \t\r]+)|(?P<join>\\\r?\n)|(?P<end>[\n;])"
_COMMENT = r"(?P<comment>\#[^\n]*+)"
_PIECE = r"""
    '(?P<single>[^']*+)'
  | "(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"
  | \\(?P<escaped>.)
  | \$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+|[?@*\#]))
  | (?P<plain>[^ \t\r\n;'"\\$]++)
  | (?P<other>.)
"""
# A comment begins where a word could.
_BETWEEN = re.compile(f"{_BLANK}|{_COMMENT}|{_PIECE}", re.VERBOSE | re.DOTALL)
_INSIDE = re.compile(f"{_BLANK}|{_PIECE}", re.VERBOSE | re.DOTALL)
_IN_DOUBLE = re.compile(
    r"\\(?P<joined>\r?\n)|\\(?P<escaped>[\\\"$])|\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+|[?@*#]))"
)


@dataclass(frozen=True)
class Statement:
    """A command with its words. *mark* is ``{`` when it opens a block; ``}`` alone closes one."""

    words: Words
    line: int
    mark: str = ""


@dataclass(kw_only=True)
class Lexer:
    """Cuts *text* into statements.

    *unclosed* is where a quote begins that has no end; *long* where one begins and ends that goes
    over several lines.
    """

    text: str
    unclosed: list[int] = field(default_factory=list)
    long: list[tuple[int, int]] = field(default_factory=list)
    _line: int = 1
    _words: list[Word] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _variables: list[str] = field(default_factory=list)
    _open: bool = False
    """A word has begun, maybe with nothing in it: ``""`` is one, too."""
    _bare: bool = True
    """It has no quotes."""
    _start: int = 1

    def statements(self) -> Iterator[Statement]:
        """Each statement, in order; empty ones left out."""
        at = 0
        while match := (_INSIDE if self._open else _BETWEEN).match(self.text, at):
            at = match.end()
            if match.lastgroup in {"blank", "comment", "end"}:
                yield from self._word_ends()
                if match.lastgroup == "end":
                    yield from self._statement()
            elif match.lastgroup != "join":
                self._piece(match)
            self._line += match[0].count("\n")
        yield from self._word_ends()
        yield from self._statement()

    def _piece(self, match: re.Match[str]) -> None:
        if not self._open:
            self._open, self._bare, self._start = True, True, self._line
        kind = match.lastgroup
        text = match[kind] if kind else ""
        if kind in {"single", "double"} and "\n" in text:
            self.long.append((self._line, self._line + text.count("\n")))
        if kind in {"braced", "bare"}:
            self._variable(text)
        elif kind == "double":
            self._bare = False
            self._double(text)
        else:
            if kind == "other" and text in {"'", '"'}:
                self.unclosed.append(self._line)
            self._bare = self._bare and kind not in {"single", "escaped"}
            self._pieces.append(text)

    def _variable(self, name: str) -> None:
        self._variables.append(name)
        self._pieces.append(f"${{{name}}}")

    def _double(self, text: str) -> None:
        at = 0
        for match in _IN_DOUBLE.finditer(text):
            self._pieces.append(text[at : match.start()])
            at = match.end()
            if name := match["braced"] or match["bare"]:
                self._variable(name)
            else:
                self._pieces.append(match["escaped"] or "")
        self._pieces.append(text[at:])

    def _word_ends(self) -> Iterator[Statement]:
        if not self._open:
            return
        text = "".join(self._pieces)
        word = Word(text, self._start, tuple(self._variables))
        self._pieces, self._variables, self._open = [], [], False
        if self._bare and text == "{":
            yield from self._statement("{")
        elif self._bare and text == "}" and not self._words:
            yield Statement((), word.line, "}")
        else:
            self._words.append(word)

    def _statement(self, mark: str = "") -> Iterator[Statement]:
        if self._words or mark:
            line = self._words[0].line if self._words else self._line
            yield Statement(tuple(self._words), line, mark)
            self._words = []


def split(word: Word) -> Words:
    """The words in a value that was quoted: ``xen_rm_opts="no-real-mode edd=off"``."""
    found: list[Word] = []
    for offset, line in enumerate(word.text.split("\n")):
        found += (Word(part, word.line + offset, variables_in(part)) for part in line.split())
    return tuple(found)


def variables_in(text: str) -> tuple[str, ...]:
    """The variables in a text that a lexer made."""
    return tuple(_REFERENCE.findall(text))


_REFERENCE = re.compile(r"\$\{(\w+|[?@*#])\}")


def expanded(text: str, value: Callable[[str], str | None], most: int = 4096) -> str | None:
    """*text* with its variables replaced; None when the value of one is not known.

    So it is when it grows past *most* characters: a script may double a value again and again.
    """
    parts: list[str] = []
    length = at = 0
    for match in _REFERENCE.finditer(text):
        known = value(match[1])
        if known is None:
            return None
        parts += (text[at : match.start()], known)
        length += len(parts[-1]) + len(parts[-2])
        at = match.end()
        if length > most:
            return None
    whole = "".join([*parts, text[at:]])
    return whole if len(whole) <= most else None
