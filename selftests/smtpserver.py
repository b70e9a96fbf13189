"""A mail server on the loopback, as far as RFC 5321 is needed, RFC 4954 for a password and RFC 3207
for TLS.

It takes every mail, or answers a command as a test says.
"""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Received:
    """What came."""

    mails: list[bytes] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    passwords: list[tuple[str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


class _Handler(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self) -> None:
        with suppress(ssl.SSLError, ConnectionError):  # a client that does not trust us
            self._serve()

    def finish(self) -> None:
        """The server closes the connection that it knows, and not TLS's within it."""
        super().finish()
        self.connection.close()

    def _serve(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        self._say("220 lab.example ESMTP")
        while line := self.rfile.readline():
            words = line.decode("utf-8", "replace").strip()
            verb = words.split(" ")[0].upper()
            server.received.commands.append(verb)
            if verb in server.answers:
                if not server.answers[verb]:
                    return
                self._say(server.answers[verb])
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._obey(server, verb, words)

    def _obey(self, server: _Server, verb: str, words: str) -> None:
        match verb:
            case "EHLO":
                more = "250-STARTTLS\r\n" if server.certificate else ""
                self._say(f"250-lab.example\r\n{more}250-AUTH PLAIN\r\n250 8BITMIME")
            case "STARTTLS":
                assert server.certificate
                self._say("220 go on")
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(server.certificate)
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", buffering=0)
            case "AUTH":
                _, user, password = base64.b64decode(words.split(" ")[2]).decode().split("\0")
                server.received.passwords.append((user, password))
                self._say("235 welcome")
            case "RCPT":
                server.received.readers.append(words.split("<")[1].split(">")[0])
                self._say("250 well")
            case "DATA":
                self._say("354 go on")
                server.received.mails.append(self._mail())
                self._say("250 taken")
            case _:
                self._say("250 well")

    def _mail(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, answers: Mapping[str, str], certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.certificate = certificate
        self.received = Received()


@contextmanager
def mail_server(
    answers: Mapping[str, str] | None = None, *, certificate: Path | None = None
) -> Iterator[tuple[int, Received]]:
    """Its port, and what it got. *answers*: to a verb, instead of its own; empty hangs up.

    *certificate*: what it offers TLS with, and its key."""
    with _Server(answers or {}, certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1], server.received
        finally:
            server.shutdown()
            thread.join()


def own_certificate(path: Path) -> Path:
    """One for the loopback that is signed by itself, with its key, in *path*."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    found = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, plain)
    path.write_bytes(found.public_bytes(serialization.Encoding.PEM) + pem)
    return path
