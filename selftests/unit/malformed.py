"""Bad input of all kinds, always the same: real files mutated, and what parsers stumble over."""

from __future__ import annotations

import random

NASTY = (
    *(
        b'"\\ud800"',
        b'"\\U00110000"',
        b'"\\UFFFFFFFF"',
        b'"\\x00"',
        b'"\\e]0;t\\a"',
        b"\x00",
        b"\xff",
    ),
    *(
        b"$(touch x)",
        b"`touch x`",
        b"'; touch x; '",
        b"a\\\nb",
        b'"a\\nb"',
        b"../../etc",
        b"-rf",
        b"*",
    ),
    *(b"!!python/object:os.system x", b"!!binary x", b"!<tag:yaml.org,2002:int> x", b"&a [*a]"),
    *(b"*b", b"<<: *x", b"<<: [{<<: {a: 1}}]", b"? x", b"--- ", b"...", b"%YAML 9.9\n---\n", b"\t"),
    *(
        b"{" * 50,
        b"[" * 300,
        b"- " * 300,
        b"9" * 5000,
        b"9" * 5000 + b"G",
        b"1e400",
        b".inf",
        b".nan",
    ),
    *(b"-1", b"0", b"null", b"~", b"true", b"{}", b"[]", b"2001-01-01", b"1:30", b"x" * 5000),
    *("\u202e\u2028\u0085\u200b\u00b2\ufeff\U000e0001".encode(), b"\xed\xa0\x80", b"\x1b[2J"),
    *(b"extends: ../x", b"extends: /dev/null", b"\nextends: " + b"x" * 300 + b"\n"),
)


def mutated(data: bytes, rnd: random.Random) -> bytes:
    """*data* with one to eight changes: bytes and lines lost, doubled, swapped, made nasty."""
    for _ in range(rnd.choice((1, 1, 2, 3, 8))):
        data = rnd.choice((_cut, _insert, _lines, _value, _value))(data, rnd)
    return data


def _cut(data: bytes, rnd: random.Random) -> bytes:
    at = rnd.randrange(len(data) + 1)
    return data[:at] + data[at + rnd.randrange(1, 40) :]


def _insert(data: bytes, rnd: random.Random) -> bytes:
    at = rnd.randrange(len(data) + 1)
    piece = rnd.choice((bytes([rnd.randrange(256)]), rnd.choice(NASTY)))
    return data[:at] + piece + data[at:]


def _lines(data: bytes, rnd: random.Random) -> bytes:
    lines = data.split(b"\n")
    line = lines[rnd.randrange(len(lines))]
    lines[rnd.randrange(len(lines))] = line
    if rnd.randrange(2):
        lines.insert(rnd.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _value(data: bytes, rnd: random.Random) -> bytes:
    lines = data.split(b"\n")
    keyed = [number for number, line in enumerate(lines) if b": " in line]
    if keyed:
        number = rnd.choice(keyed)
        lines[number] = lines[number].split(b": ", 1)[0] + b": " + rnd.choice(NASTY)
    return b"\n".join(lines)
