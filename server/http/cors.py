"""CORS (Fetch Standard, 3.2): pages of the configured origins may send requests and read the responses.

The origins are in `SENTLOG_CORS_ORIGINS`. Cookies are not allowed; pages send a token in a header.
"""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

METHODS: Final = ("GET", "HEAD", "POST")

EXPOSED: Final = (
    "accept-ranges",
    "allow",
    "content-disposition",
    "content-range",
    "etag",
    "retry-after",
    "www-authenticate",
    "x-request-id",
)
"""Response headers that a page may read, besides those that the Fetch Standard always allows."""

_FORBIDDEN: Final = frozenset(
    {
        *("accept-charset", "accept-encoding", "access-control-request-headers"),
        *("access-control-request-method", "access-control-request-private-network"),
        *("connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host"),
        *("keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding"),
        *("upgrade", "via"),
    }
)
_FORBIDDEN_PREFIXES: Final = ("proxy-", "sec-")
"""Headers that only a browser may set (Fetch Standard, 2.2.2)."""

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token (RFC 9110, 5.6.2)."""


class CrossOrigin(CORSMiddleware):
    """ASGI middleware: answers preflights, and sets in each response which origin may read it."""

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...]) -> None:
        # "*" mirrors the headers of the preflight: clients add new ones, such as traceparent, all the time.
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """The response to a preflight: 200; 400 for another origin or method, or for a header that pages may not set."""
        names = request_headers.get("access-control-request-headers", "").split(",")
        refused = [name for name in map(str.strip, names) if name and not _may_be_set(name)]
        if refused:
            return PlainTextResponse(
                "Disallowed CORS headers", status_code=400, headers=self.preflight_headers
            )
        return super().preflight_response(request_headers)


def _may_be_set(name: str) -> bool:
    """Whether a page may set a request header with this name."""
    lower = name.lower()
    is_forbidden = lower in _FORBIDDEN or lower.startswith(_FORBIDDEN_PREFIXES)
    return _NAME.fullmatch(name) is not None and not is_forbidden
