"""The application: one path, one file of the site."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.errors import XenflightError
from harness.serve.fresh import FreshSite
from harness.serve.guard import Guard
from harness.site.paths import INDEX
from harness.site.render import LIVE_CSP

HEADERS = {
    "Content-Security-Policy": f"{LIVE_CSP}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_TEXT = "text/plain; charset=utf-8"
"""Of all else, whatever it is called: it may be a guest's."""


def make_app(site: FreshSite, guard: Guard) -> Starlette:
    """Serves *site* to those whom *guard* lets."""

    async def answer(request: Request) -> Response:
        if said := guard.refusal(request.headers):
            return PlainTextResponse(said, 421, headers=HEADERS)
        return await run_in_threadpool(respond, site, request.path_params["path"])

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])])


def respond(site: FreshSite, path: str) -> Response:
    """The file at *path*, which is without its first slash."""
    wanted = path + INDEX if path.endswith("/") or not path else path
    try:
        found = site.get().find(wanted)
    except (XenflightError, OSError) as error:
        # The files of a flight may go away between two looks.
        return PlainTextResponse(f"cannot be shown just now: {error}\n", 503, headers=HEADERS)
    if found is None:
        return PlainTextResponse("there is no such page\n", 404, headers=HEADERS)
    kind = _TYPES.get(PurePosixPath(wanted).suffix, _TEXT)
    if isinstance(found.body, Path):
        return FileResponse(found.body, media_type=kind, headers=HEADERS)
    return Response(found.body, media_type=kind, headers=HEADERS)
