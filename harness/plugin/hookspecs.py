"""Our own hooks: how tests bring a fake lab, and how `xenflight run` brings its live view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.job.lab import Lab
    from harness.plugin.view import View


@pytest.hookspec(firstresult=True)
def pytest_xenflight_lab(config: pytest.Config) -> Lab | None:
    """Where the flight's guests live; asked once in every process. The real lab by default."""


@pytest.hookspec(firstresult=True)
def pytest_xenflight_view(config: pytest.Config, steps: Mapping[str, Sequence[str]]) -> View | None:
    """What the operator sees; *steps* are the testids of each job. pytest's own by default."""
