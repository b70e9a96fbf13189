"""How the address of a PCI device is written."""

from __future__ import annotations

import re

PCI_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
"""With its domain, as Linux and xl write it: ``0000:03:00.0``. For a full match only."""
EXAMPLE = "0000:03:00.0"
