"""What is written comes whole or not at all, and only ordinary files are ever replaced."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from harness.outfile import whole
from harness.results.recorder import write_atomically


def test_a_file_is_replaced_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with whole(path) as fresh:
        fresh.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_writer_that_fails_leaves_it_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def fail_halfway() -> None:
        with whole(path) as fresh:
            fresh.write_text("half")
            raise LookupError

    with pytest.raises(LookupError):
        fail_halfway()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("there")
    write_atomically(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "there").read_text() == "new"


def test_a_fifo_is_written_to(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()), daemon=True)
    reader.start()
    write_atomically(fifo, "text")
    reader.join(timeout=30)
    assert read == ["text"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_full_disk_is_told_by_the_name_that_was_given(tmp_path: Path) -> None:
    # By a link: should a device be replaced after all, it is not that of this machine.
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(OSError, match="full") as raised:
        write_atomically(link, "text")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(link))
    assert str(link.readlink()) == "/dev/full"


def test_a_folder_that_is_not_there_is_told_by_the_name_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "a"
    with pytest.raises(FileNotFoundError) as raised:
        write_atomically(path, "text")
    assert raised.value.filename == str(path)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_none_is_an_error_like_others(name: str) -> None:
    """As of an empty variable in a script: --junit "$FILE"."""
    with pytest.raises(IsADirectoryError):
        write_atomically(Path(name), "text")
