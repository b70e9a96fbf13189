"""All that is wrong with a flight's mirrors, in full."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.cli.mirrors import of_jobs, what_to_ask
from harness.errors import UsageError
from harness.flight.build import build_plan
from harness.mirror.check import ACCEPTED, OK, OMITTED, Question, ask
from harness.mirror.fake import FakeMirror, serve_mirror, unsigned

NOW = datetime(2026, 8, 2, tzinfo=UTC)
SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
FLIGHT = """
flight: m
mirror: {{url: "{url}", accept: [expired]}}
matrix: {{dist: [bookworm], arch: [amd64, i386], virt: [pv, pvh], boot: [direct]}}
overrides:
  - where: {{arch: i386}}
    set: {{mirror: {{omit: [security]}}}}
"""


@pytest.fixture
def served() -> Iterator[FakeMirror]:
    with serve_mirror() as mirror:
        for suite in SUITES:
            mirror.add_pocket(suite, arches=("amd64", "i386"))
        yield mirror


def question(served: FakeMirror, **more: object) -> Question:
    usual = {"url": served.url, "suite": "bookworm", "arch": "amd64", "arches": ("amd64",)}
    return Question(**usual | more)  # type: ignore[arg-type]


def states(*questions: Question) -> list[tuple[str, str, bool]]:
    answers = ask(questions, now=NOW, verify=unsigned)
    return [(answer.pocket, answer.state, answer.good) for answer in answers]


def test_a_sound_mirror(served: FakeMirror) -> None:
    assert states(question(served)) == [
        ("main", OK, True),
        ("updates", OK, True),
        ("security", OK, True),
    ]


def test_everything_that_is_wrong_is_told(served: FakeMirror) -> None:
    served.add_pocket("bookworm", valid_until=NOW - timedelta(days=15))
    served.add_pocket("bookworm-updates", listed_size=99)
    del served.files["/debian-security/dists/bookworm-security/InRelease"]
    assert states(question(served)) == [
        ("main", "expired", False),
        ("updates", "inconsistent", False),
        ("security", "missing", False),
    ]
    why = [answer.why for answer in ask([question(served)], now=NOW, verify=unsigned)]
    assert "expired 15 days ago" in why[0]
    assert "accept: [expired]" in why[0]
    assert "Packages.xz" in why[1]
    assert "omit: [security]" in why[2]


def test_what_the_flight_accepts_or_leaves_out_is_good(served: FakeMirror) -> None:
    served.add_pocket("bookworm", valid_until=NOW - timedelta(days=15))
    asked = question(served, accept_expired=True, omit=("updates",))
    assert states(asked) == [
        ("main", ACCEPTED, True),
        ("security", OK, True),
        ("updates", OMITTED, True),
    ]
    first = ask([asked], now=NOW, verify=unsigned)[0]
    assert "expired 15 days ago" in first.why
    assert "accept:" not in first.why, "it need not be told what it has said already"


def test_an_expired_pocket_that_is_inconsistent_too_is_not_accepted(served: FakeMirror) -> None:
    served.add_pocket("bookworm", valid_until=NOW - timedelta(days=15), listed_size=99)
    assert states(question(served, accept_expired=True))[0] == ("main", "inconsistent", False)


def test_a_small_index_with_the_right_size_but_other_bytes(served: FakeMirror) -> None:
    path = "/debian/dists/bookworm/main/binary-amd64/Packages.xz"
    served.files[path] = bytes(reversed(served.files[path]))
    assert states(question(served))[0] == ("main", "inconsistent", False)


def test_a_mirror_that_is_no_mirror_is_an_answer_too() -> None:
    url = "ftp://m.example/debian"
    (answer,) = ask([Question(url=url, suite="sid", arch="amd64", arches=("amd64",))])
    assert (answer.good, answer.mirror) == (False, url)
    assert "not an http" in answer.why


def test_what_a_flight_wants_is_asked_once(tmp_path: Path, served: FakeMirror) -> None:
    (tmp_path / "m.yaml").write_text(FLIGHT.format(url=served.url))
    amd64, i386 = of_jobs(build_plan(str(tmp_path / "m.yaml")).jobs)
    assert (amd64.arches, amd64.accept_expired, amd64.omit) == (("amd64",), True, ())
    assert (i386.arches, i386.accept_expired) == (("i386", "amd64"), True)
    assert i386.omit == ("security",)


def test_dists_may_be_asked_for_by_name() -> None:
    found = what_to_ask(["bookworm", "sid"], arches=["amd64", "i386"])
    assert [(one.suite, one.arches) for one in found] == [
        ("bookworm", ("amd64",)),
        ("bookworm", ("i386", "amd64")),
        ("sid", ("amd64",)),
        ("sid", ("i386", "amd64")),
    ]


@pytest.mark.parametrize("words", [["bookworm", "smoke"], ["nosuch"], ["smoke", "matrix"]])
def test_what_is_neither_is_the_users_error(words: list[str]) -> None:
    with pytest.raises(UsageError):
        what_to_ask(words)
