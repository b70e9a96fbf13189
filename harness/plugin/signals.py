"""SIGTERM as Ctrl-C: the flight ends in good order, its guests are removed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType


def terminate_like_interrupt() -> Callable[[], None]:
    """From now on SIGTERM raises `KeyboardInterrupt`; call the result to undo that."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # signals are none of another thread's business
    before = signal.signal(signal.SIGTERM, _interrupt)

    def undo() -> None:
        signal.signal(signal.SIGTERM, before)

    return undo


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    raise KeyboardInterrupt(signal.Signals(number).name)
