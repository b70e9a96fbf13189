"""Secrets are taken out of a step's report before any other plugin sees it."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from harness.secret import mask, mask_error


class Masking:
    """Registered in every process of a flight."""

    NAME = "xenflight-masking"

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Last of all wrappers, so next to pytest's own: Allure's attaches what a step printed."""
        if call.excinfo is not None:
            mask_error(call.excinfo.value)
        report = yield
        report.sections = [(title, mask(text)) for title, text in report.sections]
        shown = report.longreprtext
        if (masked := mask(shown)) != shown:
            report.longrepr = masked
        return report
