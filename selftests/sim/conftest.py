"""Simulated hosts for each test, and a cache of its own."""

from __future__ import annotations

import importlib

import pytest

from sim.project import ROOT, SimProject

# What a session within this one imports it forgets again: each of a hundred would import them anew.
for module in (
    *("flight.build", "plugin.masking", "plugin.session", "plugin.steps", "plugin.workers"),
    *("report.live", "results.provenance"),
):
    importlib.import_module(f"harness.{module}")
importlib.import_module("xdist.workermanage")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> SimProject:
    """A project folder with a simulated host."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    # Processes apart from this one import harness from where this one does.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # This session's xdist is none of the inner one's business.
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    return SimProject(pytester)
