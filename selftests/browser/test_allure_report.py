"""Allure's own program makes a report of our results, and that report shows them.

The program comes from npm, once, into the cache; where that can't be, this is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from site_samples import MUST_FAIL, PANIC, RUNS

from harness.cache import cache_root
from harness.report.allure.write import write_allure
from harness.results.load import load_results
from harness.results.model import AttemptResult
from harness.status import Status

PINNED = "allure@3.18.0"
PATIENCE = 240
HOSTILE = "<img src=x onerror='window.owned=1'> [the lab's fault]"


@pytest.fixture(scope="module")
def allure() -> Path:
    """The program."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("there is no Node.js here, which Allure's program runs in")
    home = cache_root() / "selftests" / PINNED.replace("@", "-")
    program = home / "node_modules" / ".bin" / "allure"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        words = [npm, "install", "--no-fund", "--no-audit", "--prefix", str(home), PINNED]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not bring {PINNED} within {PATIENCE} s")
        if done.returncode:
            pytest.skip(f"npm has no {PINNED}: {done.stderr.strip()[-300:]}")
    return program


@pytest.fixture(scope="module")
def report(allure: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a recorded flight whose guests fail, with a job that was tried twice."""
    home = tmp_path_factory.mktemp("allure")
    flight = load_results(RUNS / MUST_FAIL)
    last = next(job for job in flight.jobs if job.name == PANIC)
    steps = (last.steps[0].model_copy(update={"status": Status.BROKEN, "reason": HOSTILE}),)
    first = AttemptResult(status=Status.BROKEN, steps=steps, started=flight.started)
    tried = last.model_copy(update={"attempts": (first,)})
    jobs = tuple(tried if job.name == PANIC else job for job in flight.jobs)
    results = home / "results"
    write_allure(flight.model_copy(update={"jobs": jobs}), results, files=RUNS / MUST_FAIL)
    words = [str(allure), "awesome", "-o", str(home / "report"), str(results)]
    done = subprocess.run(
        words,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "report"


@pytest.fixture
def address(report: Path) -> Iterator[str]:
    """Where that is served. As a single file it would need no server, but its program then begins
    now and then before its data is there, and shows nothing (Allure 3.18)."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(report))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.html"
        finally:
            server.shutdown()
            thread.join()


def test_it_counts_as_we_do(report: Path) -> None:
    flight = load_results(RUNS / MUST_FAIL)
    steps = [step.status for job in flight.jobs for step in job.steps]
    steps += [Status.BROKEN] * len(flight.problems)
    steps += [flight.leak_check.status] if flight.leak_check else []
    given = json.loads((report / "summary.json").read_text())["stats"]
    skipped = sum(status in (Status.BLOCKED, Status.STARVED, Status.SKIP) for status in steps)
    assert given["total"] == len(steps), "an attempt that was not the last counts for nothing"
    assert given["failed"] == steps.count(Status.FAIL)
    assert given["passed"] == steps.count(Status.PASS)
    assert given.get("skipped", 0) == skipped
    assert given["retries"] == 1


def test_a_failure_is_shown_with_its_phases_and_files(address: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(address)
    page.get_by_text(f"guest-boot[{PANIC}]").first.click()
    body = page.locator("body")
    expect(body).to_contain_text("fail: boot of", timeout=60_000)
    expect(body).to_contain_text("class kernel-panic")
    for word in ("initramfs", "console.log", "xl.cfg", "no-such-word"):
        shown = page.get_by_text(word, exact=True)
        assert (shown.count() > 0) is (word != "no-such-word"), word
    page.goto(address)
    page.get_by_text(f"guest-create[{PANIC}]").first.click()
    page.get_by_text("Retries").first.click()
    assert page.evaluate("window.owned") is None
    page.close()
