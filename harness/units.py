"""Sizes and durations as people write them: ``512M``, ``2GiB``, ``90s``, ``1m30s``."""

from __future__ import annotations

import re
from datetime import timedelta

_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?:i?B)?", re.IGNORECASE)
_DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")


class Size(int):
    """A number of bytes. Units are powers of 1024, as LVM and xl take them."""

    @classmethod
    def parse(cls, text: str | int) -> Size:
        """Read ``512M``, ``2 GiB`` or a bare number of bytes; `ValueError` says what is wrong."""
        match = _SIZE.fullmatch(str(text).strip())
        if not match:
            msg = f"{text!r} is not a size; write a number and a unit, such as 512M or 2G"
            raise ValueError(msg)
        size = cls(float(match["number"]) * _FACTORS[match["unit"].upper()])
        if size <= 0:
            msg = f"{text!r} is not a size: it must be more than zero"
            raise ValueError(msg)
        return size

    @property
    def mib(self) -> int:
        """Whole MiB, rounded up: what ``memory=`` in xl.cfg and ``lvcreate -L`` count in."""
        return -(-int(self) // (1 << 20))

    def __str__(self) -> str:
        for unit in ("T", "G", "M", "K"):
            if self % _FACTORS[unit] == 0:
                return f"{int(self) // _FACTORS[unit]}{unit}"
        return str(int(self))

    def __repr__(self) -> str:
        return f"Size({str(self)!r})"


def parse_duration(text: str | int | float) -> timedelta:
    """Read ``90s``, ``5m``, ``1h30m`` or a bare number of seconds."""
    if isinstance(text, int | float):
        found = timedelta(seconds=text)
    else:
        match = _DURATION.fullmatch(text.strip())
        if not match or not text.strip():
            msg = f"{text!r} is not a duration; write it as 90s, 5m or 1h30m"
            raise ValueError(msg)
        h, m, s = (float(match[key] or 0) for key in "hms")
        found = timedelta(hours=h, minutes=m, seconds=s)
    if found <= timedelta(0):
        msg = f"{text!r} is not a duration: it must be more than zero"
        raise ValueError(msg)
    return found


def human_seconds(seconds: float) -> str:
    """``4.2 s``, ``1 m 05 s``, ``2 h 03 m``: short enough for a table."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m"


def human_size(size: int) -> str:
    """``370 MiB``, ``1.5 GiB``: for people, never for commands."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
