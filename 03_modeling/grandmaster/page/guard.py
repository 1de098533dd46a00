"""Who may talk to the page: this machine, through a browser that has the page itself open.

A page on 127.0.0.1 is within reach of every web site that the person visits. A site whose name is made to point here (DNS
rebinding) is known by the `Host` it asks for; one that sends requests across sites by its `Origin`. Both are refused, and so
is a body that is larger than any picture. No other site may show the page in a frame.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_UPLOADED = 64 * 2**20
"""Bytes of a request's body."""


def host_of(authority: str) -> str:
    """The name or address in `name:port`, `1.2.3.4:port`, `[::1]:port`; empty where there is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class Guard:
    """Middleware: refuses what does not come from the page itself.

    Args:
        hosts: names and addresses under which the page may be asked for.
        most: bytes of a body.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = LOOPBACK, most: int = MOST_UPLOADED) -> None:
        self._app, self._most = app, most
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._is_ours(headers):
            await self._refuse(
                scope, receive, send, 403, "This page answers this machine's own browser only."
            )
            return
        stated = headers.get("content-length", "0")
        if not stated.isdigit() or int(stated) > self._most:
            await self._refuse(scope, receive, send, 413, f"More than {self._most // 2**20} MB.")
            return

        async def unframed(message: Message) -> None:
            # Within another site's frame a person could be led to press what is not seen.
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Frame-Options"] = "DENY"
            await send(message)

        await self._app(scope, _Limited(receive, self._most), unframed)

    def _is_ours(self, headers: Headers) -> bool:
        authority = headers.get("host", "")
        if host_of(authority) not in self._hosts:
            return False
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc.lower() == authority.lower()

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await PlainTextResponse(why, status_code=status)(scope, receive, send)


class _Limited:
    """A body that says it is at an end, as one that was cut off does, where it is longer than it may be."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                return {"type": "http.disconnect"}
        return message
