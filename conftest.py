"""Wiring only: makes a checkout work with plain ``pytest``, without being installed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["harness.plugin"]
