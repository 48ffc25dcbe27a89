"""The pages for the browser, as `make console` built them: today GraphiQL.

Only files are served here, the same for everybody: what a page then asks goes to `/graphql` and is signed there.
"""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

BUILT: Final = Path(__file__).parents[1] / "static"
"""Where the build goes; not in the repository, but in the wheel."""

PAGE: Final = "index.html"

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # the editor sets the place of each line by a style element
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",  # /graphql, by HTTP and by WebSocket, and nobody else
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load and ask: whatever got into it, no token and no answer can leave for another host."""

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
    """The routes of GraphiQL (`/graphiql` and what lies below it), from the files in `folder`.

    While there is no page in the folder, each of them answers 503 and says how to build it.
    """
    files = _Files(directory=folder, check_dir=False)

    async def page(request: Request) -> Response:
        return await files.get_response(PAGE, request.scope)

    async def to_page(request: Request) -> Response:
        return RedirectResponse("graphiql/", headers=_HEADERS)

    return [
        # The page names its files relative to its own address, which has to end in a slash. So is this place: it holds below any
        # prefix. A browser takes the fragment along, in which a link carries a token.
        Route("/graphiql", to_page),
        Route("/graphiql/", page),
        Mount("/graphiql", files),
    ]


class _Files(StaticFiles):
    """The built files, each with the headers of this module."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The base class looks once whether the folder exists, and fails for good if not; `make console` may come later.
        self.config_checked = True
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at `path`, below the folder; raises `HTTPException` with 404 or 405."""
        if self.lookup_path(PAGE)[1] is None:
            return PlainTextResponse(_NOT_BUILT, 503, _HEADERS | {"Cache-Control": "no-store"})
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        # The name of an asset holds a hash of what is in it: changed, it has another name, and the page names that.
        is_hashed = Path(path).parts[0] == "assets"
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        )
        return response
