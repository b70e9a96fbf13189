"""Whose requests are answered.

There is no password: whoever reaches the port may read. But a web page that the operator happens to
look at must not read along, so two kinds of requests are refused:

- those to a name that is not ours, for a name can be made to lead here ("DNS rebinding": C. Jackson
  and others, "Protecting browsers from DNS rebinding attacks", CCS 2007). An address cannot;
- those that a page of another site makes for a part of its own (W3C, Fetch Metadata Request
  Headers), such as the scripts in which parts of a console are. A link that somebody follows is
  none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")
_OURS = frozenset({"", "none", "same-origin"})


class Guard:
    """*names*: host names, beside ``localhost``, by which people come here."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}

    def refusal(self, headers: Mapping[str, str]) -> str:
        """Why a request with these *headers* is not answered; empty when it is. Names of headers
        are in lower case."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return (
                f"no name of this server: {host[:80]!r}; open it by its address, or start it with"
                " --allow-host NAME\n"
            )
        site, mode = headers.get("sec-fetch-site", ""), headers.get("sec-fetch-mode", "")
        if site not in _OURS and mode != "navigate":
            return "a page of another site may not use this one\n"
        return ""

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match["v6"] or match["name"].lower().rstrip(".")
        return name in self._names or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
