"""Which saved states may be resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.testbox.warm import MANIFEST, NONE, SavedState, new_warm_state, warm_states


def make(directory: Path, key: str = "k") -> SavedState:
    directory.mkdir(exist_ok=True)
    state = SavedState(directory=directory, key=key)
    state.memory.write_bytes(b"QEVM" + bytes(1000))
    state.root.touch()
    state.volumes.touch()
    state.seal()
    return state


@pytest.fixture
def state(tmp_path: Path) -> SavedState:
    return make(tmp_path / "s")


def test_a_sealed_state_is_good(state: SavedState) -> None:
    assert state.sealed
    assert state.why_not() is None


def test_a_state_without_a_seal_is_none(state: SavedState) -> None:
    state.unseal()
    assert not state.sealed
    assert state.why_not() == NONE
    state.unseal()


def test_an_empty_directory_is_none(tmp_path: Path) -> None:
    assert SavedState(directory=tmp_path / "nothing", key="k").why_not() == NONE


def test_another_key_is_said(state: SavedState) -> None:
    other = SavedState(directory=state.directory, key="other")
    assert other.why_not() == "it was made for another QEMU, machine or dom0 image"


@pytest.mark.parametrize("damage", [b"", b"QEVM" + bytes(999), b"qEVM" + bytes(1000)])
def test_a_damaged_memory_file_is_said(state: SavedState, damage: bytes) -> None:
    state.memory.write_bytes(damage)
    assert state.why_not() == "its memory file is damaged"
    assert state.why_not(thorough=False) is None


@pytest.mark.parametrize("thorough", [True, False])
@pytest.mark.parametrize("name", ["memory.state", "root.qcow2", "volumes.qcow2"])
def test_a_missing_file_is_named(state: SavedState, name: str, thorough: bool) -> None:
    (state.directory / name).unlink()
    assert state.why_not(thorough=thorough) == f"{name} is missing"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": "k"}', "3"])
def test_a_damaged_manifest_is_said(state: SavedState, text: str) -> None:
    (state.directory / MANIFEST).write_text(text)
    assert (state.why_not() or "").startswith("its manifest is damaged")


def test_an_unreadable_digest_is_damage(state: SavedState) -> None:
    (state.directory / MANIFEST).write_text(json.dumps({"key": "k", "digest": None}))
    assert state.why_not() == "its memory file is damaged"


def test_warm_states_are_those_of_the_key_and_half_made_ones_come_first(tmp_path: Path) -> None:
    half = new_warm_state(tmp_path, "k")
    whole = make(tmp_path / "warm-k")
    make(tmp_path / "warm-other", "other")
    assert warm_states(tmp_path, "k") == [half, whole]


def test_every_new_warm_state_has_a_directory_of_its_own(tmp_path: Path) -> None:
    first, second = new_warm_state(tmp_path, "k"), new_warm_state(tmp_path, "k")
    assert first.directory != second.directory
    assert not first.sealed
