"""A flight's place in the store: written as it flies, and never in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.plugin.state import FlightState
from harness.results.belonging import (
    ADHOC,
    Belonging,
    blessing_word,
    branch_name,
    write_belonging,
)

if TYPE_CHECKING:
    from harness.store.about import About
    from harness.store.url import StoreUrl
    from harness.store.writer import StoreWriter


class Keeping:
    """What the command line says of history; `UsageError` for what it can't be."""

    def __init__(self, config: pytest.Config, state: FlightState) -> None:
        # Imported only for a flight that is about to run: a database takes its time.
        from harness.store.about import About, this_controller
        from harness.store.url import find_store

        self._state = state
        found = find_store(config.getoption("--store"))
        # What is simulated says nothing of any guest.
        self.url: StoreUrl | None = None if state.plan.simulated else found
        self.about: About = About(
            branch=branch_name(config.getoption("--branch") or state.plan.flight),
            blessing=blessing_word(config.getoption("--blessing") or ADHOC),
            controller=this_controller(),
            directory=str(state.files.path.resolve()),
        )
        self._writer: StoreWriter | None = None

    def sink(self) -> StoreWriter | None:
        """Who writes the flight into the store; None when there shall be none."""
        if self.url is None:
            return None
        from harness.store.store import Store
        from harness.store.writer import StoreWriter

        self._writer = StoreWriter(Store(self.url), self.about, self._state.files)
        return self._writer

    def write_beside(self) -> None:
        """Say in the flight's directory what results do not tell; `LabError` if it can't be."""
        said = Belonging(branch=self.about.branch, blessing=self.about.blessing)
        write_belonging(self._state.files, said)

    def close(self) -> list[str]:
        """The flight is over, its files too; what its operator should know of the store."""
        return self._writer.close() if self._writer else []
