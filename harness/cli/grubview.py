"""What was found in boot configurations, as text and as JSON. Imported when it is shown."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.text import Text

from harness.cli.output import output
from harness.errors import UsageError
from harness.flight.hints import did_you_mean
from harness.grub.lint import Report
from harness.grub.model import Finding, Form, Severity
from harness.report.evidence import one_line
from harness.status import EXIT_CODES, Status

SCHEMA = 1
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_LINES = 8
"""Other lines of a finding that are listed."""


def form_named(name: str | None) -> Form | None:
    """The form called *name*; `UsageError` when there is none."""
    if name is None:
        return None
    forms = [form.value for form in Form]
    if name not in forms:
        msg = f"--form: there is no form {name!r}{did_you_mean(name, forms)}"
        raise UsageError(msg)
    return Form(name)


def exit_code(report: Report, *, strict: bool) -> int:
    """5 for an error, with *strict* for a warning, too; else 0."""
    bad = report.count(Severity.ERROR) + strict * report.count(Severity.WARNING)
    return EXIT_CODES[Status.FAIL if bad else Status.PASS]


def to_json(report: Report) -> str:
    """Everything, for programs."""
    found = {
        "schema": SCHEMA,
        "files": {file: str(form) for file, form in report.forms.items()},
        "xen_entries": report.boots,
        "counts": {str(severity): report.count(severity) for severity in Severity},
        "more": report.more,
        "findings": [_plain(one) for one in report.findings],
    }
    return json.dumps(found, indent=1)


def _plain(one: Finding) -> dict[str, object]:
    data = asdict(one)
    place = data.pop("place")
    return {"file": place["file"], "line": place["line"], **data, "rule": str(one.rule)}


def show(report: Report) -> None:
    """Each finding with its place, then how many there are."""
    console = output()
    for one in report.findings:
        console.print(_headline(one), soft_wrap=True)
        for text in _below(one):
            console.print(f"    {text}", markup=False, soft_wrap=True)
    if report.more:
        console.print("there are more findings than are shown here", markup=False)
    console.print(summary(report), markup=False, soft_wrap=True)


def _headline(one: Finding) -> Text:
    text = Text(f"{one_line(str(one.place))}: ")
    text.append(f"{one.severity}:", _STYLES[one.severity])
    return text.append(f" {one_line(one.message)} [{one.rule}]")


def _below(one: Finding) -> list[str]:
    also = ", ".join(map(str, one.also[:_LINES]))
    rest = len(one.also) - _LINES
    more = f" and {rest} more" if rest > 0 else ""
    lines = "lines" if len(one.also) > 1 else "line"
    return [
        *([one_line(one.hint)] if one.hint else []),
        *([f"also in {lines} {also}{more}"] if also else []),
    ]


def summary(report: Report) -> str:
    """``2 errors, 1 warning in 1 file; 5 entries boot Xen``."""
    counts = [
        _number(count, str(severity)) for severity in Severity if (count := report.count(severity))
    ]
    what = ", ".join(counts) or "nothing is wrong"
    text = f"{what} in {_number(len(report.forms), 'file')}"
    if set(report.forms.values()) == {Form.DEFAULTS}:
        return text
    boots = "1 entry boots" if report.boots == 1 else f"{report.boots} entries boot"
    return f"{text}; {boots} Xen"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
