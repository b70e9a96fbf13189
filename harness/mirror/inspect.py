"""What is wrong with a pocket of a mirror: everything, and not just the first thing.

Mirrors are imperfect. A pocket is reachable, signed, the one that was asked for, fresh, and has
the indexes that its own Release file promises; or it is told in which of these it fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from harness.errors import LabError
from harness.mirror.mirror import PocketRef
from harness.mirror.release import NotOnMirror, Release, fetch, parse_release
from harness.mirror.signature import Verify, check_signature

MOST_HASHED = 1 << 20
"""Bytes up to which an index is fetched to see its hash; of larger ones only the size is asked."""
_MAIN = "main"


class Trouble(StrEnum):
    """The kinds of what can be wrong."""

    UNREACHABLE = "unreachable"
    MISSING = "missing"
    """The mirror has no such pocket, or the pocket no packages for an architecture."""
    UNSIGNED = "unsigned"
    OTHER = "another suite"
    EXPIRED = "expired"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. *text* names pocket, file and architecture."""

    trouble: Trouble
    text: str
    hint: str = ""
    arch: str | None = None
    """None: it concerns all of them."""

    def error(self) -> LabError:
        """To be raised by who can't go on."""
        return LabError(self.text, hint=self.hint or None)


@dataclass(frozen=True, kw_only=True)
class PocketReport:
    """A pocket that was looked at; *release* is None when it could not be read."""

    ref: PocketRef
    release: Release | None
    findings: tuple[Finding, ...]


def inspect_pocket(
    ref: PocketRef,
    *,
    arches: Iterable[str],
    accept_expired: bool = False,
    hashes: bool = False,
    now: datetime | None = None,
    verify: Verify = check_signature,
) -> PocketReport:
    """Look at all of one pocket, and at its packages for *arches*. Raises nothing of the mirror's.

    That it has expired is found even with *accept_expired*, which is for the keys that signed
    it. *hashes*: small indexes are fetched and compared, too.
    """
    where = f"pocket {ref.name!r} ({ref.suite})"
    url = f"{ref.dists_url}/InRelease"
    try:
        raw = fetch(url)[0]
        release = parse_release(raw, url)
    except NotOnMirror as error:
        return PocketReport(ref=ref, release=None, findings=(_missing(ref, where, error),))
    except LabError as error:
        finding = Finding(trouble=Trouble.UNREACHABLE, text=f"{where}: {error}")
        return PocketReport(ref=ref, release=None, findings=(finding,))
    found = [*_identity(ref, release, where), *_signature(raw, url, where, verify, accept_expired)]
    found += _freshness(release, where, now or datetime.now(UTC))
    for arch in arches:
        found += _index(ref, release, arch, where, hashes=hashes)
    return PocketReport(ref=ref, release=release, findings=tuple(found))


def _missing(ref: PocketRef, where: str, error: LabError) -> Finding:
    if ref.name == _MAIN:
        text = f"the mirror {ref.uri} has no suite {ref.suite!r}: {error}"
        hint = "a flight may name a mirror that carries it: `mirror: URL`"
    else:
        text = f"{where} is not on the mirror {ref.uri}: {error}"
        hint = f"a flight may leave it out: `omit: [{ref.name}]` under mirror"
    return Finding(trouble=Trouble.MISSING, text=text, hint=hint)


def _identity(ref: PocketRef, release: Release, where: str) -> Iterator[Finding]:
    if ref.suite not in (release.codename, release.suite):
        text = (
            f"{where} of {ref.uri} is another one: its Release says codename "
            f"{release.codename!r}, suite {release.suite!r}"
        )
        yield Finding(trouble=Trouble.OTHER, text=text)


def _signature(
    raw: bytes, url: str, where: str, verify: Verify, accept_expired: bool
) -> Iterator[Finding]:
    try:
        verify(raw, url, accept_expired=accept_expired)
    except LabError as error:
        text, hint = f"{where}: {error.message}", error.hint or ""
        yield Finding(trouble=Trouble.UNSIGNED, text=text, hint=hint)


def _freshness(release: Release, where: str, now: datetime) -> Iterator[Finding]:
    until = release.valid_until
    if until is not None and until < now:
        text = f"{where} expired {(now - until).days} days ago: Valid-Until is {until}"
        hint = "a flight may say `accept: [expired]` under mirror, or omit this pocket"
        yield Finding(trouble=Trouble.EXPIRED, text=text, hint=hint)


def _index(
    ref: PocketRef, release: Release, arch: str, where: str, *, hashes: bool
) -> Iterator[Finding]:
    """Compare the package index on the server with what the Release file says of it.

    A size is enough to see a mirror in the middle of its synchronisation; apt checks hashes.
    """
    names = [f"main/binary-{arch}/Packages.{packed}" for packed in ("xz", "gz")]
    path = next((name for name in names if name in release.sizes), None)
    if path is None:
        text = f"{where} has no packages for {arch}: its Release file does not list {names[0]}"
        yield Finding(trouble=Trouble.MISSING, text=text, arch=arch)
        return
    url, expected = f"{ref.dists_url}/{path}", release.sizes[path]
    try:
        wrong = _differs(url, expected, release.hashes[path] if hashes else None)
        if wrong and release.by_hash:
            named = f"{url.rpartition('/')[0]}/by-hash/SHA256/{release.hashes[path]}"
            wrong = wrong if _differs(named, expected, None) else ""
    except LabError as error:
        text = f"{where}: {error}"
        yield Finding(trouble=Trouble.UNREACHABLE, text=text, arch=arch)
        return
    if wrong:
        text = f"{where} is not consistent: {path} {wrong}"
        hint = "the mirror is probably being synchronised: try again later"
        hint += "" if ref.name == _MAIN else ", or omit this pocket"
        yield Finding(trouble=Trouble.INCONSISTENT, text=text, hint=hint, arch=arch)


def _differs(url: str, size: int, digest: str | None) -> str:
    """In what the file is not as promised; empty when it is. *digest* None: it is not compared.

    `LabError` when the mirror gives no answer.
    """
    try:
        _, found = fetch(url, method="HEAD")
        if found != size:
            return f"has {found} bytes, its Release says {size}"
        if digest and size <= MOST_HASHED and hashlib.sha256(fetch(url)[0]).hexdigest() != digest:
            return "has another SHA-256 than its Release says"
    except NotOnMirror as error:
        return f"is in its Release, but {error}"
    return ""
