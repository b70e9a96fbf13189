"""Is an InRelease file signed by a key that we trust? gpgv(1) says so, as it does to apt.

A file may be signed by several keys, of which an older keyring knows only some: one good
signature is enough, and a bad one is always too much (apt's rule, methods/gpgv.cc).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from harness.errors import LabError
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.remote.outcome import NOT_FOUND

KEYRINGS = Path("/usr/share/keyrings")
ARCHIVE = "debian-archive-keyring"
REMOVED = "debian-archive-removed-keys"
"""Keys of suites that nobody supports any more; most have expired."""
SUFFIXES = (".gpg", ".pgp")
"""The newer one came with Debian 13; links with the older name may or may not be there."""
TRUSTED = Path("/etc/apt/trusted.gpg.d")
_HINT = "install Debian's gpgv and debian-archive-keyring"


class Verify(Protocol):
    """Checks a file's signature; what is wrong is a `LabError`."""

    def __call__(self, raw: bytes, what: str, *, accept_expired: bool) -> None:
        """*what* names the file. *accept_expired*: a key that has expired since will do."""
        ...


def check_signature(raw: bytes, what: str, *, accept_expired: bool) -> None:
    """`LabError` unless one of Debian's archive keys, or one that apt trusts here, signed *raw*."""
    verify_with(keyrings(removed=accept_expired), raw, what, accept_expired=accept_expired)


def verify_with(rings: Sequence[Path], raw: bytes, what: str, *, accept_expired: bool) -> None:
    """The same with other keyrings."""
    if not rings:
        msg = f"cannot check who signed {what}: there is no keyring {KEYRINGS / ARCHIVE}.gpg"
        raise LabError(msg, hint=_HINT)
    options = [word for ring in rings for word in ("--keyring", ring)]
    command = Command.of("gpgv", "--status-fd", "1", *options)
    result = LocalRunner().run(command, stdin=raw, check=False)
    if result.exit_status == NOT_FOUND:
        msg = f"cannot check who signed {what}: {result.stderr.strip()}"
        raise LabError(msg, hint=_HINT)
    if trouble := judge(result.stdout, accept_expired=accept_expired):
        msg = f"{what} {trouble}"
        raise LabError(msg)


def keyrings(*, removed: bool = False) -> list[Path]:
    """The keyrings there are: Debian's, and those that apt trusts for everything."""
    names = (ARCHIVE, REMOVED) if removed else (ARCHIVE,)
    found = [path for name in names if (path := keyring(name)).is_file()]
    return found + sorted(TRUSTED.glob("*.gpg"))


def keyring(name: str = ARCHIVE, place: Path = KEYRINGS) -> Path:
    """Debian's keyring of that name, by the name that its file has here; it may not be there."""
    paths = [place / f"{name}{suffix}" for suffix in SUFFIXES]
    return next((path for path in paths if path.is_file()), paths[0])


def judge(status: str, *, accept_expired: bool) -> str:
    """What is wrong, from gpgv's status lines (GnuPG's doc/DETAILS); empty when all is well."""
    words = [line.split() for line in status.splitlines() if line.startswith("[GNUPG:] ")]
    told = {parts[1]: " ".join(parts[3:]) or parts[2] for parts in words if len(parts) > 2}
    if "BADSIG" in told:
        return f"was changed after it was signed by {told['BADSIG']}"
    if "GOODSIG" in told:
        return ""
    if "EXPKEYSIG" in told:
        text = f"is signed by a key that has expired since: {told['EXPKEYSIG']}"
        return "" if accept_expired else text
    if "NO_PUBKEY" in told:
        return f"is signed by a key that nobody here knows: {told['NO_PUBKEY']}"
    return "is not signed"
