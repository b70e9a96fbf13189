"""Headless Chromium, Debian's, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from site_samples import recorded_site

from harness.site.write import write_site

CHROMIUM = "chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the tests of a module. Its event loop runs as long: no other test may see it."""
    program = shutil.which(CHROMIUM)
    assert program, f"there is no {CHROMIUM}; ./xenflight selftest installs it"
    with sync_playwright() as play:
        # A container's root can't have Chromium's sandbox; pages of ours need none.
        found = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the recorded flights."""
    out = tmp_path_factory.mktemp("browser") / "site"
    write_site(recorded_site(evidence=True), out)
    return out
