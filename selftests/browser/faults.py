"""What goes wrong in a page."""

from __future__ import annotations

from playwright.sync_api import Dialog, Page, Request


class Faults:
    """What a page complained of, and what it asked for outside of its site, at *inside*."""

    def __init__(self, page: Page, inside: str) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._inside = inside
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _dialog(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self._inside):
            self.asked.append(request.url)
