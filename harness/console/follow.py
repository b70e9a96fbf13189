"""What has gone wrong on a console since some moment, each byte of it looked at once."""

from __future__ import annotations

from harness.console.garbage import GarbageMeter
from harness.console.recorder import ConsoleRecorder
from harness.console.scan import LineScanner
from harness.console.sieve import BOOT_SIEVE
from harness.console.verdicts import Finding, find_sign, most_telling

_READ = 1 << 16


class FindingLog:
    """The findings from position *start* on. The first of each class is kept, so that memory
    is bounded however much a guest prints; how the bytes were split makes no difference.
    """

    def __init__(self, start: int = 0) -> None:
        self._scanner = LineScanner(start, BOOT_SIEVE)
        self._garbage = GarbageMeter(start)
        self._findings: dict[str, Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything seen so far, in order, and the prompt that the guest waits at, if any."""
        partial = self._scanner.partial
        prompt = find_sign(partial.text, partial.position, complete=False)
        seen = sorted(self._findings.values(), key=lambda one: (one.position, one.failure.name))
        return (*seen, *([prompt] if prompt else []))

    @property
    def ended(self) -> Finding | None:
        """What ended the guest; None when nothing did."""
        return most_telling([one for one in self.findings if one.failure.fatal])

    def feed(self, data: bytes) -> None:
        """Look at the bytes that come next."""
        for line in self._scanner.feed(data):
            self._note(find_sign(line.text, line.position))
        self._note(self._garbage.feed(data))

    def catch_up(self, recorder: ConsoleRecorder) -> None:
        """Look at what *recorder* has by now."""
        end = recorder.mark()
        while (at := self._scanner.position) < end:
            if not (data := recorder.read(at, min(_READ, end - at))):
                break
            self.feed(data)

    def _note(self, found: Finding | None) -> None:
        if found:
            self._findings.setdefault(found.failure.name, found)
