"""A host's health: what is written on the host, and what is read of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.fake import FakeHost
from harness.host.health import (
    EventKind,
    Health,
    HealthEvent,
    Verdict,
    note_health,
    read_health,
)
from harness.host.names import domain_name
from harness.host.slots import Claim
from harness.host.use import find_use

CANARY = HealthEvent(
    kind=EventKind.CANARY,
    by="ada@ctl",
    boot="b1",
    verdict=Verdict.PASS,
    seconds=70.2,
    flight="canary",
    job="boot-x",
    reason="it booted, answered and went",
)
AT = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def test_what_is_noted_is_read() -> None:
    fake = FakeHost()
    broken = HealthEvent(kind=EventKind.BROKEN, job="boot-y", reason="lost")
    for event in (CANARY, broken, HealthEvent(kind=EventKind.BROKEN, job="boot-z")):
        note_health(fake.runner, event)
    found = read_health(fake.runner)
    assert found.canary
    assert found.canary.at == AT, "by the host's clock"
    assert found.canary.to_json() == CANARY.to_json()
    assert found.broken
    assert found.broken.job == "boot-z", "the newest"
    assert found.power is None


def test_a_host_of_which_nothing_is_known() -> None:
    assert read_health(FakeHost().runner) == Health()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "1800000000",
        "1800000000 [1]",
        "1800000000 null",
        '1800000000 {"kind": "parade"}',
        '1800000000 {"kind": "canary", "verdict": "perhaps"}',
        '1800000000 {"kind": "canary", "seconds": "long"}',
        '99999999999999999999 {"kind": "canary"}',
        'soon {"kind": "canary"}',
    ],
)
def test_nonsense_is_passed_over(line: str) -> None:
    assert HealthEvent.parse(line) is None
    fake = FakeHost()
    note_health(fake.runner, CANARY)
    fake.history.append(line)
    assert read_health(fake.runner).canary is not None


@given(st.text())
def test_no_line_is_too_odd(line: str) -> None:
    HealthEvent.parse(line)


@given(st.text(), st.text())
def test_a_text_of_others_stays_one_short_printable_line(reason: str, job: str) -> None:
    text = HealthEvent(kind=EventKind.BROKEN, reason=reason * 1000, job=job).to_json()
    assert text.isascii()
    assert "\n" not in text
    assert len(text) < 10_000
    back = HealthEvent.parse(f"1800000000 {text}")
    assert back
    assert all(char.isprintable() for char in back.reason + back.job)


def test_colours_of_others_do_not_reach_a_terminal() -> None:
    text = json.dumps({"kind": "broken", "reason": "\x1b[31mred"})
    found = HealthEvent.parse(f"1800000000 {text}")
    assert found
    assert found.reason == "?[31mred"


def test_who_uses_a_host() -> None:
    fake = FakeHost(domains={"web1": 1, domain_name("mine-1", "boot-x"): 2, "(null)": 9})
    fake.domains |= {domain_name("other-1", "boot-x"): 3, "Xenstore": 4}
    fake.slots.held = {
        1: Claim(holder="ada@ctl", flight="mine-1", job="boot-x").to_json(),
        2: Claim(holder="bob@ci2", flight="other-1", job="boot-x").to_json(),
    }
    found = find_use(fake.host, "mine-1")
    assert found.boot == fake.boot
    slot, *domains = found.others
    assert slot.startswith("slot 2: bob@ci2, flight other-1")
    assert domains == ["domain web1", f"domain {domain_name('other-1', 'boot-x')}"]
