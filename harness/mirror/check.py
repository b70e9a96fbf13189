"""All that a flight wants of its mirrors, looked at pocket by pocket and told in full."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from harness.errors import XenflightError
from harness.mirror.inspect import Finding, PocketReport, Trouble, inspect_pocket
from harness.mirror.opening import find_mirror
from harness.mirror.signature import Verify, check_signature

OK, OMITTED, ACCEPTED = "ok", "left out", "expired, accepted"
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Question:
    """One suite that shall be built from one mirror."""

    url: str | None
    """None: this machine's own."""
    suite: str
    arch: str
    """Of the guest."""
    arches: tuple[str, ...]
    """Whose packages go into it: an i386 guest may have an amd64 kernel."""
    accept_expired: bool = False
    omit: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one pocket is, for guests of one architecture."""

    mirror: str
    suite: str
    arch: str
    pocket: str
    state: str
    """`OK`, `OMITTED`, `ACCEPTED`, or the word of a `Trouble`."""
    good: bool
    """Whether the suite can be built as the question says, as far as this pocket goes."""
    date: datetime | None = None
    valid_until: datetime | None = None
    why: str = ""


def ask(
    questions: Iterable[Question], *, now: datetime | None = None, verify: Verify = check_signature
) -> list[Answer]:
    """An answer for each pocket of each question, in their order."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mirror-check") as pool:
        found = pool.map(partial(_ask, now=now, verify=verify), dict.fromkeys(questions))
        return [answer for answers in found for answer in answers]


def _ask(question: Question, *, now: datetime | None, verify: Verify) -> list[Answer]:
    answer = partial(Answer, suite=question.suite, arch=question.arch)
    try:
        mirror = find_mirror(question.url)
        refs = mirror.pockets(question.suite, question.omit)
    except XenflightError as error:
        named = question.url or "auto"
        return [
            answer(mirror=named, pocket="main", state=Trouble.MISSING, good=False, why=str(error))
        ]
    look = partial(
        inspect_pocket,
        arches=question.arches,
        accept_expired=question.accept_expired,
        hashes=True,
        now=now,
        verify=verify,
    )
    found = [_answer(question, look(ref)) for ref in refs]
    return found + [
        answer(mirror=mirror.main, pocket=name, state=OMITTED, good=True) for name in question.omit
    ]


def _answer(question: Question, report: PocketReport) -> Answer:
    def accepted(finding: Finding) -> bool:
        return finding.trouble is Trouble.EXPIRED and question.accept_expired

    bad = [str(finding.error()) for finding in report.findings if not accepted(finding)]
    troubles = [finding.trouble for finding in report.findings]
    state = next((trouble.value for trouble in troubles if trouble is not Trouble.EXPIRED), None)
    if state is None and troubles:
        state = ACCEPTED if question.accept_expired else Trouble.EXPIRED.value
    release = report.release
    return Answer(
        mirror=report.ref.uri,
        suite=question.suite,
        arch=question.arch,
        pocket=report.ref.name,
        state=state or OK,
        good=not bad,
        date=release.date if release else None,
        valid_until=release.valid_until if release else None,
        why="; ".join(bad or [finding.text for finding in report.findings]),
    )
