"""Extents: of real sparse files, and their merging."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.guest.extents import Extent, data_extents, merged

MIB = 1 << 20


def sparse(path: Path, size: int, *written: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset in written:
            file.seek(offset)
            file.write(b"x" * 4096)
    return path


def test_only_what_was_written_is_data(tmp_path: Path) -> None:
    path = sparse(tmp_path / "f", 64 * MIB, 0, 8 * MIB, 40 * MIB)
    assert data_extents(path) == [
        Extent(0, 4096),
        Extent(8 * MIB, 4096),
        Extent(40 * MIB, 4096),
    ]


def test_small_holes_are_filled(tmp_path: Path) -> None:
    path = sparse(tmp_path / "f", 16 * MIB, 0, 16384, 8 * MIB)
    assert data_extents(path) == [Extent(0, 20480), Extent(8 * MIB, 4096)]


def test_a_file_of_one_hole_and_an_empty_file_have_no_data(tmp_path: Path) -> None:
    assert data_extents(sparse(tmp_path / "hole", MIB)) == []
    assert data_extents(sparse(tmp_path / "empty", 0)) == []


def test_data_at_the_very_end(tmp_path: Path) -> None:
    path = sparse(tmp_path / "f", 4 * MIB, 4 * MIB - 4096)
    assert data_extents(path) == [Extent(4 * MIB - 4096, 4096)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20))), st.integers(0, 30))
def test_merging_keeps_all_data_and_leaves_only_large_gaps(
    steps: list[tuple[int, int]], gap: int
) -> None:
    at, extents = 0, []
    for skip, length in steps:
        extents.append(Extent(at + skip, length))
        at += skip + length
    found = list(merged(extents, gap))
    for extent in extents:
        assert any(f.offset <= extent.offset and extent.end <= f.end for f in found)
    for one, other in pairwise(found):
        assert other.offset - one.end >= gap
