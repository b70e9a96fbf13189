"""A mail server on the loopback, as far as RFC 5321 is needed, and RFC 4954 for a password.

It takes every mail, or answers a command as a test says.
"""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


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
                self._say("250-lab.example\r\n250-AUTH PLAIN\r\n250 8BITMIME")
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

    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.received = Received()


@contextmanager
def mail_server(answers: Mapping[str, str] | None = None) -> Iterator[tuple[int, Received]]:
    """Its port, and what it got. *answers*: to a verb, instead of its own; empty hangs up."""
    with _Server(answers or {}) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1], server.received
        finally:
            server.shutdown()
            thread.join()
