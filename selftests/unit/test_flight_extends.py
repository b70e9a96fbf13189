"""Flights that take over what stands in others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.flight.extends import load_extended, merge
from harness.flight.loader import load_flight
from harness.flight.model import Flight, MirrorSpec
from harness.flight.yamlfile import Document, parse_document

MATRIX = "matrix: {dist: bookworm, arch: amd64, virt: pv, boot: direct}\n"


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def flight_of(root: Path, text: str) -> Flight:
    return load_flight(put(root, "child.yaml", f"flight: child\n{text}"))


def told(root: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        flight_of(root, text)
    return str(caught.value).replace(f"{root}/", "").splitlines()


def test_a_child_wins_key_by_key_and_lists_are_replaced(tmp_path: Path) -> None:
    put(
        tmp_path,
        "_base.yaml",
        "description: base\nhosts: [a, b]\n"
        "defaults: {memory: 1G, packages: [vim], timeouts: {init: 5s, kernel: 6s}}\n"
        "matrix: {dist: [bookworm, trixie], arch: amd64, virt: [pv, pvh], boot: direct}\n",
    )
    flight = flight_of(
        tmp_path,
        "extends: _base.yaml\nhosts: [c]\n"
        "defaults: {vcpus: 2, packages: [], timeouts: {init: 9s}}\n"
        "matrix: {virt: [hvm]}\n",
    )
    assert (flight.name, flight.description, flight.hosts) == ("child", "base", ("c",))
    assert [f"{job.dist}-{job.virt}" for job in flight.jobs] == ["bookworm-hvm", "trixie-hvm"]
    job = flight.jobs[0]
    assert (job.memory.mib, job.vcpus, job.packages) == (1024, 2, ())
    assert [job.timeouts[p].total_seconds() for p in ("init", "kernel")] == [9, 6]


def test_of_several_files_the_later_wins_and_they_may_extend_others(tmp_path: Path) -> None:
    put(tmp_path, "parts/deep.yaml", "defaults: {memory: 1G, vcpus: 3}\n")
    put(tmp_path, "parts/a.yaml", "extends: deep.yaml\ndefaults: {vcpus: 4}\n")
    put(tmp_path, "b.yaml", f"flight: b\ndefaults: {{memory: 2G}}\n{MATRIX}")
    (job,) = flight_of(tmp_path, "extends: [parts/a.yaml, b.yaml]\n").jobs
    assert (job.memory.mib, job.vcpus) == (2048, 4)


def test_a_file_may_be_extended_on_two_ways(tmp_path: Path) -> None:
    put(tmp_path, "deep.yaml", MATRIX)
    put(tmp_path, "a.yaml", "extends: deep.yaml\n")
    put(tmp_path, "b.yaml", "extends: deep.yaml\n")
    assert len(flight_of(tmp_path, "extends: [a.yaml, b.yaml]\n").jobs) == 1


@pytest.mark.parametrize(
    ("above", "own", "mirror"),
    [
        ("http://m.example/d", "{omit: security}", ("http://m.example/d", 1, False)),
        (
            "{accept: expired, omit: security}",
            "http://m.example/d",
            ("http://m.example/d", 1, True),
        ),
        ("{url: 'http://m.example/d', accept: expired}", "auto", (None, 0, True)),
        ("auto", "http://m.example/d", ("http://m.example/d", 0, False)),
    ],
)
def test_mirrors_are_merged_however_they_are_written(
    tmp_path: Path, above: str, own: str, mirror: tuple[str | None, int, bool]
) -> None:
    put(tmp_path, "_base.yaml", f"mirror: {above}\n{MATRIX}")
    found: MirrorSpec = flight_of(tmp_path, f"extends: _base.yaml\nmirror: {own}\n").mirror
    assert (found.url, len(found.omit), found.accept_expired) == mirror


def test_an_image_is_seen_from_the_file_that_names_it(tmp_path: Path) -> None:
    put(
        tmp_path, "parts/i.yaml", "defaults: {builder: import, image: {location: i.raw}}\n" + MATRIX
    )
    (job,) = flight_of(tmp_path, "extends: parts/i.yaml\n").jobs
    assert job.image is not None
    assert job.image.location == str(tmp_path.resolve() / "parts" / "i.raw")


def test_mistakes_are_told_where_they_stand(tmp_path: Path) -> None:
    put(
        tmp_path,
        "_base.yaml",
        "defaults: {memroy: 1G, vcpus: 0}\nzzz: 1\nzzz: 2\nmatrix: {dist: buzz}\n",
    )
    assert told(tmp_path, "extends: _base.yaml\ndefaults:\n  vcpus: -1\n") == [
        "_base.yaml:1:12: unknown key 'memroy'; did you mean 'memory'?",
        "_base.yaml:2:1: unknown key 'zzz'; accepted: flight, extends, description, mirror, hosts, "
        "defaults, matrix, stripe, exclude, overrides, jobs",
        "_base.yaml:3:1: duplicate key 'zzz'; it was given on line 2",
        "_base.yaml:4:9: the key 'arch' is missing in matrix",
        "_base.yaml:4:9: the key 'virt' is missing in matrix",
        "_base.yaml:4:9: the key 'boot' is missing in matrix",
        "_base.yaml:4:16: matrix.dist: unknown dist 'buzz'; accepted: squeeze, bullseye, "
        "bookworm, trixie, forky, sid, other",
        "child.yaml:4:10: defaults.vcpus: -1 is out of bounds; accepted: 1 to 512",
    ]


def test_two_jobs_of_one_name_in_two_files_are_both_named(tmp_path: Path) -> None:
    put(tmp_path, "_base.yaml", MATRIX)
    cell = "{dist: bookworm, arch: amd64, virt: pv, boot: direct}"
    assert told(tmp_path, f"extends: _base.yaml\njobs: [{cell}]\n") == [
        "child.yaml:3:8: the job boot-bookworm-amd64-pv-direct is already made by "
        "_base.yaml:1:1; give one a 'variant'"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "extends: none.yaml\n",
            "child.yaml:2:10: there is no file 'none.yaml' to extend (it is looked for beside this "
            "file)",
        ),
        (
            "extends: _ok\n",
            "child.yaml:2:10: there is no file '_ok' to extend; did you mean '_ok.yaml'? (it is",
        ),
        ("extends: _okk.yaml\n", "'_okk.yaml' to extend; did you mean '_ok.yaml'?"),
        (
            "extends: [_ok.yaml, nope/x.yaml]\n",
            "child.yaml:2:21: there is no file 'nope/x.yaml' to extend",
        ),
        (
            "extends: child.yaml\n",
            "child.yaml:2:10: a flight cannot extend itself: child.yaml extends child.yaml",
        ),
        (
            "extends: loop.yaml\n",
            "loop.yaml:1:10: a flight cannot extend itself: child.yaml extends loop.yaml extends "
            "child.yaml",
        ),
        ("extends: 3\n", "must be text (put it in quotes), not the number 3"),
        ("extends: {a: b}\n", "this must be a list"),
        ("extends: _bad.yaml\n", "_bad.yaml:1:4: this is not YAML"),
        ("extends: _ok.yaml\n", "child.yaml:1:1: the flight has no jobs"),
        ("extends: .\n", "to extend"),
        # Names that no file can have: the system refuses to look.
        (f"extends: {'x' * 300}\n", "to extend"),
        ('extends: "a\\0b"\n', "to extend"),
        ('extends: "\\e]0;title\\a"\n', r"'\x1b]0;title\x07'"),
        ("extends: many0.yaml\n", "this flight extends more than 50 files"),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, text: str, expected: str) -> None:
    put(tmp_path, "_ok.yaml", "description: fine\n")
    put(tmp_path, "_bad.yaml", "a: ]\n")
    put(tmp_path, "loop.yaml", "extends: ./child.yaml\n")
    for n in range(7):
        put(tmp_path, f"many{n}.yaml", f"extends: [many{n + 1}.yaml, many{n + 1}.yaml]\n")
    put(tmp_path, "many7.yaml", MATRIX)
    assert expected in told(tmp_path, text)[0]


def test_the_name_is_never_taken_over(tmp_path: Path) -> None:
    put(tmp_path, "base.yaml", f"flight: base\n{MATRIX}")
    path = put(tmp_path, "child.yaml", "extends: base.yaml\n")
    with pytest.raises(UsageError, match=r"child.yaml:1:1: the key 'flight' is missing"):
        load_flight(path)


KEYS = st.sampled_from("abc")
VALUES = st.recursive(st.integers(0, 9), lambda inner: st.dictionaries(KEYS, inner), max_leaves=6)


def document(value: object, name: str) -> Document:
    return parse_document(str(value).replace("'", '"'), file=name)


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, VALUES))
def test_every_merged_value_knows_the_file_that_it_is_from(
    above: dict[str, object], own: dict[str, object]
) -> None:
    merged = merge(document(above, "above"), document(own, "own"))
    both = document(merged.value, "merged")
    assert merged.spans.keys() == both.spans.keys()
    own_paths = document(own, "own").spans.keys()
    for path, span in merged.spans.items():
        assert span.value.file == ("own" if path in own_paths else "above")


def test_a_flight_that_extends_nothing_is_as_it_is_written(tmp_path: Path) -> None:
    path = put(tmp_path, "f.yaml", f"flight: f\n{MATRIX}")
    assert load_extended(path) == parse_document(path.read_text(), file=str(path))
