"""Several things wrong in one file, told together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import Place, UsageError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, and where."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class InputErrors(UsageError):
    """All that is wrong in a file, one finding a line, in the order of the file."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=in_file_order))
        first, *rest = self.findings
        lines = [first.text, *(str(finding) for finding in rest)]
        super().__init__("\n".join(lines), place=first.place)


def findings_of(error: UsageError) -> list[Finding]:
    """An error as findings, one for each thing that is wrong."""
    if isinstance(error, InputErrors):
        return list(error.findings)
    text = f"{error.message} ({error.hint})" if error.hint else error.message
    return [Finding(place=error.place or Place(file="-"), text=text)]


def in_file_order(finding: Finding) -> tuple[str, int, int]:
    """What to sort findings by."""
    return finding.place.file, finding.place.line or 0, finding.place.column or 0
