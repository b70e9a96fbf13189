"""A server of pages, running."""

from __future__ import annotations

import http.client
import threading
from datetime import timedelta
from pathlib import Path

from harness.serve.looks import look_at_directories
from harness.serve.run import listen, server
from harness.wait import Deadline, NotYet, wait_for


class Served:
    """A running server of the flights in *runs*."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.socket = listen("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        self.server = server(look_at_directories(runs))
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True
        )
        self.thread.start()
        deadline = Deadline.after(timedelta(seconds=20))
        wait_for(self._started, what="the server", deadline=deadline)

    def _started(self) -> None:
        if not self.server.started:
            msg = "it has not started"
            raise NotYet(msg)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()

    def ask(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=names)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body
