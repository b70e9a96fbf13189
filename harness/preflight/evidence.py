"""What preflight promises, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.flight.axes import Boot, Virt


class Outcome(StrEnum):
    """Whether the guest will reach the login prompt on its console."""

    WILL = "will"
    WILL_NOT = "will not"
    UNKNOWN = "unknown"


class Weight(StrEnum):
    """What one finding means for the boot."""

    GOOD = "good"
    NOTE = "note"
    """It boots; but something that a suite needs is not there."""
    DOUBT = "doubt"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One finding: what was seen, and where the rule comes from that gives it its weight."""

    weight: Weight
    text: str
    rule: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What will become of one way to boot the image."""

    virt: Virt
    boot: Boot
    outcome: Outcome
    reasons: tuple[Evidence, ...]
    """All findings, the weightiest first."""

    @property
    def reason(self) -> str:
        """The finding that decides, in one line."""
        decisive = {Outcome.WILL_NOT: Weight.BAD, Outcome.UNKNOWN: Weight.DOUBT}
        weight = decisive.get(self.outcome)
        texts = [one.text for one in self.reasons if one.weight is weight]
        if self.outcome is Outcome.WILL:
            texts = [one.text for one in self.reasons if one.weight is Weight.NOTE]
        return texts[0] if texts else ""


_ORDER = (Weight.BAD, Weight.DOUBT, Weight.NOTE, Weight.GOOD)


def judge(virt: Virt, boot: Boot, found: Iterable[Evidence]) -> Prediction:
    """One thing that is bad is enough; a doubt leaves it open; nothing found at all does, too."""
    reasons = sorted(found, key=lambda one: _ORDER.index(one.weight))
    weights = {one.weight for one in reasons}
    if Weight.BAD in weights:
        outcome = Outcome.WILL_NOT
    elif Weight.DOUBT in weights or Weight.GOOD not in weights:
        outcome = Outcome.UNKNOWN
    else:
        outcome = Outcome.WILL
    return Prediction(virt=virt, boot=boot, outcome=outcome, reasons=tuple(reasons))


def good(text: str) -> Evidence:
    """Something that is as it should be."""
    return Evidence(weight=Weight.GOOD, text=text)


def note(text: str) -> Evidence:
    """Something to know, which does not decide."""
    return Evidence(weight=Weight.NOTE, text=text)


def doubt(text: str) -> Evidence:
    """Something that could not be found out, or whose effect is not known."""
    return Evidence(weight=Weight.DOUBT, text=text)


def bad(text: str) -> Evidence:
    """Something with which it cannot boot."""
    return Evidence(weight=Weight.BAD, text=text)
