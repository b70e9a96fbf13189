"""SIGTERM as Ctrl-C: what was begun ends in good order, and guests are removed. SIGUSR1: a flight
says how far it is.
"""

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


def tell_on_usr1(tell: Callable[[], None]) -> Callable[[], None]:
    """From now on SIGUSR1 has *tell* called; call the result to undo that."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.signal(signal.SIGUSR1, lambda *_: tell())

    def undo() -> None:
        signal.signal(signal.SIGUSR1, before)

    return undo


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    raise KeyboardInterrupt(signal.Signals(number).name)
