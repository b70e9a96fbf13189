"""Room on the disk, ages, and testboxes that nobody names any more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.testbox.paths import TestboxPaths
from harness.testbox.space import require_space, used_space
from harness.testbox.status import age
from harness.testbox.stray import ended_sessions, known_names
from harness.units import Size


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_too_little_room_is_said_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        require_space(tmp_path / "new", Size(1 << 60), "building dom0")
    said = caught.value
    assert said.message.startswith("building dom0 needs 1073741824.0 GiB, and ")
    assert said.message.endswith(" free")
    assert "has only" in said.message
    assert "XDG_CACHE_HOME" in (said.hint or "")


def test_enough_room_is_no_news(tmp_path: Path) -> None:
    require_space(tmp_path / "new", Size(1), "building dom0")


def test_holes_take_no_room(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "data").write_bytes(b"x" * 100_000)
    with (tmp_path / "d" / "hole").open("wb") as file:
        file.truncate(1 << 40)
    assert 100_000 <= used_space(tmp_path / "d") < 1 << 20
    assert used_space(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (172800, "2 d")],
)
def test_ages(seconds: int, text: str) -> None:
    assert age(1000.0, 1000.0 + seconds) == text


def test_the_age_of_what_never_was_and_of_what_is_yet_to_come() -> None:
    assert age(None) == "-"
    assert age(2000.0, 1000.0) == "0 s"


def test_before_anything_was_started_there_are_no_testboxes() -> None:
    assert known_names() == []
    assert ended_sessions("s-") == []


def test_directories_are_testboxes_and_locks_are_none() -> None:
    TestboxPaths("b").top.mkdir(parents=True)
    TestboxPaths("a").top.mkdir()
    TestboxPaths("a").lock.touch()
    assert known_names() == ["a", "b"]


def test_only_testboxes_of_ended_sessions_are_named() -> None:
    gone = 2**22 + 1  # no pid is that large
    mine = os.getpid()
    for name in (f"s-{gone}", f"s-{gone}-other", f"s-{mine}", "s-", f"t-{gone}", f"s-{gone}x"):
        TestboxPaths(name).top.mkdir(parents=True)
    assert ended_sessions("s-") == [f"s-{gone}", f"s-{gone}-other"]


def test_each_testbox_has_files_and_sockets_of_its_own() -> None:
    first, second = TestboxPaths("a").files, TestboxPaths("b").files
    assert not set(vars(first).values()) & set(vars(second).values())


def test_a_sockets_path_is_short_however_deep_the_cache_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("x" * 200)))
    files = TestboxPaths("a").files
    assert all(len(os.fsencode(path)) <= 107 for path in (files.qmp, files.serial))


def test_a_socket_directory_that_others_can_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert TestboxPaths("a").files.qmp.parent == tmp_path / "xenflight"
    (tmp_path / "xenflight").chmod(0o755)
    with pytest.raises(LabError, match="open to others"):
        _ = TestboxPaths("a").files
