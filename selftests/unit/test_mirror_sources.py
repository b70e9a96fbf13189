"""apt's source lists, and which of their entries are Debian's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LabError, UsageError
from harness.mirror.fake import serve_mirror
from harness.mirror.mirror import Mirror, candidates, machine_mirror, source_line
from harness.mirror.sources import parse_deb822, parse_one_line, read_sources

DEB822 = """\
# made by hand
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
# a comment inside a stanza
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Enabled: no
"""

ONE_LINE = """\
# deb http://off.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main # x
deb-src http://mirror.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main contrib
deb http://flat.example/ ./
nonsense
"""


def test_deb822_reads_stanzas_with_comments_and_folded_fields() -> None:
    (source,) = parse_deb822(DEB822, "x.sources")
    assert source.uris == ("http://mirror.example/debian/",)
    assert source.suites == ("bookworm", "bookworm-updates")
    assert source.components == ("main", "contrib")
    assert "BEGIN PGP" in source.options["signed-by"]
    assert str(source.place) == "x.sources:2"


def test_one_line_reads_options_and_passes_over_what_apt_would_refuse() -> None:
    first, second, third, flat = parse_one_line(ONE_LINE, "x.list")
    assert first.options == {"arch": "amd64", "signed-by": "/usr/share/keyrings/k.gpg"}
    assert first.components == ("main",)
    assert second.types == ("deb-src",)
    assert str(third.place) == "x.list:4"
    assert flat.components == ()


def write_lists(etc: Path, **files: str) -> Path:
    (etc / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (etc / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return etc


def test_both_formats_are_read_from_a_machine(tmp_path: Path) -> None:
    etc = write_lists(tmp_path, a_list=ONE_LINE, b_sources=DEB822)
    assert len(read_sources(etc)) == 5


def test_machine_mirror_drops_the_slash_and_finds_security(tmp_path: Path) -> None:
    text = DEB822.replace("Enabled: no", "")
    etc = write_lists(tmp_path, debian_sources=text)
    assert machine_mirror(etc) == Mirror(
        main="http://mirror.example/debian", security="http://mirror.example/debian-security"
    )


@pytest.mark.parametrize(
    "line",
    [
        "deb https://tools.example/apt nodistro main",
        "deb https://tools.example/apt cloud-sdk-bookworm main",
        "deb https://tools.example/linux/debian bookworm stable",
        "deb-src https://tools.example/debian bookworm main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb file:/srv/debian bookworm main",
    ],
)
def test_third_parties_and_other_transports_are_no_candidates(line: str) -> None:
    assert candidates(parse_one_line(line, "x.list")) == ({}, {})


def test_no_debian_source_says_where_it_looked(tmp_path: Path) -> None:
    etc = write_lists(tmp_path, other_list="deb https://tools.example/apt nodistro main\n")
    with pytest.raises(LabError) as caught:
        machine_mirror(etc)
    assert "other.list" in str(caught.value)
    assert "mirror: URL" in str(caught.value)


def test_no_source_list_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=f"nothing under {tmp_path}"):
        machine_mirror(tmp_path)


def test_a_third_party_with_debians_suite_names_is_told_apart_by_its_release(
    tmp_path: Path,
) -> None:
    with serve_mirror() as other, serve_mirror() as debian:
        other.add_pocket("bookworm", origin="Tools Inc")
        debian.add_pocket("bookworm")
        lines = f"deb {other.url} bookworm main\ndeb {debian.url} bookworm main\n"
        etc = write_lists(tmp_path, x_list=lines)
        assert machine_mirror(etc).main == debian.url


def test_several_candidates_and_none_is_debian(tmp_path: Path) -> None:
    with serve_mirror() as one, serve_mirror() as two:
        one.add_pocket("bookworm", origin="Tools Inc")
        lines = f"deb {one.url} bookworm main\ndeb {two.url} bookworm main\n"
        with pytest.raises(LabError, match="no http source of Debian"):
            machine_mirror(write_lists(tmp_path, x_list=lines))


MIRROR = Mirror(main="http://m.example/debian", security="http://m.example/debian-security")


@pytest.mark.parametrize(
    ("suite", "names"),
    [
        ("bookworm", ["bookworm", "bookworm-updates", "bookworm-security"]),
        ("forky", ["forky", "forky-updates", "forky-security"]),
        ("sid", ["sid"]),
    ],
)
def test_pockets_of_a_suite(suite: str, names: list[str]) -> None:
    assert [pocket.suite for pocket in MIRROR.pockets(suite)] == names


def test_pockets_without_a_security_archive_or_with_omissions() -> None:
    names = [pocket.name for pocket in Mirror(main=MIRROR.main).pockets("trixie")]
    assert names == ["main", "updates"]
    assert [p.name for p in MIRROR.pockets("trixie", ["updates"])] == ["main", "security"]


@pytest.mark.parametrize(
    ("omit", "word"), [("main", "cannot be left out"), ("secruity", "no pocket")]
)
def test_a_wrong_omission_is_the_users_error(omit: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        MIRROR.pockets("trixie", [omit])


def test_mirror_from_a_flights_url() -> None:
    assert Mirror.from_url("http://m.example/debian/") == MIRROR
    assert Mirror.from_url("http://m.example/copy").security is None
    with pytest.raises(UsageError, match="not an http"):
        Mirror.from_url("ftp://m.example/debian")


def test_source_line_accepts_an_expired_release_only_on_demand() -> None:
    pocket = MIRROR.pockets("sid")[0]
    assert source_line(pocket) == "deb http://m.example/debian sid main"
    assert "[check-valid-until=no]" in source_line(pocket, accept_expired=True)
