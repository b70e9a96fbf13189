"""The store keeps the contract that all histories keep, on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from history_contract import HistoryContract

from harness.bench.store import fill
from harness.judge.history import FlightRecord, History
from harness.store.history import StoreHistory
from harness.store.store import Store


class TestStore(HistoryContract):
    """`StoreHistory` is a `History`."""

    @pytest.fixture(autouse=True)
    def _use(self, store: Store) -> Iterator[None]:
        self._store = store
        with ExitStack() as self._open:
            yield

    def history_of(self, flights: Sequence[FlightRecord]) -> History:
        fill(self._store, flights)
        return StoreHistory(self._open.enter_context(self._store.reading()))
