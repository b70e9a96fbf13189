"""Secrets do not belong into evidence, which is published with the results."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.console.secret import REDACTED

_SHORTEST = 4
"""Bytes of a secret that may stand at the edge of a cut: fewer tell nothing."""
_KEY_LINE = 16
_PRIVATE = rb"[A-Z0-9 ]{0,40}PRIVATE KEY-----"
_PATTERNS = (
    # The second is a block whose beginning was cut off.
    re.compile(rb"-----BEGIN " + _PRIVATE + rb".*?(?:-----END " + _PRIVATE + rb"|\Z)", re.DOTALL),
    re.compile(rb"\A[A-Za-z0-9+/=\s]*-----END " + _PRIVATE),
)
# `xl list -l` and xenstore tell the passwords of everybody's VNC and SPICE.
_FIELD = re.compile(
    rb'((?:passwd|password|passphrase)"?\s{0,4}[:=]\s{0,4}"?)[^\s",;]+', re.IGNORECASE
)


class Mask:
    """Takes out *secrets*, private keys of anybody, and what is called a password."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret.strip().encode() for secret in secrets}
        # The longest first: one may be part of another.
        self._secrets = sorted((one for one in found if one), key=lambda one: (-len(one), one))

    def __call__(self, data: bytes) -> bytes:
        """*data* without them."""
        for secret in self._secrets:
            data = data.replace(secret, REDACTED)
        for pattern in _PATTERNS:
            data = pattern.sub(REDACTED, data)
        return _FIELD.sub(rb"\1" + REDACTED, data)

    def text(self, text: str) -> str:
        """The same for text."""
        return self(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def head(self, data: bytes) -> bytes:
        """*data*, after which something was cut off: perhaps in the middle of a secret."""
        begun = max((_begun(secret, data) for secret in self._secrets), default=0)
        return self(data[: len(data) - begun]) + (REDACTED if begun else b"")

    def tail(self, data: bytes) -> bytes:
        """*data*, before which something was cut off."""
        over = max(
            (_begun(secret[::-1], data[: len(secret)][::-1]) for secret in self._secrets), default=0
        )
        return (REDACTED if over else b"") + self(data[over:])


def key_lines(text: str) -> list[str]:
    """The lines of a private key that are secret, each for itself: it may be quoted in part."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if len(line) >= _KEY_LINE and not line.startswith("-----")]


def _begun(secret: bytes, data: bytes) -> int:
    """How many bytes at the end of *data* are the beginning, and not all, of *secret*."""
    longest = min(len(data), len(secret) - 1)
    lengths = range(longest, _SHORTEST - 1, -1)
    return next((n for n in lengths if data.endswith(secret[:n])), 0)
