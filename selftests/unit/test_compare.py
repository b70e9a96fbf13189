"""Two flights side by side, and the statistics that are said of them."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from html.parser import HTMLParser
from itertools import product
from math import exp
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_samples import flight, job, step

from harness.cli import main
from harness.compare.compare import compare
from harness.compare.model import Change
from harness.compare.statistics import holm, mcnemar, shift, smallest_p, wilcoxon
from harness.compare.text import comparison_text
from harness.results.model import FlightResult, HostFacts, JobResult, PhaseResult
from harness.results.recorder import to_json
from harness.status import Status

P, F = Status.PASS, Status.FAIL
BEFORE = (1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30)
AFTER = (0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29)
DEPRESSION = [a - b for a, b in zip(BEFORE, AFTER, strict=True)]
"""M. Hollander and D. Wolfe, "Nonparametric statistical methods", table 3.1."""


def test_the_example_of_the_textbook() -> None:
    assert wilcoxon(DEPRESSION) == pytest.approx(0.0390625)
    estimate, low, high = shift(DEPRESSION)
    assert (round(estimate, 3), round(low, 3), round(high, 3)) == (0.46, 0.01, 0.786)


@given(st.lists(st.integers(-6, 6).filter(bool), min_size=1, max_size=8))
def test_few_pairs_are_counted_out(differences: list[int]) -> None:
    """Against all signs written down one by one; ranks of ties are shared."""
    sizes = sorted(abs(one) for one in differences)
    ranks = [(2 * sizes.index(abs(one)) + sizes.count(abs(one)) + 1) / 2 for one in differences]
    positive = sum(rank for rank, one in zip(ranks, differences, strict=True) if one > 0)
    smaller = min(positive, sum(ranks) - positive)
    sums = [
        sum(rank for rank, on in zip(ranks, signs, strict=True) if on)
        for signs in product((0, 1), repeat=len(ranks))
    ]
    share = sum(one <= smaller + 1e-9 for one in sums) / len(sums)
    assert wilcoxon([float(one) for one in differences]) == pytest.approx(min(1.0, 2 * share))


def test_many_pairs_by_the_normal_distribution() -> None:
    """Against four thousand random signs, ties among the differences."""
    chance = random.Random(7)
    differences = [round(chance.gauss(0.25, 1.0), 1) or 0.1 for _ in range(40)]
    order = sorted(abs(one) for one in differences)
    ranks = [order.index(abs(one)) + (order.count(abs(one)) + 1) / 2 for one in differences]
    middle = sum(ranks) / 2

    def far(signs: list[bool]) -> float:
        return abs(sum(rank for rank, on in zip(ranks, signs, strict=True) if on) - middle)

    seen = far([one > 0 for one in differences])
    draws = [far([chance.random() < 0.5 for _ in ranks]) >= seen for _ in range(4000)]
    assert wilcoxon(differences) == pytest.approx(sum(draws) / len(draws), abs=0.02)
    assert wilcoxon([-one for one in differences]) == pytest.approx(wilcoxon(differences))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40))
def test_laws(differences: list[float]) -> None:
    p = wilcoxon(differences)
    assert 0 < p <= 1
    if len(differences) < 26:
        assert p >= smallest_p(len(differences)) - 1e-12
    estimate, low, high = shift(differences)
    assert low <= estimate <= high
    assert min(differences) <= low
    assert high <= max(differences)


def test_no_differences_are_no_evidence() -> None:
    assert wilcoxon([]) == 1.0
    assert wilcoxon([0.0] * 30) == 1.0
    with pytest.raises(ValueError, match="no differences"):
        shift([])


def test_intervals_hold_what_they_promise() -> None:
    chance = random.Random(3)
    for pairs in (6, 10, 30):
        hits = 0
        for _ in range(400):
            _, low, high = shift([chance.gauss(0.5, 1.0) for _ in range(pairs)])
            hits += low <= 0.5 <= high
        assert hits / 400 > 0.92


def test_several_questions_at_once() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("broke", "mended", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 1, 0.21875), (6, 0, 0.03125), (10, 2, 0.03857421875)],
)
def test_breaking_by_chance(broke: int, mended: int, p: float) -> None:
    assert mcnemar(broke, mended) == pytest.approx(p)


# -- flights ---------------------------------------------------------------------------------


def one_job(
    number: int, name: str, status: Status = P, seconds: float = 10.0, **more: object
) -> JobResult:
    """A job whose boot takes *seconds*, and may end in another way."""
    phases = (
        PhaseResult(name="image", started=0.0, duration=99.0),
        PhaseResult(name="kernel", started=0.0, duration=seconds / 2),
    )
    reason = None if status is P else f"{status} as the test wants it"
    boot = step(number, "boot", status, duration=seconds, phases=phases, reason=reason)
    return job(number, step(number, "create", duration=0.01), boot, name=name, **more)


def night(number: int, jobs: list[JobResult], xen: str = "4.17.0") -> FlightResult:
    hosts = (HostFacts(name="rack1", kind="ssh", xen_version=xen),)
    return flight(number, jobs, hosts=hosts)


def test_what_broke_what_was_mended_and_what_says_nothing() -> None:
    ends = {
        "fine": (P, P, Change.PASSES),
        "worse": (P, F, Change.BROKE),
        "better": (F, P, Change.MENDED),
        "bad": (F, F, Change.FAILS),
        "lab": (P, Status.BROKEN, Change.UNKNOWN),
        "none": (Status.STARVED, F, Change.UNKNOWN),
    }
    old = night(1, [one_job(1, name, a) for name, (a, _, _) in ends.items()] + [one_job(1, "old")])
    new = night(2, [one_job(2, name, b) for name, (_, b, _) in ends.items()] + [one_job(2, "new")])
    found = compare(old, new)
    assert {pair.job: pair.change for pair in found.pairs} == {
        name: change for name, (_, _, change) in ends.items()
    }
    assert (found.only_a, found.only_b) == (("old",), ("new",))
    text = comparison_text(found)
    assert "Passes in A, fails in B:\n  worse  boot (fail as the test wants it)" in text
    assert "  bad  boot (fail as the test wants it); the same in A" in text
    assert "  lab  pass -> broken" in text
    assert "1 broke and 1 were mended: chance alone would do as much now and then" in text
    assert "Only in A: old" in text


def test_what_changed_underneath_is_said_first() -> None:
    text = comparison_text(compare(night(1, []), night(2, [], xen="4.18.0")))
    assert text.startswith("A: f1\nB: f2\n  Xen: 4.17.0 -> 4.18.0\n")
    same = comparison_text(compare(night(1, []), night(2, [])))
    assert "nothing that is known of is otherwise" in same
    assert "There are no times to compare: no step passed in both." in same


def test_a_slower_boot_shows_when_there_are_enough_jobs() -> None:
    names = [f"job{n}" for n in range(12)]
    old = night(1, [one_job(1, name, seconds=10.0 + n) for n, name in enumerate(names)])
    new = night(2, [one_job(2, name, seconds=(10.0 + n) * 1.2) for n, name in enumerate(names)])
    found = {one.name: one for one in compare(old, new).measures}
    assert list(found) == ["boot", "boot: kernel"], "no waits, and nothing too short to measure"
    boot = found["boot"]
    assert boot.differs
    assert boot.ratio == pytest.approx(1.2)
    assert boot.low == pytest.approx(1.2)
    assert boot.pairs == 12
    assert boot.adjusted == pytest.approx(2 * boot.p)
    text = " ".join(comparison_text(compare(old, new)).split())
    assert "boot 12 15.5 s 18.6 s 1.20 1.20 to 1.20 longer in B (p < 0.001)" in text


def test_of_few_jobs_it_says_that_it_can_say_nothing() -> None:
    names = [f"job{n}" for n in range(5)]
    old = night(1, [one_job(1, name) for name in names])
    new = night(2, [one_job(2, name, seconds=50.0) for name in names])
    found = compare(old, new)
    assert not any(one.differs for one in found.measures)
    text = comparison_text(found)
    assert "too few jobs to say" in text
    assert "With fewer than 6 jobs no difference, however large, could be told from chance" in text
    assert "the smallest p is 0.062" in text


def test_noise_is_no_difference() -> None:
    chance = random.Random(5)
    names = [f"job{n}" for n in range(30)]
    flights = [
        night(n, [one_job(n, name, seconds=10 * exp(chance.gauss(0, 0.1))) for name in names])
        for n in (1, 2)
    ]
    assert not any(one.differs for one in compare(*flights).measures)


def test_other_hosts_are_told_of() -> None:
    hosts = tuple(HostFacts(name=name, kind="ssh") for name in ("rack1", "rack2"))
    old = flight(1, [one_job(1, "a", host="rack1")], hosts=hosts)
    new = flight(2, [one_job(2, "a", host="rack2")], hosts=hosts)
    assert compare(old, new).other_hosts == 1
    assert "1 of 1 jobs ran on another host in B" in comparison_text(compare(old, new))


def test_foreign_text_is_cleaned() -> None:
    name = "a\x1b[31m\nb"
    text = comparison_text(compare(night(1, [one_job(1, name)]), night(2, [one_job(2, name, F)])))
    assert "\x1b" not in text
    assert "  a b  boot" in text


def test_the_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, status in ((1, P), (2, F)):
        place = tmp_path / "reports" / "runs" / f"f{number}"
        place.mkdir(parents=True)
        (place / "results.json").write_text(to_json(night(number, [one_job(number, "a", status)])))
    assert main(["compare", "f1", "f2"]) == 0
    assert "Passes in A, fails in B:\n  a  boot" in capsys.readouterr().out
    assert main(["compare", "f1", "reports/runs/f2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["change"] == "broke"
    assert main(["compare", "f1", "f3"]) == 2
    assert "there is no flight 'f3' in reports/runs" in capsys.readouterr().err
    assert main(["compare", "f1"]) == 2


# -- as a page -------------------------------------------------------------------------------


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_page_that_needs_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = "<script>alert(1)</script>\x1b[2J\u202e"
    sides = [
        flight(
            number,
            [
                job(number, step(number, "boot", boot), name=f"j{at}")
                for at, boot in enumerate([P, F if number == 2 else P])
            ],
            hosts=(HostFacts(name="h", kind="ssh", xen_version=f"4.{number} {hostile}"),),
        )
        for number in (1, 2)
    ]
    for number, one in enumerate(sides, start=1):
        (directory := Path(f"reports/runs/f{number}")).mkdir(parents=True)
        (directory / "results.json").write_text(to_json(one))
    assert main(["compare", "f1", "f2", "--html", "out.html"]) == 0
    assert "Passes in A, fails in B:" in capsys.readouterr().out
    text = Path("out.html").read_text()
    page = Elements(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object"}
    assert not [attrs for _, attrs in page.tags if attrs.keys() & {"src", "style", "onclick"}]
    (policy,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv")]
    assert policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy, "or no browser uses it"
    assert "Passes in A, fails in B:" in page.words
    assert "4.1 <script>alert(1)</script>" in page.words
    assert not {"\x1b", "\u202e"} & set(text)
    assert main(["compare", "f1", "f2", "--html", "none/out.html"]) == 4
    assert "cannot write" in capsys.readouterr().err
