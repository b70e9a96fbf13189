"""Passwords: never printed, and cut out of the output should the guest echo one."""

from __future__ import annotations

import threading
from dataclasses import dataclass

REDACTED = b"[secret]"
ARMED_LINES = 3


@dataclass(frozen=True, repr=False)
class Secret:
    """A text that must not be shown. Tracebacks and logs see ``Secret(...)`` only."""

    value: str

    def __repr__(self) -> str:
        return "Secret(...)"


class Redactor:
    """Cuts an echoed secret out of a byte stream.

    A secret is echoed, if at all, right after it was typed: so only the next few lines are
    looked at, and a guest whose password is ``root`` keeps its prompt. The other bytes
    pass unchanged; at most one byte less than the secret is held back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secret = b""
        self._held = b""
        self._lines = 0

    def arm(self, secret: bytes) -> None:
        """Take *secret* out of what comes now, for a few lines (one may be the kernel's)."""
        with self._lock:
            self._secret = secret.strip(b"\r\n")
            self._lines = ARMED_LINES

    def filter(self, data: bytes) -> bytes:
        """What of *data*, and of what was held back, may be seen."""
        with self._lock:
            if not self._secret:
                return data
            data = (self._held + data).replace(self._secret, REDACTED)
            self._held = b""
            self._lines -= data.count(b"\n")
            if self._lines <= 0:
                self._secret = b""
                return data
            keep = self._partial(data)
            if keep:
                data, self._held = data[:-keep], data[-keep:]
            return data

    def flush(self) -> bytes:
        """What was held back, when nothing more will come: it cannot be a whole secret."""
        with self._lock:
            held, self._held = self._held, b""
            self._secret = b""
            return held

    def _partial(self, data: bytes) -> int:
        """How many bytes at the end of *data* may be the beginning of the secret."""
        longest = min(len(data), len(self._secret) - 1)
        return next((n for n in range(longest, 0, -1) if self._secret.startswith(data[-n:])), 0)
