"""Security headers of every response.

A response that sets one of these headers keeps its own value: the console pages allow more than JSON does.
"""

from collections.abc import Awaitable, Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final[Mapping[str, str]] = {
    # A response is not a page: a browser must not run it, render it or put it into a frame.
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


_RAW: Final = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())


class SecurityHeaders:
    """ASGI middleware that adds `HEADERS` to each response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        def send_hardened(message: Message) -> Awaitable[None]:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                own = [*message.get("headers", ())]
                names = {name for name, _ in own}
                added = [header for header in _RAW if header[0] not in names]
                message = {**message, "headers": own + added}
            return send(message)

        await self._app(scope, receive, send_hardened)
