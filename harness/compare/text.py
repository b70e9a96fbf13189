"""A comparison in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.compare.model import Change, Comparison, JobPair, Measure, Outcome
from harness.compare.statistics import FEWEST, LEVEL, smallest_p
from harness.report.evidence import one_line
from harness.units import human_seconds

_MOST = 60
"""Jobs of one kind that are named."""
_LONG = 100


def comparison_text(found: Comparison) -> str:
    """All of it, as lines of plain text. Foreign text in it is cleaned."""
    parts = [
        _head(found),
        *(_section(found, change, title) for change, title in TITLES.items()),
        odds(found),
        _only(found),
        times(found),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


TITLES = {
    Change.BROKE: "Passes in A, fails in B:",
    Change.MENDED: "Fails in A, passes in B:",
    Change.FAILS: "Fails in both:",
    Change.UNKNOWN: "Not comparable, because one side says nothing of the guest:",
}


def _head(found: Comparison) -> list[str]:
    lines = [f"A: {one_line(found.a)}", f"B: {one_line(found.b)}"]
    lines += [
        f"  {one_line(what)}: {one_line(a) or '-'} -> {one_line(b) or '-'}"
        for what, a, b in found.changes
    ]
    if not found.changes:
        lines.append("  nothing that is known of is otherwise: the same Xen, kernels and images")
    if found.other_hosts:
        lines.append(
            f"  {found.other_hosts} of {len(found.pairs)} jobs ran on another host in B; what"
            " differs between the hosts counts, too"
        )
    both = len(found.of(Change.PASSES))
    return [*lines, f"jobs in both: {len(found.pairs)}; that pass in both: {both}"]


def _section(found: Comparison, change: Change, title: str) -> list[str]:
    pairs = found.of(change)
    if not pairs:
        return []
    lines = [title, *(_job_line(pair) for pair in pairs[:_MOST])]
    if len(pairs) > _MOST:
        lines.append(f"  and {len(pairs) - _MOST} more")
    return lines


def _job_line(pair: JobPair) -> str:
    match pair.change:
        case Change.BROKE:
            said = failure_words(pair.b)
        case Change.MENDED:
            said = failure_words(pair.a)
        case Change.FAILS if not pair.otherwise:
            said = f"{failure_words(pair.b)}; the same in A"
        case Change.FAILS:
            said = f"{failure_words(pair.a)} -> {failure_words(pair.b)}"
        case _:
            said = f"{pair.a.status} -> {pair.b.status}"
    return f"  {one_line(pair.job)}  {said}"


def failure_words(outcome: Outcome) -> str:
    """The step that failed, and what it said."""
    look = one_line(outcome.look or "")
    cut = f"{look[:_LONG]}..." if len(look) > _LONG else look
    return f"{one_line(outcome.step or '')} ({cut})" if cut else one_line(outcome.step or "")


def odds(found: Comparison) -> list[str]:
    """What chance has to do with it; nothing where no job changed."""
    broke, mended = len(found.of(Change.BROKE)), len(found.of(Change.MENDED))
    if not broke + mended:
        return []
    if found.p < LEVEL:
        said = "more than chance explains"
    else:
        said = "chance alone would do as much now and then"
    return [
        f"{broke} broke and {mended} were mended: {said} (McNemar's exact test, {_p(found.p)}).",
        "Each failure still deserves a look: run it again before you believe it.",
    ]


def _only(found: Comparison) -> list[str]:
    lines = []
    for side, jobs in (("A", found.only_a), ("B", found.only_b)):
        if jobs:
            names = ", ".join(one_line(job) for job in jobs[:_MOST])
            more = f" and {len(jobs) - _MOST} more" if len(jobs) > _MOST else ""
            lines.append(f"Only in {side}: {names}{more}")
    return lines


def times(found: Comparison) -> list[str]:
    """How long what passed took on both sides."""
    if not found.measures:
        return ["There are no times to compare: no step passed in both."]
    rows = [("what", "jobs", "A", "B", "B/A", "likely", ""), *map(_row, found.measures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["How long it took, in jobs in which it passed on both sides:"]
    lines += [f"  {_joined(row, widths)}".rstrip() for row in rows]
    return [*lines, "", *explained(found.measures, found.rounds)]


def _row(one: Measure) -> tuple[str, ...]:
    return (
        one_line(one.name),
        str(one.pairs),
        human_seconds(one.a),
        human_seconds(one.b),
        f"{one.ratio:.2f}",
        f"{one.low:.2f} to {one.high:.2f}" if one.enough else "",
        verdict_words(one),
    )


def verdict_words(one: Measure) -> str:
    """Whether it takes longer in B, as far as can be said."""
    if not one.enough:
        return "too few jobs to say"
    if not one.differs:
        return f"no difference shown ({_p(one.adjusted)})"
    return f"{'longer' if one.ratio > 1 else 'shorter'} in B ({_p(one.adjusted)})"


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
    return "  ".join([*cells, row[-1]])


def explained(measures: Sequence[Measure], rounds: int = 1) -> Iterator[str]:
    """What the columns of the times mean."""
    asked = sum(one.enough for one in measures)
    yield "A and B are medians. B/A is the Hodges-Lehmann estimate of the ratio, job by job; likely"
    yield "is its 95 % interval. The test is Wilcoxon's signed-rank test"
    yield f"with p corrected for {asked} questions at once (Holm)." if asked else ""
    if not all(one.enough for one in measures):
        yield (
            f"With fewer than {FEWEST} jobs no difference, however large, could be told from chance"
            f" (with {FEWEST - 1} the smallest p is {smallest_p(FEWEST - 1):.3f})."
        )
    if rounds == 1:
        yield "Each job ran once on each side: a busy night on one side looks like a slower guest."
    else:
        yield f"Each job ran {rounds} times on each side, and each time counts as a job here."


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
