"""A real Xen host for tests: the testbox of one test session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.flight.find import HOSTS_FILE
from harness.flight.inventory import load_hosts
from harness.flight.model import TestboxSpec
from harness.remote.ssh import SshRunner
from harness.testbox.machine import Testbox

BOX = "XENFLIGHT_SELFTEST_BOX"
"""The environment variable in which xdist's workers find the name of the session's testbox."""
PREFIX = "selftest-"
"""Of such names; the process id of the session follows."""


@dataclass(frozen=True, kw_only=True)
class RealHost:
    """A running testbox and a connection to its dom0."""

    testbox: Testbox
    runner: SshRunner


def default_spec() -> TestboxSpec:
    """That of the project's default testbox, so that its warm snapshot is shared."""
    spec = load_hosts(Path(__file__).parent.parent / "flights" / HOSTS_FILE).get().testbox
    assert spec, "the default host is no testbox"
    return spec
