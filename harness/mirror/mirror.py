"""Which Debian mirror to use, and the pockets of a suite on it.

No mirror's host is written in this project. The machine's own apt sources name one, or a
flight does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError, UsageError
from harness.mirror.release import fetch_release
from harness.mirror.sources import ETC_APT, AptSource, read_sources, source_files

POCKETS = ("main", "updates", "security")

CODENAMES = (
    *("buster", "bullseye", "bookworm", "trixie", "forky", "duke"),
    *("sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"),
)
_SUFFIXES = ("-updates", "-security", "-backports", "-proposed-updates")

# Rolling: what other suites get through extra pockets is simply uploaded there.
_WITHOUT_EXTRA_POCKETS = ("sid", "unstable")


@dataclass(frozen=True, kw_only=True)
class PocketRef:
    """One pocket of a suite: where its ``dists/<suite>`` is. *name* is one of `POCKETS`."""

    name: str
    uri: str
    suite: str

    @property
    def dists_url(self) -> str:
        """The directory that holds its InRelease file."""
        return f"{self.uri}/dists/{self.suite}"


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """The archives of one Debian mirror, without a slash at the end."""

    main: str
    security: str | None = None

    @classmethod
    def from_url(cls, url: str) -> Mirror:
        """The mirror that a flight names; its security archive is taken to stand beside it.

        Debian's mirrors serve ``/debian`` and ``/debian-security``. For a URL with another
        ending only the main archive is known. `UsageError` for anything but http and https.
        """
        url = url.rstrip("/")
        if not url.startswith(("http://", "https://")):
            msg = f"mirror {url!r} is not an http or https URL"
            hint = "write it as http://HOST/debian, or `auto` for this machine's own apt sources"
            raise UsageError(msg, hint=hint)
        security = f"{url}-security" if url.endswith("/debian") else None
        return cls(main=url, security=security)

    def pockets(self, suite: str, omit: Iterable[str] = ()) -> tuple[PocketRef, ...]:
        """The pockets that *suite* has here, less those to *omit*.

        `UsageError` when *omit* names a pocket that does not exist or leaves nothing.
        """
        left_out = set(omit)
        if unknown := left_out.difference(POCKETS):
            msg = f"there is no pocket {sorted(unknown)[0]!r}; there are {', '.join(POCKETS)}"
            raise UsageError(msg)
        if "main" in left_out:
            msg = "the main pocket cannot be left out: nothing could be built"
            raise UsageError(msg)
        found = [PocketRef(name="main", uri=self.main, suite=suite)]
        if suite not in _WITHOUT_EXTRA_POCKETS:
            found.append(PocketRef(name="updates", uri=self.main, suite=f"{suite}-updates"))
            if self.security:
                # Suites before bullseye named theirs "buster/updates"; they are gone from mirrors.
                ref = PocketRef(name="security", uri=self.security, suite=f"{suite}-security")
                found.append(ref)
        return tuple(pocket for pocket in found if pocket.name not in left_out)


def source_line(pocket: PocketRef, *, accept_expired: bool = False) -> str:
    """The pocket as a line of sources.list(5)."""
    options = "[check-valid-until=no] " if accept_expired else ""
    return f"deb {options}{pocket.uri} {pocket.suite} main"


def machine_mirror(etc_apt: Path = ETC_APT) -> Mirror:
    """The mirror that this machine itself installs from.

    When several sources look like Debian's (some third parties use its suite names too), their
    Release files are asked. `LabError` says where it looked when no Debian source is found.
    """
    mains, securities = candidates(read_sources(etc_apt))
    main, security = _debian_one(mains), _debian_one(securities)
    if main:
        return Mirror(main=main, security=security)
    looked = ", ".join(str(path) for path in source_files(etc_apt)) or f"nothing under {etc_apt}"
    msg = f"found no http source of Debian among this machine's apt sources (looked in: {looked})"
    raise LabError(msg, hint="a flight may name one: `mirror: URL`")


Found = dict[str, str]
"""Archive URI -> a suite that was asked of it."""


def candidates(sources: Iterable[AptSource]) -> tuple[Found, Found]:
    """The archives that look like Debian's, and those that look like its security archive."""
    mains: Found = {}
    securities: Found = {}
    for source in sources:
        if "deb" not in source.types or "main" not in source.components:
            continue
        for uri in source.uris:
            if not uri.startswith(("http://", "https://")):
                continue
            for suite in filter(is_debian_suite, source.suites):
                group = securities if suite.endswith("-security") else mains
                group.setdefault(uri.rstrip("/"), suite)
    return mains, securities


def _debian_one(found: Found) -> str | None:
    """The only one there is, or the first whose Release file says that it is Debian's."""
    if len(found) <= 1:
        return next(iter(found), None)
    return next((uri for uri, suite in found.items() if _says_debian(uri, suite)), None)


def _says_debian(uri: str, suite: str) -> bool:
    try:
        return fetch_release(f"{uri}/dists/{suite}").origin == "Debian"
    except LabError:
        return False


def is_debian_suite(suite: str) -> bool:
    """Whether Debian itself has a suite of this name; third parties seldom do."""
    for suffix in _SUFFIXES:
        suite = suite.removesuffix(suffix)
    return suite in CODENAMES
