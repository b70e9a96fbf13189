"""The pages in a browser: from a file, on a phone, in the dark, by keyboard, and under attack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page
from serving import Served
from site_samples import MUST_FAIL, NOW, PANIC, SMOKE, flight, job, step

from browser.faults import Faults
from harness.results.events import FlightHeader, PlannedJob
from harness.results.recorder import FlightRecorder, to_json
from harness.site import paths
from harness.site.console.blocks import IN_PAGE, LINES
from harness.site.directories import DirectoryArchive
from harness.site.site import Site
from harness.site.write import write_site
from harness.status import Status

PHONE, DESK = 390, 1280
CONSOLE = paths.JobPaths(MUST_FAIL, PANIC).console
SMOKE_CONSOLE = paths.JobPaths(SMOKE, "boot-bookworm-amd64-pv-direct").console
PAGES = {
    "index": paths.INDEX,
    "flight": paths.flight(MUST_FAIL),
    "job": paths.JobPaths(MUST_FAIL, PANIC).page,
    "console": CONSOLE,
    "branch": paths.branch("must-fail"),
    "history": paths.history("must-fail", PANIC),
    "host": paths.host("box1"),
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": DESK, "height": 900})
    yield context.new_page()
    context.close()


def until(page: Page, script: str) -> None:
    """The site's policy forbids the browser to make code of a text, which playwright's own way of
    waiting would do."""
    for _ in range(200):
        if page.evaluate(script):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {script}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_page_fits_and_complains_of_nothing(
    browser: Browser, site: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    faults = Faults(page, site.as_uri())
    for name, path in PAGES.items():
        page.goto((site / path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(13, 17, 23)"), name
    assert not faults.said
    assert not faults.asked
    context.close()


def test_the_first_screen_of_a_failed_flight_is_enough(page: Page, site: Path) -> None:
    page.goto((site / PAGES["flight"]).as_uri())
    for text in ("guest-boot: kernel-panic", "First run", "Kernel panic - not syncing"):
        assert page.get_by_text(text).first.is_visible()
    command = page.get_by_text("./xenflight run must-fail --only").first
    box = command.bounding_box()
    assert box
    assert box["y"] < 900, "what to do next is not below the fold"


def test_a_step_leads_to_its_second_on_the_console(page: Page, site: Path) -> None:
    page.goto((site / PAGES["job"]).as_uri())
    page.get_by_role("link", name="initramfs").first.click()
    mark = page.locator("#phase-guest-boot-initramfs")
    box = mark.bounding_box()
    assert box
    assert 0 <= box["y"] < 400
    following = mark.locator("xpath=following-sibling::p[1]")
    assert float(following.get_attribute("data-t") or 0) == pytest.approx(7.1, abs=0.6)


def test_by_keyboard_alone(page: Page, site: Path) -> None:
    page.goto((site / PAGES["flight"]).as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("n")
    assert page.evaluate("document.querySelector('.here').id") == "kind-1"
    page.keyboard.press("n")
    assert page.evaluate("document.querySelector('.here').id") == "kind-2"
    page.keyboard.press("p")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "/job/" in page.url
    assert page.locator("h1").inner_text().startswith("boot-bookworm")


def test_searching_the_console(page: Page, site: Path) -> None:
    page.goto((site / SMOKE_CONSOLE).as_uri())
    page.keyboard.press("/")
    page.keyboard.type("xvda1")
    until(page, "document.getElementById('found').textContent.startsWith('1 of ')")
    hits = page.evaluate("document.querySelectorAll('.hit').length")
    assert page.inner_text("#found") == f"1 of {hits}"
    page.keyboard.press("Enter")
    assert page.inner_text("#found") == f"2 of {hits}"
    assert "xvda1" in page.locator(".current").inner_text()
    page.keyboard.press("Escape")
    until(page, "document.querySelectorAll('.hit').length === 0")


def test_colours_times_and_wrapping_can_be_turned_off(page: Page, site: Path) -> None:
    page.goto((site / SMOKE_CONSOLE).as_uri())
    ok = "document.querySelector('.console .f2')"
    green = page.evaluate(f"getComputedStyle({ok}).color")
    page.click("#colours")
    assert page.evaluate(f"getComputedStyle({ok}).color") != green
    page.click("#times")
    assert page.get_attribute("#times", "aria-pressed") == "false"
    page.click("#wrap")
    assert page.evaluate("getComputedStyle(document.querySelector('#L1')).whiteSpace") == "pre-wrap"


def test_a_short_console_needs_no_javascript(browser: Browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / CONSOLE).as_uri() + "#phase-guest-boot-initramfs")
    assert page.get_by_text("Kernel panic - not syncing").first.is_visible()
    context.close()


def recorded(folder: Path, events: list[list[object]], name: str = "j") -> Path:
    """The site of a flight with one failed job, whose console these *events* are."""
    place = folder / "runs" / "f1"
    console = place / "jobs" / "j"
    console.mkdir(parents=True)
    head = {"version": 2, "width": 80, "height": 24, "timestamp": 0, "title": name}
    lines = [json.dumps(one) for one in (head, *events)]
    (console / "console.cast").write_text("\n".join(lines) + "\n")
    bad = step(1, "guest-boot", Status.FAIL, reason=name, evidence=name, failure_class=name)
    one = job(1, bad, name=name, console_log="jobs/j/console.log", host=name)
    result = flight(1, (one,), problems=(name,), command=name)
    (place / "results.json").write_text(to_json(result))
    archive = DirectoryArchive([place], now=NOW)
    write_site(Site(archive, ["f1"], made=NOW), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def long_console(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of which most is not in the page itself."""
    many = LINES * (IN_PAGE + 30)
    events: list[list[object]] = [
        [number / 10, "o", f"\x1b[32mline\x1b[0m {number}{' needle' * (number % 5000 == 0)}\r\n"]
        for number in range(1, many + 1)
    ]
    return recorded(tmp_path_factory.mktemp("long"), events)


