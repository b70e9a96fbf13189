"""The store that a verb was asked to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UsageError
from harness.store.store import Store
from harness.store.url import VARIABLE, find_store


@contextmanager
def chosen_store(text: str | None) -> Iterator[Store]:
    """The store that an option, the environment, or nobody names; `UsageError` for ``none``."""
    url = find_store(text)
    if url is None:
        msg = "there is no store to use: --store or the environment says none"
        raise UsageError(msg, hint=f"unset {VARIABLE}, or name one with --store")
    with Store(url) as store:
        yield store
