"""What gpgv's words mean for a mirror's Release file; with a real gpgv it is a contract test."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LabError
from harness.mirror.signature import judge, keyring, verify_with

GOOD = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0123 Debian Archive (12/bookworm) <f@example.org>\n"
UNKNOWN = "[GNUPG:] ERRSIG 4567 1 8 01 1690000000 9 -\n[GNUPG:] NO_PUBKEY 4567\n"
EXPIRED = "[GNUPG:] EXPKEYSIG 89AB Debian Archive (6.0/squeeze) <f@example.org>\n"
BAD = "[GNUPG:] BADSIG CDEF Debian Archive (11/bullseye) <f@example.org>\n"


@pytest.mark.parametrize(
    ("status", "accept_expired", "wrong"),
    [
        (GOOD, False, ""),
        (UNKNOWN + GOOD, False, ""),
        (EXPIRED + GOOD, False, ""),
        (GOOD + BAD, False, "was changed after it was signed by Debian Archive (11/bullseye)"),
        (UNKNOWN, False, "nobody here knows: 4567"),
        (EXPIRED, False, "expired since: Debian Archive (6.0/squeeze)"),
        (EXPIRED, True, ""),
        (UNKNOWN, True, "nobody here knows"),
        (BAD, True, "was changed"),
        ("", False, "is not signed"),
        ("[GNUPG:] NODATA 4\n", False, "is not signed"),
        ("gpgv: Good signature, says the text\n", False, "is not signed"),
    ],
)
def test_status_lines(status: str, accept_expired: bool, wrong: str) -> None:
    found = judge(status, accept_expired=accept_expired)
    assert wrong in found
    assert bool(found) is bool(wrong)


def test_without_a_keyring_nothing_is_taken_for_signed() -> None:
    with pytest.raises(LabError, match=r"cannot check who signed x: .*debian-archive-keyring"):
        verify_with([], b"", "x", accept_expired=False)


@pytest.mark.parametrize(
    ("there", "found"),
    [([".gpg"], ".gpg"), ([".pgp"], ".pgp"), ([".gpg", ".pgp"], ".gpg"), ([], ".gpg")],
)
def test_the_keyring_has_one_name_or_the_other(
    tmp_path: Path, there: list[str], found: str
) -> None:
    for suffix in there:
        (tmp_path / f"debian-archive-keyring{suffix}").touch()
    assert keyring(place=tmp_path) == tmp_path / f"debian-archive-keyring{found}"
