"""How a worker of xdist goes through what it is given: without an item in hand.

xdist's own loop runs an item only when it has the next one, or is told that there is none: so that
fixtures of a wider scope live on. The last step of a job would then wait until another job is given
to this worker, which stands behind it from then on, wherever else it could begin.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from harness.plugin.state import FlightState


class WorkLoop:
    """Takes the place of `xdist.remote.WorkerInteractor.pytest_runtestloop`."""

    NAME = "xenflight-workloop"

    def __init__(self, config: pytest.Config, state: FlightState) -> None:
        self._config = config
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run items as they come, until the controller says that no more do.

        The next item is the next step of the same job, and none after its last: what fixtures of a
        module or session have is made anew for each job, whichever worker runs it.
        """
        xdist = interactor(self._config)
        queue = xdist.torun

        def hear(command: tuple[str, dict[str, Any]] | None) -> None:
            if command is None:
                queue.put(None)  # the controller is gone
            else:
                xdist.handle_command(command)

        xdist.channel.setcallback(hear, endmarker=None)
        # Whatever is no number means that there is no more: xdist has a marker for it.
        while isinstance(index := queue.get(), int):
            self._run(xdist, session, index)
            if session.shouldfail or session.shouldstop:
                break
        return True

    def _run(self, xdist: Any, session: pytest.Session, index: int) -> None:  # noqa: ANN401
        xdist.item_index = index
        item, after = session.items[index], session.items[index + 1 : index + 2]
        here = self._state.step_of(item.nodeid)
        then = self._state.step_of(after[0].nodeid) if after else None
        same = here is not None and then is not None and here[0] == then[0]
        began = time.perf_counter()
        self._config.hook.pytest_runtest_protocol(item=item, nextitem=after[0] if same else None)
        seconds = time.perf_counter() - began
        xdist.sendevent("runtest_protocol_complete", item_index=index, duration=seconds)


def interactor(config: pytest.Config) -> Any:  # noqa: ANN401 (xdist has no public type)
    """xdist's plugin in a worker."""
    plugins = config.pluginmanager.get_plugins()
    return next(plugin for plugin in plugins if hasattr(plugin, "torun"))
