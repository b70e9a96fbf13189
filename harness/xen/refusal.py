"""xl would not do something to a domain that is there: is it for want of something on the host?"""

from __future__ import annotations

_OF_THE_HOST = (
    "No space left on device",
    "Cannot allocate memory",
    "failed to free memory",
    "not enough memory",
    "Input/output error",
)


def of_the_host(said: str) -> bool:
    """Whether xl's words put it down to the host, so that no domain would have fared better."""
    return any(words in said for words in _OF_THE_HOST)
