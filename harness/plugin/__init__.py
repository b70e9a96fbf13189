"""The pytest plugin: jobs become parameters, suites' test functions become steps.

It does nothing at all unless a flight is given, so it may be installed beside other
projects' tests. Given one, `hooks` registers what every process of a flight needs (`steps`)
and what only its controller does (`session`).
"""

from harness.plugin.fixtures import guest, host, rounds
from harness.plugin.hooks import (
    pytest_addhooks,
    pytest_addoption,
    pytest_configure,
    pytest_generate_tests,
    pytest_unconfigure,
    pytest_xdist_auto_num_workers,
)

__all__ = [
    "guest",
    "host",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_unconfigure",
    "pytest_xdist_auto_num_workers",
    "rounds",
]
