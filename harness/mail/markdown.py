"""The same in Markdown, for a merge request or a chat.

Every word that is not ours stands in a code span: no Markdown in it is read, no HTML, and nobody is
mentioned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.gate.text import SECTIONS, other_reasons, shown
from harness.gate.verdict import JudgementResult, VerdictFile
from harness.mail.body import LINES, host_words
from harness.mail.subject import counts, subject
from harness.report.again import again_words, repro_words
from harness.report.evidence import last_lines, one_line
from harness.report.summary import first_failure
from harness.results.model import FlightResult, JobResult, StepResult
from harness.units import human_seconds

_FENCE = "~~~~"


def markdown(flight: FlightResult, verdict: VerdictFile, address: str = "") -> str:
    """The whole of it; *address* as for `harness.mail.body.text`."""
    return "\n".join(_lines(flight, verdict, address)) + "\n"


def _lines(flight: FlightResult, verdict: VerdictFile, address: str) -> Iterator[str]:
    yield f"### {_code(subject(flight, verdict))}"
    yield ""
    yield f"Gate **{verdict.gate}** (exit code {verdict.exit_code}): {counts(flight)},"
    against = (
        f"compared with {_code(verdict.baseline.flight)}" if verdict.baseline else "no baseline"
    )
    yield f"in {human_seconds(flight.duration)}; {against}."
    for title, analyses in SECTIONS:
        found = [one for one in verdict.judgements if one.analysis in analyses]
        yield from _table(title, found)
    if others := list(other_reasons(verdict)):
        yield from ("", "#### What else keeps the gate shut", "")
        yield from (f"- {_code(text)}" for text in others)
    if bad := first_failure(flight):
        yield from _failure(flight, *bad)
    yield ""
    yield from (f"- host {_code(host_words(host))}" for host in flight.hosts)
    yield from (f"- lab problem: {_code(problem)}" for problem in flight.problems)
    yield f"- xenflight {_code(flight.revision or flight.harness_version)}"
    if address:
        yield f"- pages: <{one_line(address)}>"


def _table(title: str, found: Sequence[JudgementResult]) -> Iterator[str]:
    if not found:
        return
    rest, hidden = shown(found)
    yield from ("", f"#### {title}", "", "| job | step | |", "|---|---|---|")
    for one in rest:
        cells = (one.job, one.testid, one.summary)
        yield "| " + " | ".join(_code(cell).replace("|", "\\|") for cell in cells) + " |"
    if hidden:
        told = ", ".join(f"{count} {word}" for word, count in hidden.items())
        yield from ("", f"and steps: {told}")


def _failure(flight: FlightResult, job: JobResult, step: StepResult) -> Iterator[str]:
    yield from ("", f"#### First failure: {_code(f'{step.testid} of {job.name}')}", "")
    yield _code(step.reason or "nobody said why")
    if lines := last_lines(step.evidence, LINES):
        yield from ("", _FENCE)
        # Four or more of these would end it.
        yield from (line.replace("~~~", "~ ~") for line in lines)
        yield _FENCE
    yield ""
    yield f"Run it again: {_code(' '.join(again_words(flight, job.name)))}  "
    yield f"Hand it on: {_code(repro_words(flight.flight_id, job.name))}"


def _code(text: str) -> str:
    inside = one_line(text).replace("`", "'")
    return f"`{inside}`" if inside else ""
