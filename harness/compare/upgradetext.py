"""The answer to "is this upgrade safe?" in words."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare.model import Outcome
from harness.compare.page import Verdict
from harness.compare.text import failure_words, times
from harness.compare.upgrade import Fate, JobFate, Safety, Upgrade
from harness.report.evidence import one_line
from harness.report.words import SIMULATED

_MOST = 60
"""Jobs of one fate that are named."""
TITLES = {
    Fate.WORSE: "Got worse:",
    Fate.UNKNOWN: "Can't be told:",
    Fate.BETTER: "Got better:",
    Fate.AS_BEFORE: "Fail as before:",
    Fate.ASIDE: "Have no before, so there is nothing to lose:",
    Fate.GOOD: "Pass on both:",
}
"""In the order of how much they matter."""


def upgrade_text(found: Upgrade, before: str, after: str) -> str:
    """All of it, as lines of plain text; *before* and *after* say what the sides are."""
    parts = [
        _head(found, before, after),
        *(_section(found, fate, title) for fate, title in TITLES.items()),
        times(found.comparison),
        [verdict_line(found, before, after), *_advice(found)],
        [SIMULATED] if found.simulated else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def verdict_line(found: Upgrade, before: str, after: str) -> str:
    """The answer in one line."""
    sides = f"{one_line(before)} -> {one_line(after)}"
    return f"{sides}: {str(found.safety).upper()}: {one_line(found.why)}"


def verdict_of(found: Upgrade, before: str, after: str) -> Verdict:
    """The same for a page: the answer, and what it rests on."""
    rows = [
        (title.rstrip(":"), job.job, "; ".join(filter(None, (job.why, *failures(job)))))
        for fate, title in TITLES.items()
        if fate is not Fate.GOOD
        for job in found.of(fate)
    ]
    answer = verdict_line(found, before, after)
    return Verdict(answer=f"{answer}. {SIMULATED}" if found.simulated else answer, rows=rows)


def _head(found: Upgrade, before: str, after: str) -> list[str]:
    compared = found.comparison
    lines = [f"before, A: {one_line(before)}  ({one_line(compared.a)})"]
    lines.append(f"after,  B: {one_line(after)}  ({one_line(compared.b)})")
    changes = [
        f"  {one_line(what)}: {one_line(a) or '-'} -> {one_line(b) or '-'}"
        for what, a, b in compared.changes
    ]
    same = ["  nothing that is known of is otherwise: the same Xen, kernels and images"]
    return lines + (changes or same)


def _section(found: Upgrade, fate: Fate, title: str) -> list[str]:
    jobs = found.of(fate)
    if not jobs:
        return []
    lines = [title]
    for job in jobs[:_MOST]:
        lines.append("  " + "  ".join(one_line(part) for part in (job.job, job.why) if part))
        lines += [f"    {one_line(text)}" for text in failures(job)]
    if len(jobs) > _MOST:
        lines.append(f"  and {len(jobs) - _MOST} more")
    return lines


def failures(job: JobFate) -> Iterator[str]:
    """What it said where it failed, each thing once."""
    for name, side in (("A", job.before), ("B", job.after)):
        for said in dict.fromkeys(map(_words, side)):
            if said:
                yield f"{name}: {said}"


def _words(outcome: Outcome) -> str:
    return failure_words(outcome) if outcome.step else ""


def _advice(found: Upgrade) -> list[str]:
    rounds = found.comparison.rounds
    match found.safety:
        case Safety.SAFE if rounds == 1:
            return ["Each job ran once on each side: --times 3 finds what fails now and then, too."]
        case Safety.NOT_SAFE if rounds == 1:
            return ["Each job ran once on each side: --times 3 shows whether that is so each time."]
        case Safety.UNKNOWN:
            return ["What was missing is above, with its reason. Nothing is concluded from it."]
        case _:
            return []