def test_a_long_console_is_loaded_where_it_is_looked_at(page: Page, long_console: Path) -> None:
    faults = Faults(page, long_console.as_uri())
    url = (long_console / paths.JobPaths("f1", "j").console).as_uri()
    page.goto(url + "#L30000")
    until(page, "!!document.getElementById('L30000')")
    until(page, "Math.abs(document.getElementById('L30000').getBoundingClientRect().top) < 400")
    assert page.locator("#L30000").inner_text() == "line 30000 needle"
    assert page.evaluate("document.querySelectorAll('.console p').length") < 20_000
    page.goto(url + "#t=2500.05")
    until(page, "document.querySelector('.target')?.textContent === 'line 25001'")
    page.fill("#find", "needle")
    many = LINES * (IN_PAGE + 30) // 5000
    until(page, f"document.getElementById('found').textContent === '1 of {many}'")
    page.press("#find", "Shift+Enter")
    until(page, "document.querySelector('.current')?.id === 'L30000'")
    assert page.evaluate("!!document.querySelector('#L30000 .f2')"), "its colours, too"
    assert not faults.said


ATTACKS = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "</p></div><iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    "<style>body{display:none}</style><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/><form action=//evil.example><input autofocus>",
    "javascript:document.title='owned'",
    "]);document.title='owned';xenflightBlock(0,[",
    "\u2028document.title='owned'//",
    "\x1b]8;;javascript:document.title='owned'\x07click\x1b]8;;\x07",
    "\x1b[31m</script><script>document.title='owned'</script>",
    "{{constructor.constructor('document.title=1')()}}",
]


def test_a_hostile_guest_gets_nothing_to_run(page: Page, tmp_path: Path) -> None:
    """In the page, in what is loaded later, and in every name; nothing is asked elsewhere."""
    lines = [f"{ATTACKS[n % len(ATTACKS)]}\r\n" for n in range(LINES * (IN_PAGE + 2))]
    events: list[list[object]] = [[n / 1000, "o", line] for n, line in enumerate(lines)]
    hostile = "".join(ATTACKS[:6]).replace("\n", "")
    site = recorded(tmp_path, events, name=hostile)
    faults = Faults(page, site.as_uri())
    for file in sorted(site.rglob("*.html")):
        page.goto(file.as_uri())
        assert page.title() not in ("owned", "1"), file
        assert (
            page.evaluate("document.querySelectorAll('iframe, img, form, base, style').length") == 0
        )
        assert page.evaluate("document.querySelectorAll('script:not([src])').length") == 0
    console = next(site.rglob("console.html"))
    page.goto(console.as_uri() + f"#L{LINES * (IN_PAGE + 1) + 10}")
    until(page, f"!!document.getElementById('L{LINES * (IN_PAGE + 1) + 10}')")
    page.fill("#find", "owned")
    until(page, "document.getElementById('found').textContent.includes(' of ')")
    assert page.evaluate("document.title").startswith("Console of ")
    assert page.evaluate("document.querySelectorAll('iframe, img, form, base, style').length") == 0
    assert not faults.said, "not even a complaint of the policy: nothing got so far"
    assert not faults.asked


def test_the_page_of_a_flight_that_runs_renews_itself(page: Page, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    plan = PlannedJob(
        name="j", suite="boot", dist="sid", arch="amd64", virt="pv", boot="direct", steps=("a", "b")
    )
    header = FlightHeader(
        flight_id="f1",
        flight="night",
        started=datetime.now(UTC),
        harness_version="0.1.0",
        command="./xenflight run night",
        jobs=(plan,),
    )
    recorder = FlightRecorder(runs / "f1", header)
    recorder.step_started("j", "a")
    served = Served(runs)
    try:
        faults = Faults(page, f"http://127.0.0.1:{served.port}/")
        page.goto(f"http://127.0.0.1:{served.port}/flight/f1/")
        assert "0 of 2 steps" in page.inner_text("main")
        assert page.locator("#pause").is_visible()
        recorder.step_finished("j", step(1, "a"))
        recorder.step_finished("j", step(1, "b", Status.FAIL, reason="it broke down"))
        recorder.job_ended("j")
        recorder.finish()
        until(page, "document.querySelector('main').innerText.includes('it broke down')")
        assert not page.locator("#pause").is_visible(), "it is over"
        assert page.title() == "fail: f1"
        assert page.locator(".copy").is_visible(), "what is new works, too"
        assert not faults.said
        assert not faults.asked
    finally:
        served.close()
