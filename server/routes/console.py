"""Serves GraphiQL, as `make console` builds it.

The files are static and public; the page sends its operations to `/graphql` with a token.
"""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

BUILT: Final = Path(__file__).parents[1] / "static"
"""The folder of the build; in the wheel, not in the repository."""

PAGE: Final = "index.html"

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # the editor positions each line by a style element
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",  # /graphql by HTTP and WebSocket only
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Restricts what the page may load and connect to, so that injected code can send neither token nor data to another host."""

_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_NOT_BUILT: Final = """\
GraphiQL is not built on this server.

From a checkout, with Node.js 20.19, 22.12 or newer: make console
Then reload this page; the server need not be restarted.

The log itself answers at /graphql, to any GraphQL client.
"""


def routes(folder: Path = BUILT) -> list[BaseRoute]:
    """The routes of GraphiQL (`/graphiql` and below), from the files in `folder`.

    Without a build, each responds with 503 and says how to build it.
    """
    files = _Files(directory=folder, check_dir=False)

    async def page(request: Request) -> Response:
        return await files.get_response(PAGE, request.scope)

    async def to_page(request: Request) -> Response:
        return RedirectResponse("graphiql/", headers=_HEADERS)

    return [
        # The page uses relative URLs, so its own must end in a slash. The redirect is relative, too, so it holds below any prefix;
        # a browser keeps the fragment, in which a link carries a token.
        Route("/graphiql", to_page),
        Route("/graphiql/", page),
        Mount("/graphiql", files),
    ]


class _Files(StaticFiles):
    """The built files with the headers of this module."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The base class checks the folder once, and fails for good if it is missing; `make console` may run later.
        self.config_checked = True
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at `path` below the folder. Raises `HTTPException` with 404 or 405."""
        if self.lookup_path(PAGE)[1] is None:
            return PlainTextResponse(_NOT_BUILT, 503, _HEADERS | {"Cache-Control": "no-store"})
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        # The name of an asset contains a hash of its content, so it can be cached forever.
        is_hashed = Path(path).parts[0] == "assets"
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        )
        return response
