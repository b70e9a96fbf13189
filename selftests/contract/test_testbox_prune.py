"""Which images and states are removed, with real disks on real backing files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.testbox.dom0 import Dom0Image
from harness.testbox.paths import base_directory
from harness.testbox.prune import HALF_MADE, prune, resting_on
from harness.testbox.warm import SavedState, overlay

RUNNER = LocalRunner()


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    base_directory().mkdir(parents=True)
    return base_directory()


def make_image(base: Path, name: str) -> Dom0Image:
    image = Dom0Image(base / name)
    image.directory.mkdir()
    for path in (image.root, *vars(image.boot_files).values(), image.key_file):
        path.write_bytes(bytes(4096))
    facts = {"release": name.split("-")[1], "host_key": "k"}
    image.manifest_file.write_text(json.dumps(facts))
    return image


def make_warm(base: Path, name: str, image: Dom0Image) -> SavedState:
    state = SavedState(directory=base / name, key="k")
    state.directory.mkdir()
    overlay(RUNNER, image.root, state.root, backing_format="raw")
    RUNNER.run(Command.of("qemu-img", "create", "-q", "-f", "qcow2", state.volumes, "1M"))
    state.memory.touch()
    state.seal()
    return state


def make_run(base: Path, name: str, warm: SavedState) -> Path:
    directory = base / "run" / name
    directory.mkdir(parents=True)
    overlay(RUNNER, warm.root, directory / "root.qcow2")
    overlay(RUNNER, warm.volumes, directory / "volumes.qcow2")
    return directory


def pruned(keep: Dom0Image, later: float = 0.0) -> list[str]:
    now = keep.manifest_file.stat().st_mtime + later
    return sorted(prune(RUNNER, keep, now))


def test_what_nobody_uses_goes_and_its_replacement_stays(base: Path) -> None:
    old, new = make_image(base, "dom0-bookworm-a-1"), make_image(base, "dom0-bookworm-b-2")
    make_warm(base, "warm-a", old)
    make_warm(base, "warm-b", new)
    assert pruned(new) == ["dom0-bookworm-a-1", "warm-a"]
    assert pruned(new) == []
    assert new.complete
    assert (base / "warm-b").is_dir()


def test_what_a_testboxs_disks_rest_on_stays(base: Path) -> None:
    old, new = make_image(base, "dom0-bookworm-a-1"), make_image(base, "dom0-bookworm-b-2")
    run = make_run(base, "box", make_warm(base, "warm-a", old))
    assert resting_on(RUNNER, run) == {"warm-a", "dom0-bookworm-a-1"}
    assert pruned(new) == []
    for disk in run.iterdir():
        disk.unlink()
    assert pruned(new) == ["dom0-bookworm-a-1", "warm-a"]


def test_other_releases_are_left_alone(base: Path) -> None:
    trixie = make_image(base, "dom0-trixie-a-1")
    make_warm(base, "warm-t", trixie)
    new = make_image(base, "dom0-bookworm-b-2")
    assert pruned(new) == []


def test_a_state_being_made_stays_and_one_left_behind_goes(base: Path) -> None:
    new = make_image(base, "dom0-bookworm-b-2")
    half = base / "warm-half"
    half.mkdir()
    (half / "memory.state").touch()
    born = half.stat().st_mtime
    os.utime(new.manifest_file, (born, born))
    assert pruned(new, later=HALF_MADE - 60) == []
    assert pruned(new, later=HALF_MADE + 60) == ["warm-half"]


def test_a_spoilt_state_that_is_in_use_stays(base: Path) -> None:
    new = make_image(base, "dom0-bookworm-b-2")
    warm = make_warm(base, "warm-b", new)
    make_run(base, "box", warm)
    warm.unseal()
    assert pruned(new, later=2 * HALF_MADE) == []


def test_a_spoilt_state_on_an_old_image_goes_at_once(base: Path) -> None:
    old, new = make_image(base, "dom0-bookworm-a-1"), make_image(base, "dom0-bookworm-b-2")
    make_warm(base, "warm-a", old).unseal()
    assert pruned(new) == ["dom0-bookworm-a-1", "warm-a"]


def test_broken_disks_rest_on_nothing(base: Path) -> None:
    old, new = make_image(base, "dom0-bookworm-a-1"), make_image(base, "dom0-bookworm-b-2")
    run = make_run(base, "box", make_warm(base, "warm-a", old))
    for disk in run.iterdir():
        disk.write_bytes(b"no qcow2")
    assert pruned(new) == ["dom0-bookworm-a-1", "warm-a"]
