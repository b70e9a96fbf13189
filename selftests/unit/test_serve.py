"""Pages while flights run, on a real server on the loopback; and whose requests are refused."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_samples import PV, Flight, planned
from serving import Served
from site_samples import MUST_FAIL, PANIC, RUNS, SMOKE, Page

from harness.cli import main
from harness.console.fake import VirtualClock
from harness.errors import UsageError
from harness.serve.fresh import Consoles, FreshSite
from harness.serve.guard import Guard
from harness.serve.looks import look_at_directories
from harness.serve.run import listen, url_of
from harness.site import paths
from harness.site.pages.kit import Output
from harness.status import Status


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Of the recorded flights."""
    runs = tmp_path_factory.mktemp("served") / "runs"
    shutil.copytree(RUNS, runs)
    found = Served(runs)
    yield found
    found.close()


def test_pages_are_those_of_the_report(served: Served) -> None:
    answer, body = served.ask("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert MUST_FAIL in Page(body.decode()).text
    answer, body = served.ask(f"/flight/{MUST_FAIL}/")
    assert "guest-boot: kernel-panic" in Page(body.decode()).text
    answer, body = served.ask(f"/{paths.JobPaths(MUST_FAIL, PANIC).console}")
    assert "Kernel panic" in body.decode()
    assert answer.status == 200


def test_each_answer_says_what_a_browser_may_not_do(served: Served) -> None:
    for path in ("/", "/static/site.js", "/nope", f"/{paths.JobPaths(MUST_FAIL, PANIC).page}"):
        answer, _ = served.ask(path)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in answer.headers


def test_a_guest_s_bytes_are_plain_text_whatever_they_look_like(served: Served) -> None:
    folder = served.runs / MUST_FAIL / "jobs" / PANIC
    (folder / "console.log").write_bytes(b"<html><script>alert(1)</script>")
    answer, body = served.ask(f"/{paths.JobPaths(MUST_FAIL, PANIC).file('console.log')}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert body.startswith(b"<html>")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/../../../../etc/passwd",
        "/static/../../pyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        f"/flight/{SMOKE}/%2e%2e/%2e%2e/results.json",
        "//etc/passwd",
        "/flight",
        f"/flight/{SMOKE}/results.json",
    ],
)
def test_nothing_but_the_site_is_served(served: Served, path: str) -> None:
    answer, body = served.ask(path)
    assert answer.status == 404
    assert body == b"there is no such page\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_can_only_be_looked_at(served: Served, method: str) -> None:
    answer, _ = served.ask("/", method=method)
    assert answer.status == 405


def test_a_name_that_is_not_ours_is_refused(served: Served) -> None:
    answer, body = served.ask("/", Host="evil.example")
    assert answer.status == 421
    assert b"'evil.example'; open it by its address" in body
    answer, _ = served.ask("/", Host=f"localhost:{served.port}")
    assert answer.status == 200


def test_a_page_of_another_site_gets_no_part_of_a_console(served: Served) -> None:
    console = f"/{paths.JobPaths(MUST_FAIL, PANIC).console}"
    answer, _ = served.ask(console, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")
    assert answer.status == 421
    answer, _ = served.ask(console, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert answer.status == 200, "a link that somebody follows"


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LOCALHOST.:80", True),
        ("127.0.0.1:8642", True),
        ("[::1]:8642", True),
        ("192.0.2.7", True),
        ("ci.example", True),
        ("ci.example:80", True),
        ("", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("evil.example#localhost", False),
        ("[::1", False),
        ("[evil.example]", False),
        ("localhost:port", False),
        ("1", False),
        ("0x7f.1", False),
    ],
)
def test_names(host: str, ours: bool) -> None:
    assert (Guard(["CI.example"]).refusal({"host": host}) == "") is ours


@given(st.text(max_size=40))
def test_only_addresses_and_our_names_pass(host: str) -> None:
    if not Guard().refusal({"host": host}):
        bare = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        assert bare.lower().rstrip(".") == "localhost" or any(c.isdigit() for c in bare)


# -- flights that run ----------------------------------------------------------------------


def test_a_flight_that_runs_says_how_far_it_is_and_renews_itself(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "runs" / "live-1", planned(PV))
    flight.clock.time = datetime.now(UTC)
    flight.step(PV, "guest-create")
    flight.recorder.step_started(PV, "guest-boot")
    clock = VirtualClock()
    site = FreshSite(look_at_directories(tmp_path / "runs"), clock=clock)

    def page() -> tuple[str, str]:
        clock.now += 2
        found = site.get().find(paths.flight("live-1"))
        assert found
        assert isinstance(found.body, bytes)
        return found.body.decode(), Page(found.body.decode()).text

    html, text = page()
    assert 'data-live="5"' in html
    assert "live-1 ▸ running" in text
    assert "1 not over of 1 job" in text
    assert "1 of 7 steps, 0 of 1 jobs are over" in text
    assert f"{PV} : guest-boot since" in text
    assert "What did not pass" not in text, "what has not ended is no failure"

    flight.step(PV, "guest-boot", Status.FAIL, reason="it did not boot")
    _, text = page()
    assert "7 of 7 steps" in text, "those after it will not run"
    assert "it did not boot" in text, "what failed is told of at once"

    flight.recorder.job_ended(PV)
    flight.recorder.finish()
    html, text = page()
    assert "data-live" not in html
    assert "live-1 ✕ fail" in text


def test_pages_of_one_moment_come_out_of_one_look(tmp_path: Path) -> None:
    clock = VirtualClock()
    site = FreshSite(look_at_directories(tmp_path), clock=clock)
    first = site.get()
    assert site.get() is first
    clock.now += 2
    assert site.get() is not first


def test_a_console_is_made_once_and_a_few_are_kept() -> None:
    made: list[object] = []
    consoles = Consoles()

    def get(key: str) -> None:
        def make() -> Iterator[Output]:
            made.append(key)
            yield Output(key, b"")

        assert consoles.get(key, make) == (Output(key, b""),)

    for key in ("a", "a", "b", "a", "c", "d", "e", "a", "b"):
        get(key)
    assert made == ["a", "b", "c", "d", "e", "b"], "the one that nobody asked for longest went"


def test_a_flight_that_goes_away_is_no_error_of_ours(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(RUNS, runs)
    served = Served(runs)
    try:
        assert served.ask(f"/flight/{SMOKE}/index.html")[0].status == 200
        (runs / SMOKE / "results.json").unlink()
        assert served.ask(f"/flight/{SMOKE}/index.html")[0].status in (404, 503)
    finally:
        served.close()


# -- listening -----------------------------------------------------------------------------


def test_a_port_that_is_taken_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="cannot listen on"):
            listen("127.0.0.1", port)
        assert main(["serve", "--port", str(port)]) == 2
    assert "Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["192.0.2.1", "nowhere.example", "localhost", ""])
def test_an_address_that_is_none_of_ours_is_told_of(address: str) -> None:
    with pytest.raises(UsageError, match="name an address of this machine"):
        listen(address, 0).close()


def test_the_address_to_open() -> None:
    with listen("127.0.0.1", 0) as found:
        assert url_of(found) == f"http://127.0.0.1:{found.getsockname()[1]}/"
    if socket.has_ipv6:
        with listen("::1", 0) as found:
            assert url_of(found).startswith("http://[::1]:")


def test_a_directory_that_is_not_there_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", "--runs", str(tmp_path / "rnus")]) == 2
    assert f"--runs: there is no directory {tmp_path / 'rnus'}" in capsys.readouterr().err
