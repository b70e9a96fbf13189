"""Locks on things that are made once: who waits, for how long, and how it gives up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from harness.cache import Busy, exclusive
from harness.errors import LabError

NOW = timedelta(0)


def test_one_at_a_time_also_among_threads(tmp_path: Path) -> None:
    inside, most = 0, 0
    counting = threading.Lock()

    def work(_: int) -> None:
        nonlocal inside, most
        with exclusive(tmp_path / "lock", what="it"):
            with counting:
                inside += 1
                most = max(most, inside)
            with counting:
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == 1


def test_whoever_waits_hears_of_it_and_who_is_busy_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "new" / "lock"
    with (
        exclusive(path, what="it"),
        pytest.raises(Busy, match="busy with building x"),
        exclusive(path, what="building x", timeout=NOW, waiting=lambda: told.append("wait")),
    ):
        pass
    assert told == ["wait"]
    with exclusive(path, what="it", timeout=NOW, waiting=lambda: told.append("again")):
        assert told == ["wait"], "it is free again"


def test_who_waits_may_give_up(tmp_path: Path) -> None:
    def give_up() -> None:
        msg = "the flight was interrupted"
        raise LabError(msg)

    path = tmp_path / "lock"
    with (
        exclusive(path, what="it"),
        pytest.raises(LabError, match="interrupted"),
        exclusive(path, what="it", waiting=give_up),
    ):
        pass


def test_it_is_given_back_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ValueError), exclusive(path, what="it"):
        raise ValueError
    with exclusive(path, what="it", timeout=NOW):
        assert path.exists()
