"""The mail itself, and its way to the server."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path

from harness.errors import LabError
from harness.gate.verdict import VerdictFile
from harness.mail.body import text
from harness.mail.settings import MailModel, Security, password_of
from harness.mail.subject import headers, subject
from harness.results.model import FlightResult
from harness.secret import mask


def message(
    flight: FlightResult,
    verdict: VerdictFile,
    *,
    sender: str = "",
    to: Sequence[str] = (),
    address: str = "",
) -> EmailMessage:
    """The mail about *flight*; without *sender* and *to* it is only to be read here."""
    found = EmailMessage(policy=SMTP)
    found["Subject"] = subject(flight, verdict)
    if sender:
        found["From"] = sender
        found["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
    if to:
        found["To"] = ", ".join(to)
    found["Date"] = format_datetime(flight.ended or verdict.judged)
    # Nobody's holiday shall answer it (RFC 3834).
    found["Auto-Submitted"] = "auto-generated"
    for name, value in headers(flight, verdict).items():
        found[name] = value
    found.set_content(mask(text(flight, verdict, address)), cte="quoted-printable")
    return found


def keep(mail: EmailMessage, path: Path) -> None:
    """Write it to *path*, for any mail program; `LabError` if it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mail.as_bytes())
    except OSError as error:
        msg = f"the mail cannot be written to {path}: {error.strerror or error}"
        raise LabError(msg) from error


def send(mail: EmailMessage, settings: MailModel, environ: Mapping[str, str]) -> None:
    """Hand it to the server. `LabError` when that does not take it, for any of its readers."""
    where = f"{settings.server}:{settings.port_or_usual}"
    password = password_of(settings.password, environ) if settings.password else None
    try:
        with _connect(settings) as server:
            if settings.security is Security.STARTTLS:
                server.starttls(context=ssl.create_default_context())
            if settings.user and password:
                server.login(settings.user, password.value)
            refused = server.send_message(mail)
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        msg = f"the mail server {where} did not take it: {mask(_why(error))}"
        raise LabError(msg) from error
    if refused:
        msg = f"the mail server {where} does not take it for {', '.join(sorted(refused))}"
        raise LabError(msg)


def _connect(settings: MailModel) -> smtplib.SMTP:
    seconds = settings.timeout.total_seconds()
    host, port = settings.server, settings.port_or_usual
    if settings.security is Security.TLS:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=seconds, context=context)
    return smtplib.SMTP(host, port, timeout=seconds)


def _why(error: Exception) -> str:
    match error:
        case smtplib.SMTPRecipientsRefused():
            told = [f"{one}: {_words(*answer)}" for one, answer in error.recipients.items()]
            return f"no reader is right: {'; '.join(told)}"
        case smtplib.SMTPResponseException():
            return _words(error.smtp_code, error.smtp_error)
        case OSError():
            return error.strerror or str(error) or type(error).__name__
        case _:
            return str(error) or type(error).__name__


def _words(code: int, said: bytes | str) -> str:
    return f"{code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
