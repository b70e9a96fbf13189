from __future__ import annotations

from pathlib import Path

import pytest

from harness.bench import console
from harness.errors import LabError

LOG = Path(__file__).parent.parent / "data" / "console" / "recorded-bookworm-pv-pass.log"


def test_what_is_judged_is_the_text_again_and_again() -> None:
    for text in (b"abc", LOG.read_bytes() * 3):
        size = 3 * console.READ + 5
        whole = b"".join(console._reads(text, size))
        assert len(whole) == size
        assert whole == (text * (size // len(text) + 1))[:size]


def test_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "SIZE", 1 << 18)
    found = console.measure_console(LOG.read_bytes())
    assert (found.unit, found.goal) == ("MB/s", 20)
    assert found.value > 0


def test_the_consoles_of_a_flight(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no console was recorded"):
        console.consoles(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "jobs" / name).mkdir(parents=True)
        (tmp_path / "jobs" / name / "console.log").write_text(name)
    assert console.consoles(tmp_path) == b"ab"
