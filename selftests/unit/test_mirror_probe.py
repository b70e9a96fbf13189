"""Probing pockets, against a real HTTP server with made-up pockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from harness.errors import LabError, UsageError
from harness.mirror import probe
from harness.mirror.fake import FakeMirror, serve_mirror, unsigned
from harness.mirror.mirror import Mirror
from harness.mirror.release import parse_release

DATA = Path(__file__).parent.parent / "data" / "mirror"
probe_mirror = partial(probe.probe_mirror, verify=unsigned)
NOW = datetime(2026, 8, 2, tzinfo=UTC)
SUITES = ("bookworm", "bookworm-updates", "bookworm-security")


@pytest.fixture
def served() -> Iterator[FakeMirror]:
    with serve_mirror() as mirror:
        for suite in SUITES:
            mirror.add_pocket(suite)
        yield mirror


def mirror_of(served: FakeMirror) -> Mirror:
    return Mirror.from_url(served.url)


def test_a_real_release_file_is_read() -> None:
    release = parse_release((DATA / "bookworm-security.InRelease").read_bytes(), "http://x")
    assert release.origin == "Debian"
    assert release.codename == "bookworm-security"
    assert release.date == datetime(2026, 11, 21, 0, 53, 2, tzinfo=UTC)
    assert release.valid_until == datetime(2026, 11, 28, 0, 53, 2, tzinfo=UTC)
    assert release.sizes["main/binary-amd64/Packages.xz"] == 378100
    assert not any("PGP" in path for path in release.sizes)


@pytest.mark.parametrize("raw", [b"", b"<html>Please log in</html>", b"Date: today\n"])
def test_what_is_no_release_file_is_refused(raw: bytes) -> None:
    with pytest.raises(LabError, match="http://x is not a Release file"):
        parse_release(raw, "http://x")


def test_a_date_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(LabError, match="'soon'"):
        parse_release(b"Date: soon\nSHA256:\n aa 1 main/x\n", "http://x")


def test_all_pockets_are_looked_at(served: FakeMirror) -> None:
    snapshot = probe_mirror(mirror_of(served), "bookworm", now=NOW)
    assert [pocket.suite for pocket in snapshot.pockets] == list(SUITES)
    assert set(snapshot.dates) == {"main", "updates", "security"}


def test_the_key_changes_with_any_pocket_but_not_with_the_address(served: FakeMirror) -> None:
    before = probe_mirror(mirror_of(served), "bookworm", now=NOW)
    with serve_mirror() as twin:
        twin.files = dict(served.files)
        assert probe_mirror(mirror_of(twin), "bookworm", now=NOW).key == before.key
    served.add_pocket("bookworm-security", packages=b"Package: hello\nVersion: 2\n")
    assert probe_mirror(mirror_of(served), "bookworm", now=NOW).key != before.key


def test_an_omitted_pocket_is_not_even_asked_for(served: FakeMirror) -> None:
    snapshot = probe_mirror(mirror_of(served), "bookworm", omit=["security"], now=NOW)
    assert snapshot.omitted == ("security",)
    assert not any("security" in line for line in served.asked)


def test_an_expired_pocket_is_broken_unless_accepted(served: FakeMirror) -> None:
    served.add_pocket("bookworm-updates", valid_until=NOW - timedelta(days=15))
    with pytest.raises(LabError, match=r"'updates' .* expired 15 days ago"):
        probe_mirror(mirror_of(served), "bookworm", now=NOW)
    snapshot = probe_mirror(mirror_of(served), "bookworm", now=NOW, accept_expired=True)
    assert [pocket.expired for pocket in snapshot.pockets] == [False, True, False]


def test_a_mirror_in_the_middle_of_its_synchronisation_is_broken(served: FakeMirror) -> None:
    served.add_pocket("bookworm-security", listed_size=99)
    with pytest.raises(LabError, match=r"15 bytes, its Release says 99 .*synchronised"):
        probe_mirror(mirror_of(served), "bookworm", now=NOW)


def test_packages_of_every_architecture_are_looked_at(served: FakeMirror) -> None:
    """An i386 guest may have an amd64 kernel."""
    for suite in SUITES:
        served.add_pocket(suite, arches=("i386", "amd64"))
    index = "/debian-security/dists/bookworm-security/main/binary-i386/Packages.xz"
    served.files[index] += b"newer"
    assert len(probe_mirror(mirror_of(served), "bookworm", now=NOW).pockets) == 3
    with pytest.raises(LabError, match=r"'security' .*main/binary-i386/Packages\.xz has 20 bytes"):
        probe_mirror(mirror_of(served), "bookworm", arches=("i386", "amd64"), now=NOW)


def test_an_index_that_is_there_under_its_hash_will_do(served: FakeMirror) -> None:
    """apt looks there first: so a mirror may have the next one in its place already."""
    served.add_pocket("bookworm", by_hash=True)
    index = "/debian/dists/bookworm/main/binary-amd64/Packages.xz"
    served.files[index] += b"newer"
    assert len(probe_mirror(mirror_of(served), "bookworm", now=NOW).pockets) == 3
    for path in [path for path in served.files if "by-hash" in path]:
        del served.files[path]
    with pytest.raises(LabError, match="20 bytes, its Release says 15"):
        probe_mirror(mirror_of(served), "bookworm", now=NOW)


def test_an_index_that_the_release_promises_and_nobody_has(served: FakeMirror) -> None:
    del served.files["/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz"]
    with pytest.raises(LabError, match=r"'updates' .*Packages\.xz is in its Release, but .* 404"):
        probe_mirror(mirror_of(served), "bookworm", now=NOW)


def test_who_signed_it_is_checked_file_by_file(served: FakeMirror) -> None:
    def verify(raw: bytes, what: str, *, accept_expired: bool) -> None:
        if "security" in what:
            msg = f"{what} is signed by a key that nobody here knows: 0123"
            raise LabError(msg)

    with pytest.raises(LabError, match=r"pocket 'security' .*InRelease is signed by a key that"):
        probe.probe_mirror(mirror_of(served), "bookworm", now=NOW, verify=verify)


def test_a_pocket_that_is_missing_is_broken(served: FakeMirror) -> None:
    with pytest.raises(LabError, match=r"has no suite 'trixie': .*404 .*a flight may name"):
        probe_mirror(mirror_of(served), "trixie", now=NOW)
    del served.files["/debian/dists/bookworm-updates/InRelease"]
    with pytest.raises(LabError, match=r"pocket 'updates' .*not on the mirror.*leave it out"):
        probe_mirror(mirror_of(served), "bookworm", now=NOW)


def test_an_architecture_that_is_missing_is_broken(served: FakeMirror) -> None:
    with pytest.raises(LabError, match="no packages for riscv64"):
        probe_mirror(mirror_of(served), "bookworm", arches=["riscv64"], now=NOW)


def test_another_suite_behind_the_address_is_broken(served: FakeMirror) -> None:
    served.add_pocket("bookworm", codename="trixie")
    with pytest.raises(LabError, match="codename 'trixie'"):
        probe_mirror(mirror_of(served), "bookworm", now=NOW)


def test_nobody_there_is_broken_with_the_cause() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/debian"
        with pytest.raises(LabError, match="Connection refused"):
            probe_mirror(Mirror(main=url), "bookworm", now=NOW)


def test_a_server_that_does_not_speak_http_is_broken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/debian"
        server.settimeout(5)

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-x\r\n")
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(LabError, match="cannot reach the mirror"):
            probe_mirror(Mirror(main=url), "sid", now=NOW)
        thread.join()


def test_a_wrong_omission_is_seen_before_anything_is_asked(served: FakeMirror) -> None:
    with pytest.raises(UsageError):
        probe_mirror(mirror_of(served), "bookworm", omit=["backports"], now=NOW)
    assert served.asked == []
