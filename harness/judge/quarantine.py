"""Quarantine: steps that are known to fail now and then, whose failures do not block for a while.

In after 2 failures of the last 10 runs, out after 25 passes: the policy of
openshift-virtualization-tests. Only *intermittent* failures count, those that went away by
themselves: the step passed with the very same revision too, or in the run just before and in the
one just after. Without that a regression would need to be seen twice only to excuse itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from harness.judge.history import VERDICTS, StepRun
from harness.judge.rules import QuarantineRule
from harness.status import Status


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """A step is in quarantine since the flight *since*, and passed *passes* times since it last
    failed; it leaves after *needed*."""

    since: str
    passes: int
    needed: int

    def __str__(self) -> str:
        return f"in quarantine since {self.since}, {self.passes} of {self.needed} passes to leave"


def quarantine(
    runs: Sequence[StepRun], rule: QuarantineRule, revision: Callable[[StepRun], Hashable]
) -> Quarantine | None:
    """What *runs*, the newest first, make of a step. None: it is not in quarantine.

    Nor is it when its last runs were all failures, `QuarantineRule.streak` of them: that is no
    longer now and then. *revision*: what two runs of the same revision have in common; a false
    value where it is not known.
    """
    old_first = [run for run in reversed(runs) if run.status in VERDICTS]
    flakes = _intermittent(old_first, revision)
    last: deque[bool] = deque(maxlen=rule.of)
    since: str | None = None
    passes = streak = 0
    for run, flaked in zip(old_first, flakes, strict=True):
        passed = run.status is Status.PASS
        streak = 0 if passed else streak + 1
        passes = passes + 1 if passed else 0
        last.append(flaked)
        if since is None and sum(last) >= rule.failures:
            since, passes = run.flight, 0
        elif since is not None and passes >= rule.passes:
            since = None
            last.clear()
    # The failure that is judged comes on top of these.
    if since is None or streak + 1 >= rule.streak:
        return None
    return Quarantine(since=since, passes=passes, needed=rule.passes)


def _intermittent(runs: Sequence[StepRun], revision: Callable[[StepRun], Hashable]) -> list[bool]:
    """Of each run, the oldest first, whether it failed and that went away by itself."""
    found = [False] * len(runs)
    passed = {revision(run) for run in runs if run.status is Status.PASS} - {None, frozenset()}
    failed = [run.status is Status.FAIL for run in runs]
    for at, run in enumerate(runs):
        if failed[at]:
            between = 0 < at < len(runs) - 1
            alone = between and not failed[at - 1] and not failed[at + 1]
            found[at] = alone or revision(run) in passed
    return found
