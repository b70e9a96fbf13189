"""Passwords are cut out of a console's output, should the guest echo one."""

from __future__ import annotations

import threading

from harness.secret import LASTING
from harness.secret import REDACTED as REDACTED_TEXT

REDACTED = REDACTED_TEXT.encode()
ARMED_LINES = 3


class Redactor:
    """Cuts an echoed secret out of a byte stream.

    A short one is looked for in the next few lines only, since it is echoed, if at all, right
    after it was typed: so a guest whose password is ``root`` keeps its prompt. A long one stays
    out for good. The other bytes pass unchanged; at most one byte less than the secret is held
    back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secret = b""
        self._held = b""
        self._lines = 0

    def arm(self, secret: bytes) -> None:
        """Take *secret* out of what comes now (for a few lines: one may be the kernel's)."""
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
            keep = self._partial(data)
            if keep:
                data, self._held = data[:-keep], data[-keep:]
            elif self._over:
                self._secret = b""
            return data

    def flush(self) -> bytes:
        """What was held back, when nothing more will come: it cannot be a whole secret."""
        with self._lock:
            held, self._held = self._held, b""
            if len(self._secret) < LASTING:
                self._secret = b""
            return held

    @property
    def _over(self) -> bool:
        return self._lines <= 0 and len(self._secret) < LASTING

    def _partial(self, data: bytes) -> int:
        """How many bytes at the end of *data* may be the beginning of the secret."""
        longest = min(len(data), len(self._secret) - 1)
        return next((n for n in range(longest, 0, -1) if self._secret.startswith(data[-n:])), 0)
