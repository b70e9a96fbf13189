"""What ``xenflight gate`` does: finds the flight and its history, asks, and keeps the answer."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from harness.errors import UsageError, XenflightError
from harness.gate.past import Past, past_in, past_stored
from harness.gate.policy import Policy, policy_for, resolve_policy
from harness.gate.run import judge_subject, keep_verdict, verdict_file, write_verdict
from harness.gate.subject import (
    RUNS,
    Subject,
    find_directory,
    no_such_flight,
    subject_in,
    subject_stored,
)
from harness.gate.verdict import VerdictFile
from harness.store.store import Store, Transaction, present_store


class Asked(NamedTuple):
    """The options of the command line."""

    flight: str | None
    policy: str | None
    baseline: str | None
    branch: str | None
    blessing: str | None
    history: Path | None
    store: str | None
    output: Path | None


def ask_gate(asked: Asked, now: datetime) -> tuple[VerdictFile, list[str]]:
    """The verdict, which is written then, and what its reader should know beside.

    `UsageError` for whatever is wrong with the words, the flight or the policy, `StoreError` when
    the store has the history and can't be read: less of it might open the gate. Nothing is
    written then.
    """
    with ExitStack() as until_done:
        store = present_store(asked.store)
        if store:
            until_done.enter_context(store)
        with ExitStack() as reading:
            seen = reading.enter_context(store.reading()) if store and not asked.history else None
            subject = subject_of(asked, seen)
            past = past_of(asked, subject, seen)
            policy = _policy(asked, subject)
            verdict = judge_subject(subject, past, policy, now=now, baseline=asked.baseline)
        remarks = [f"left out of history: {text}" for text in past.remarks]
        if asked.output:
            write_verdict(verdict, asked.output)
            return verdict, remarks
        if subject.path:
            write_verdict(verdict, verdict_file(subject.path))
        if store:
            remarks += _kept(store, verdict, policy, subject)
        return verdict, remarks


def subject_of(asked: Asked, seen: Transaction | None) -> Subject:
    """The flight that is meant; `UsageError` when there is none."""
    path = find_directory(asked.flight)
    if path is not None:
        return subject_in(path, branch=asked.branch, blessing=asked.blessing)
    text = asked.flight or ""
    if seen is None:
        raise no_such_flight(text)
    return subject_stored(seen, text, branch=asked.branch, blessing=asked.blessing)


def past_of(asked: Asked, subject: Subject, seen: Transaction | None) -> Past:
    """The flights before it."""
    if asked.history and not asked.history.is_dir():
        # Without any history more is let through: a name that is misspelt must not open the gate.
        msg = f"--history: there is no directory {asked.history}"
        raise UsageError(msg)
    beside = subject.path.parent if subject.path else RUNS
    if asked.history or seen is None:
        runs = asked.history or beside
        return past_in(runs, name=subject.name, branch=asked.branch, blessing=asked.blessing)
    return past_stored(seen, beside, but=subject.record.flight)


def _policy(asked: Asked, subject: Subject) -> Policy:
    return resolve_policy(asked.policy) if asked.policy else policy_for(subject.record.branch)


def _kept(store: Store, verdict: VerdictFile, policy: Policy, subject: Subject) -> list[str]:
    """Nothing, or why the store does not know what the gate said."""
    try:
        keep_verdict(store, verdict, policy)
    except XenflightError as error:
        where = f"; to take it in: xenflight db import {subject.path}" if subject.path else ""
        return [f"the store does not know what the gate said: {error}{where}"]
    return []
