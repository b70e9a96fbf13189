"""What ``xenflight mail`` does: finds the flight and its verdict, makes the mail, and sends it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from pydantic import ValidationError

from harness.cli.gating import Asked, past_of, subject_of
from harness.errors import LabError, UsageError
from harness.gate.policy import policy_for
from harness.gate.run import judge_subject, verdict_file
from harness.gate.subject import Subject
from harness.gate.verdict import VerdictFile
from harness.mail.send import keep, message, send
from harness.mail.settings import MailModel, find_settings, load_settings
from harness.results.layout import FlightDirectory
from harness.results.load import load_results
from harness.results.model import FlightResult
from harness.results.recorder import write_atomically
from harness.site.paths import part
from harness.store.names import find_flight
from harness.store.store import Transaction, present_store
from harness.store.whole import read_flight

KEPT = Path("reports/mail")
"""Where mails are kept of flights that are not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A flight, and what the gate says of it."""

    result: FlightResult
    verdict: VerdictFile
    path: Path | None


def known_flight(text: str | None, store: str | None, now: datetime) -> Known:
    """The flight that is meant; `UsageError` when there is none, or the gate can't be asked."""
    asked = Asked(text, None, None, None, None, None, store, None)
    with ExitStack() as until_done:
        found = present_store(store)
        seen = (
            until_done.enter_context(until_done.enter_context(found).reading()) if found else None
        )
        subject = subject_of(asked, seen)
        result = _result(subject, seen)
        verdict = _said(subject)
        if verdict is None:
            past = past_of(asked, subject, seen)
            policy = policy_for(subject.record.branch)
            verdict = judge_subject(subject, past, policy, now=now)
    return Known(result=result, verdict=verdict, path=subject.path)


def _result(subject: Subject, seen: Transaction | None) -> FlightResult:
    if subject.path is not None:
        return load_results(subject.path)
    assert seen is not None
    return read_flight(seen, find_flight(seen, subject.record.flight))


def _said(subject: Subject) -> VerdictFile | None:
    """What the gate said before; None when it was not asked, or that can't be read."""
    if subject.path is None:
        return None
    try:
        text = verdict_file(subject.path).read_text(encoding="utf-8")
        return VerdictFile.model_validate_json(text, strict=True)
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


@dataclass(frozen=True, kw_only=True)
class Mailing:
    """A mail, and who takes it."""

    known: Known
    mail: EmailMessage
    settings: MailModel | None

    @classmethod
    def of(cls, known: Known, *, settings: str | None, to: Sequence[str], send: bool) -> Mailing:
        """The mail about a flight. `UsageError` when it is to be sent and nobody said how."""
        found: MailModel | None = None
        try:
            found = load_settings(find_settings(settings))
        except UsageError:
            if send or settings:
                raise
        mail = message(
            known.result,
            known.verdict,
            sender=found.sender if found else "",
            to=to or (found.to if found else []),
            address=found.pages if found else "",
        )
        return cls(known=known, mail=mail, settings=found)

    def shown(self) -> str:
        """Headers and text as they are read."""
        head = "".join(f"{name}: {value}\n" for name, value in self.mail.items() if _tells(name))
        return f"{head}\n{self.mail.get_content()}"

    def keep(self, path: Path) -> None:
        """Write it to a file; `LabError` if it can't be."""
        keep(self.mail, path)

    def send(self) -> str:
        """Send it, kept before that; what to say of it. `LabError` says where it is."""
        assert self.settings
        path = self.known.path
        file = FlightDirectory(path).mail if path else None
        file = file or KEPT / f"{part(self.known.result.flight_id)}.eml"
        self.keep(file)
        try:
            send(self.mail, self.settings, os.environ)
        except LabError as error:
            raise LabError(error.message, hint=f"nothing is lost: it is in {file}") from error
        return f"sent to {self.mail['To']}; it is in {file}"


def put_text(text: str, path: Path) -> None:
    """Write *text* to a file; `LabError` if it can't be."""
    try:
        write_atomically(path, text)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise LabError(msg) from error


def _tells(name: str) -> bool:
    return not name.lower().startswith(("content-", "mime-"))
