"""Listening."""

from __future__ import annotations

import ipaddress
import socket

import uvicorn

from harness.errors import UsageError
from harness.serve.app import make_app
from harness.serve.fresh import FreshSite
from harness.serve.guard import Guard
from harness.serve.looks import Look

_AT_ONCE = 64
"""Requests that are answered at once; more get a 503."""
_BACKLOG = 128
_HINT = "name an address of this machine, and a port that nobody uses; --port 0 takes any"


def listen(address: str, port: int) -> socket.socket:
    """A socket at the IP address *address*; at any free port with 0. `UsageError` when that can't
    be."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError as error:
        msg = f"{address!r} is no IP address"
        raise UsageError(msg, hint=_HINT) from error
    found = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        msg = f"cannot listen on {address} port {port}: {error.strerror or error}"
        raise UsageError(msg, hint=_HINT) from error
    return found


def server(look: Look, *, names: tuple[str, ...] = (), evidence: bool = False) -> uvicorn.Server:
    """Serves the flights that *look* finds once it is run with a socket."""
    app = make_app(FreshSite(look, evidence=evidence), Guard(names))
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)


def url_of(found: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = found.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # to be shown only
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
