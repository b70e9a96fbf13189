"""What a plan comes to, in words and as a picture."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.cli.outlookview import outlook_lines
from harness.flight.build import build_plan
from harness.flight.expected import Expectation, Last
from harness.flight.plan import Plan
from harness.schedule.outlook import outlook
from harness.site.gantt import plan_gantt

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Six jobs on two hosts of two slots: one takes ten minutes, the others two."""
    whole = build_plan(str(ROOT / "flights" / "matrix.yaml"), hosts=["testbox,testbox-trixie"])
    jobs = tuple(job for job in whole.jobs if not job.skip)[:6]
    expected = {job.name: Expectation(usual=120, long=180, last=Last.PASSED) for job in jobs}
    expected[jobs[3].name] = Expectation(usual=600, long=900, last=Last.PASSED)
    expected[jobs[5].name] = Expectation(usual=120, long=180)
    hosts = tuple(replace(host, slots=2) for host in whole.hosts)
    return replace(whole, hosts=hosts, jobs=jobs, expected=expected)


def test_it_takes_as_long_as_its_longest_job(plan: Plan) -> None:
    found = outlook(plan, 4)
    assert (found.makespan, found.longest, found.bound) == (600, 900, 600)
    assert [bar.job for bar in found.critical] == [plan.jobs[3].name]
    assert found.evidence == (plan.jobs[5].name,)
    assert found.known == 5


def test_with_one_at_a_time_it_takes_all_together(plan: Plan) -> None:
    found = outlook(plan, 1)
    assert found.makespan == found.bound == 1200
    assert sum(host.jobs for host in found.hosts) == 6
    assert max(host.memory for host in found.hosts) == max(job.memory for job in plan.jobs)


def test_what_hosts_need_is_of_what_runs_at_once(plan: Plan) -> None:
    found = outlook(plan, 4)
    for host in found.hosts:
        mine = sorted(job.memory for job in plan.jobs)
        assert mine[0] <= host.memory <= sum(mine[-2:])
        assert host.disk >= min(job.disk for job in plan.jobs)
        assert 0 < host.busy <= 1


def test_it_is_told_in_a_few_lines(plan: Plan) -> None:
    text = "\n".join(outlook_lines(outlook(plan, 4), 4))
    assert "expected: 10 m 00 s with 4 jobs at once, 15 m 00 s if all goes slowly" in text
    assert "by the history of 5 of 6 jobs" in text
    assert f"critical path: {plan.jobs[3].name} (10 m 00 s)" in text
    assert "first of all: 1 that failed last time or never ran" in text
    assert list(outlook_lines(outlook(replace(plan, jobs=()), 1), 1)) == []


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str, name: str) -> list[str]:
        return [attrs[name] or "" for one, attrs in self.tags if one == tag and name in attrs]


def test_the_picture_needs_nothing_beside_it(plan: Plan) -> None:
    text = plan_gantt(plan, outlook(plan, 4)).decode()
    page = _Page(text)
    assert not page.all("link", "href")
    assert not page.all("script", "src")
    assert not page.all("img", "src")
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    assert any("width=device-width" in content for content in page.all("meta", "content"))


def test_each_job_has_a_bar_that_leads_to_its_line(plan: Plan) -> None:
    page = _Page(plan_gantt(plan, outlook(plan, 4)).decode())
    ids = set(page.all("tr", "id"))
    links = [link for link in page.all("a", "href") if link.startswith("#job-")]
    assert len(links) == len(ids) == 6
    assert {link[1:] for link in links} == ids
    labels = page.all("a", "aria-label")
    assert all(any(job.name in label for label in labels) for job in plan.jobs)
    classes = page.all("rect", "class")
    assert {"k-critical", "k-early", "k-step"} <= set(classes)


def test_names_are_no_markup(plan: Plan) -> None:
    evil = '<script>"alert&\x1b[31m'
    jobs = (replace(plan.jobs[0], name=evil), *plan.jobs[1:])
    text = plan_gantt(replace(plan, flight=evil, jobs=jobs), outlook(replace(plan, jobs=jobs), 2))
    assert "<script" not in text.decode()
    assert "\x1b" not in text.decode()
    assert re.search(r"&lt;script&gt;", text.decode())
