"""The pages as a whole: what they say, where their links lead, and that foreign text stays text."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from site_samples import (
    MUST_FAIL,
    NOW,
    PANIC,
    RUNS,
    SMOKE,
    TWO,
    Page,
    flight,
    job,
    recorded_site,
    step,
)
from test_site_blocks import HOSTILE

from harness.results.model import (
    AttemptResult,
    EvidenceResult,
    FlightResult,
    HostFacts,
    ImageFacts,
    PhaseResult,
)
from harness.results.recorder import to_json
from harness.site import paths
from harness.site.directories import DirectoryArchive
from harness.site.pages.kit import Output
from harness.site.render import CSP
from harness.site.site import Site
from harness.status import Status


def html_of(outputs: Iterator[Output]) -> dict[str, str]:
    return {
        path: body.decode()
        for path, body in outputs
        if isinstance(body, bytes) and path.endswith(".html")
    }


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    """All pages of the recorded flights."""
    found = html_of(recorded_site(evidence=True).outputs())
    return {path: Page(html) for path, html in found.items()}


def test_there_is_a_page_for_everything(pages: dict[str, Page]) -> None:
    panic = paths.JobPaths(MUST_FAIL, PANIC)
    again = paths.JobPaths(TWO, "boot-bookworm-amd64-pv-direct-a", 1)
    wanted = {
        paths.INDEX,
        paths.branch("must-fail"),
        paths.history("must-fail", PANIC),
        paths.host("box1"),
        paths.flight(MUST_FAIL),
        paths.flight(SMOKE),
        panic.page,
        panic.console,
        again.console,
    }
    assert wanted <= set(pages)


def test_every_page_is_well_formed_and_has_its_policy(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        assert not page.wrong, path
        assert not page.open, path
        assert len(page.ids) == len(set(page.ids)), path
        assert [tag for tag, _ in page.shape].count("h1") == 1, path
        assert not {"style", "iframe", "object", "base", "form"} & set(dict(page.shape)), path
        scripts = [attributes for tag, attributes in page.shape if tag == "script"]
        assert set(scripts) == {("defer", "src")}, path
        for _, attributes in page.shape:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert "unsafe" not in CSP
    assert CSP.startswith("default-src 'none';")


def test_every_link_leads_to_something_in_the_site(pages: dict[str, Page]) -> None:
    outputs = {path for path, _ in recorded_site(evidence=True).outputs()}
    for path, page in pages.items():
        for link in page.links:
            target, _, mark = link.partition("#")
            assert not re.match(r"[a-z]+:|/", target), f"{path}: {link} leads elsewhere"
            found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            found = found if target else path
            assert found in outputs, f"{path}: {link}"
            if mark and found in pages:
                assert mark in pages[found].ids, f"{path}: {link}"


def test_one_flight_alone_has_no_links_to_others() -> None:
    site = recorded_site(MUST_FAIL)
    outputs = {path for path, _ in site.outputs()}
    assert not [path for path in outputs if SMOKE in path]
    for path, html in html_of(site.outputs()).items():
        for link in Page(html).links:
            target = link.split("#")[0]
            found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            assert not target or found in outputs, f"{path}: {link}"


def test_each_file_is_found_by_its_path_and_is_the_same() -> None:
    site = recorded_site(evidence=True)
    for output in site.outputs():
        assert site.find(output.path) == output


@pytest.mark.parametrize(
    "path",
    [
        "",
        "nope.html",
        "../index.html",
        "static/../index.html",
        "static/",
        "flight/nope/index.html",
        f"flight/{SMOKE}",
        f"flight/{SMOKE}/../../index.html",
        f"flight/{SMOKE}/job/nope/index.html",
        f"flight/{SMOKE}/job/boot-bookworm-amd64-pv-direct/../../../../../../etc/passwd",
        "host/nope.html",
        "branch/nope/index.html",
    ],
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert recorded_site().find(path) is None


def test_the_first_screen_says_what_where_since_when_and_how_again(pages: dict[str, Page]) -> None:
    text = pages[paths.flight(MUST_FAIL)].text
    first = text[: text.index("What changed")] if "What changed" in text else text
    assert "guest-boot: kernel-panic" in first
    assert f"{PANIC} on box1 , in phase initramfs" in first
    assert "First run : nothing is known of earlier ones." in first
    assert "Kernel panic - not syncing: Attempted to kill init!" in first
    assert f"./xenflight run must-fail --only {PANIC} --host box1 --keep on-failure" in first
    links = pages[paths.flight(MUST_FAIL)].links
    assert any(link.endswith(f"{PANIC}/console.html#phase-guest-boot-initramfs") for link in links)


def test_a_job_s_page_tells_all_that_is_known(pages: dict[str, Page]) -> None:
    text = pages[paths.JobPaths(MUST_FAIL, PANIC).page].text
    assert "kernel_args init=/bin/false definition" in text
    assert "mac 00:16:3e:07:e7:5d execution" in text
    assert "Xen 4.17.7" in text
    assert "13 of 13 things brought something." in text
    assert "xl dmesg" in text
    assert 'name = "xf.' in text, "its xl.cfg"
    assert "image 18.1 s" in text, "where the time went"
    assert f"./xenflight repro {MUST_FAIL} {PANIC}" in text


def test_both_attempts_are_shown(pages: dict[str, Page]) -> None:
    text = pages[paths.JobPaths(TWO, "boot-bookworm-amd64-pv-direct-a").page].text
    assert "tried 2 times" in text
    assert "Attempt 1 ! broken" in text
    assert "lost the SSH connection to box1" in text


def test_evidence_is_left_out_unless_it_is_asked_for() -> None:
    name = paths.JobPaths(MUST_FAIL, PANIC).file("evidence/xl-info.txt")
    assert name in {path for path, _ in recorded_site(MUST_FAIL, evidence=True).outputs()}
    site = recorded_site(MUST_FAIL)
    assert not [path for path, _ in site.outputs() if "evidence" in path]
    page = site.find(paths.JobPaths(MUST_FAIL, PANIC).page)
    assert page
    assert isinstance(page.body, bytes)
    assert b"would put them in" in page.body


def foreign(text: str) -> FlightResult:
    """A flight in which everything that can be is called *text*."""
    evidence = EvidenceResult(index=f"jobs/{text}/evidence/index.json", asked=1, note=text)
    phases = (PhaseResult(name=text, started=0.0, duration=1.0, status=Status.FAIL),)
    bad = step(
        1,
        text,
        Status.FAIL,
        reason=text,
        failure_class=text,
        phase=text,
        phases=phases,
        evidence=f"{text}\n{text}x",
        facts={text: text},
    )
    attempt = AttemptResult(
        status=Status.BROKEN, reason=text, steps=(bad,), host=text, started=bad.started, duration=9
    )
    one = job(
        1,
        bad,
        name=text,
        suite=text,
        dist=text,
        arch=text,
        virt=text,
        boot=text,
        host=text,
        reason=text,
        runvars={text: text},
        waits={text: 3.0},
        console_log=f"jobs/{text}/console.log",
        evidence=evidence,
        attempts=(attempt,),
    )
    skipped = job(1, step(1, "s", Status.SKIP, reason=text), name=f"{text}2", reason=text)
    host = HostFacts(
        name=text,
        kind=text,
        xen_version=text,
        dom0_kernel=text,
        dom0_release=text,
        virt_caps=(text,),
        accel=text,
        unusable=text,
        extra={f"{text}3": text},
    )
    image = ImageFacts(
        key=text,
        dist=text,
        arch=text,
        builder=text,
        layout=text,
        kernel=text,
        source=text,
        reused=False,
        omitted=(text,),
        expired=(text,),
    )
    return flight(
        1,
        (one, skipped),
        flight_id=text,
        flight=text,
        hosts=(host,),
        images=(image,),
        revision=text,
        harness_version=text,
        command=text,
        problems=(text,),
    )


def site_of(result: FlightResult, folder: Path) -> Site:
    place = folder / "one"
    place.mkdir(parents=True, exist_ok=True)
    (place / "results.json").write_text(to_json(result))
    return Site(DirectoryArchive([place], now=NOW), [result.flight_id], made=NOW)


Shape = list[tuple[str, tuple[str, ...]]]


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> list[Shape]:
    """The tags of all pages when things have ordinary names."""
    return shapes(site_of(foreign("harmless"), tmp_path_factory.mktemp("harmless")))


def shapes(site: Site) -> list[Shape]:
    found = []
    for path, html in html_of(site.outputs()).items():
        page = Page(html)
        assert not page.wrong, path
        assert not page.open, path
        for link in page.links:
            assert not re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*:", link), link
        found.append(page.shape)
    return found


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=30)))
def test_foreign_text_never_becomes_markup(
    tmp_path: Path, harmless: list[Shape], text: str
) -> None:
    """Whatever things are called, pages have the same tags with the same attributes."""
    # Line ends and blanks make other lines, and nothing else.
    name = "h" + re.sub(r"\s", "_", text)
    assert shapes(site_of(foreign(name), tmp_path / "b")) == harmless


def test_paths_in_results_do_not_lead_out_of_the_flight(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "console.log").write_text("SECRET\n")
    (secret / "xl.cfg").write_text("SECRET\n")
    place = tmp_path / "runs" / "f1"
    (place / "jobs").mkdir(parents=True)
    (place / "jobs" / "link").symlink_to(secret)
    for path in ("../../secret/console.log", str(secret / "console.log"), "jobs/link/console.log"):
        one = job(1, step(1, "s", Status.FAIL, reason="x"), console_log=path)
        (place / "results.json").write_text(to_json(flight(1, (one,))))
        site = Site(DirectoryArchive([place], now=NOW), ["f1"], made=NOW, evidence=True)
        for output in site.outputs():
            body = output.body if isinstance(output.body, bytes) else output.body.read_bytes()
            assert b"SECRET" not in body, output.path


def test_evidence_that_is_no_text_or_leads_elsewhere_is_not_copied(tmp_path: Path) -> None:
    folder = tmp_path / "f1" / "jobs" / "j" / "evidence"
    folder.mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("SECRET")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    names = ["ok.txt", "core.gz", "page.html", "link.txt", "../evidence/ok.txt", "a b.txt", ""]
    for name in ("ok.txt", "core.gz", "page.html"):
        (folder / name).write_text("content")
    items = [
        {"file": name, "asked": "x", "outcome": "done", "exit_status": 0, "bytes": 7}
        for name in names
    ]
    index = {
        "job": "j",
        "testid": "s",
        "status": "fail",
        "domain": "d",
        "since": 1,
        "taken": "2026-01-01T00:00:00Z",
        "seconds": 1.0,
        "items": items,
    }
    (folder / "index.json").write_text(json.dumps(index))
    evidence = EvidenceResult(index="jobs/j/evidence/index.json", asked=7, had=7)
    bad = step(1, "s", Status.FAIL, reason="x")
    one = job(1, bad, evidence=evidence, console_log="jobs/j/console.log")
    (tmp_path / "f1" / "results.json").write_text(to_json(flight(1, (one,))))
    site = Site(DirectoryArchive([tmp_path / "f1"], now=NOW), ["f1"], made=NOW, evidence=True)
    copied = [path for path, _ in site.outputs() if "/evidence/" in path]
    assert copied == [paths.JobPaths("f1", "j").file("evidence/ok.txt")]


@given(st.text())
def test_a_part_of_a_path_is_one_safe_name(text: str) -> None:
    found = paths.part(text)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]*", found)
    assert len(found) <= 130
    assert found == paths.part(text)


def test_the_recorded_flights_are_there() -> None:
    assert {path.name for path in RUNS.iterdir() if path.is_dir()} == {MUST_FAIL, SMOKE, TWO}
