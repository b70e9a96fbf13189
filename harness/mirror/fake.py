"""A made-up Debian mirror on loopback, for tests: real HTTP, made-up pockets."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.mirror.proxy import free_ports


@dataclass
class FakeMirror:
    """What it serves, by path, and what it was asked."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """``GET /debian/...``, in order."""

    @property
    def url(self) -> str:
        """The main archive; the security archive is ``<url>-security``."""
        return f"http://127.0.0.1:{self.port}/debian"

    def add_pocket(
        self,
        suite: str,
        *,
        origin: str = "Debian",
        codename: str | None = None,
        valid_until: datetime | None = None,
        packages: bytes = b"Package: hello\n",
        listed_size: int | None = None,
        arches: tuple[str, ...] = ("amd64",),
        by_hash: bool = False,
    ) -> None:
        """Serve one pocket; *listed_size* makes its Release file lie about its indexes.

        *by_hash*: they are also there under their hashes.
        """
        archive = "/debian-security" if suite.endswith("-security") else "/debian"
        lines = [
            "-----BEGIN PGP SIGNED MESSAGE-----",
            "Hash: SHA256",
            "",
            f"Origin: {origin}",
            f"Codename: {codename or suite}",
            "Date: Sat, 01 Aug 2026 10:00:00 UTC",
        ]
        if valid_until:
            lines.append(f"Valid-Until: {format_datetime(valid_until.astimezone(UTC))}")
        if by_hash:
            lines.append("Acquire-By-Hash: yes")
        size, digest = len(packages), hashlib.sha256(packages).hexdigest()
        listed = size if listed_size is None else listed_size
        below = [f"main/binary-{arch}" for arch in arches]
        lines += ["SHA256:", *(f" {digest} {listed:>8} {path}/Packages.xz" for path in below)]
        lines += ["-----BEGIN PGP SIGNATURE-----", "", "none", "-----END PGP SIGNATURE-----", ""]
        self.files[f"{archive}/dists/{suite}/InRelease"] = "\n".join(lines).encode()
        for path in below:
            self.files[f"{archive}/dists/{suite}/{path}/Packages.xz"] = packages
            if by_hash:
                self.files[f"{archive}/dists/{suite}/{path}/by-hash/SHA256/{digest}"] = packages


def unsigned(raw: bytes, what: str, *, accept_expired: bool) -> None:
    """A `harness.mirror.signature.Verify` for pockets of a `FakeMirror`: nobody signed them."""


@contextmanager
def serve_mirror() -> Iterator[FakeMirror]:
    """Serve a `FakeMirror`, empty at first, on a free port of loopback."""
    mirror: FakeMirror

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            mirror.asked.append(f"{self.command} {self.path}")
            body = mirror.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Last-Modified", "Sat, 01 Aug 2026 10:00:00 GMT")
            self.end_headers()
            if with_body:
                self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    # Not just any port: apt-cacher-ng cannot reach all of them.
    server = ThreadingHTTPServer(("127.0.0.1", next(free_ports())), Handler)
    mirror = FakeMirror(port=server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
