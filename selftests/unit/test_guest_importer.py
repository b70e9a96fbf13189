"""Imports: what is fetched, what is refused, and what stays behind. Real images: contract tests."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.flight.model import ImageSource
from harness.guest.cache import ImageCache
from harness.guest.fetch import checksum, download
from harness.guest.importer import ensure_import
from harness.progress import silent
from harness.remote.fake import FakeRunner

DATA = b"disk" * 300_000
SUM = hashlib.sha256(DATA).hexdigest()


@contextmanager
def server(body: bytes = DATA, *, status: int = 200, length: int | None = None) -> Iterator[str]:
    """A web server on the loopback that has one file; it may promise more than it gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/a.img"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def run_import(tmp_path: Path, location: str, sha256: str = "") -> None:
    cache = ImageCache(tmp_path / "cache", shutil.rmtree)
    source = ImageSource(location=location, sha256=sha256)
    ensure_import(source, cache=cache, runner=FakeRunner())


def left(tmp_path: Path) -> list[str]:
    cache = tmp_path / "cache"
    return sorted(one.name for one in cache.glob("**/*") if one.suffix != ".lock")


def test_a_download_gives_its_sum_and_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []

    def progress(text: str, fraction: float | None = None) -> None:
        told.append((text, fraction))

    target = tmp_path / "f"
    with server() as url:
        assert download(url, target, progress) == SUM
    assert target.read_bytes() == DATA
    assert told[-1] == ("downloading the image: 1 MiB", 1.0)
    assert checksum(target, silent) == SUM


def test_a_file_with_another_sum_is_refused_with_both(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(DATA)
    with pytest.raises(LabError) as caught:
        run_import(tmp_path, str(path), "ab" * 32)
    assert SUM in str(caught.value)
    assert "ab" * 32 in str(caught.value)
    assert left(tmp_path) == []


def test_a_download_with_another_sum_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with server() as url, pytest.raises(LabError) as caught:
        run_import(tmp_path, url, "cd" * 32)
    assert SUM in str(caught.value)
    assert "cd" * 32 in str(caught.value)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "length", "says"),
    [
        (404, None, "the server said 404"),
        (200, len(DATA) + 9, "broke off after 1200000 of 1200009"),
    ],
)
def test_a_server_that_fails(status: int, length: int | None, says: str, tmp_path: Path) -> None:
    with server(status=status, length=length) as url, pytest.raises(LabError, match=says):
        run_import(tmp_path, url, SUM)
    assert left(tmp_path) == []


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with server() as url:
        pass
    with pytest.raises(LabError, match=r"cannot fetch http://127\.0\.0\.1.*refused"):
        run_import(tmp_path, url, SUM)


def test_a_url_without_a_sum_is_not_fetched(tmp_path: Path) -> None:
    with server() as url, pytest.raises(LabError, match="has no sha256"):
        run_import(tmp_path, url)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(DATA)
    with pytest.raises(LabError, match=r"without qemu-img \(install qemu-utils\)"):
        run_import(tmp_path, str(path))
    assert left(tmp_path) == []


def test_a_file_that_is_not_there_or_a_directory(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is no file"):
        run_import(tmp_path, str(tmp_path / "none.img"))
    with pytest.raises(LabError, match="is a directory"):
        run_import(tmp_path, str(tmp_path))
