"""`POST /callbacks/…`: what providers tell of themselves. No token: each signs its requests in its own way.

What they say is their gateway's business, and what follows from it `delivery.receipts.callbacks`'.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from delivery.gateways.base import Callback, CallbackRefused, Forged, Reply
from delivery.gateways.port import Gateway
from delivery.receipts.callbacks import take_callback
from server.http.request_bodies import pieces
from server.http.responses import TooLarge, UnsupportedCoding

LARGEST: Final = 256 * 1024
"""Bytes: Mailgun's events carry an e-mail's headers, and stay well below."""

NEVER_AGAIN: Final = 406
"""Mailgun repeats for hours whatever is answered, but for this; to the others it is a refusal like any 4xx."""

_log = structlog.get_logger(__name__)


def routes(
    gateways: Mapping[str, Sequence[Gateway]],
    *,
    engine: AsyncEngine,
    clock: Callable[[], datetime],
) -> list[Route]:
    """The routes below `/callbacks/`; `gateways` are those that are set up, by name: several where districts have accounts.

    200 where it was taken in, 404 for a gateway that is not set up, 413 for a body that is too large, 415 for one that is
    compressed, 403 for what its provider has not signed, 406 for what was taken in before or cannot be read.
    """

    async def receive(request: Request) -> Response:
        name = request.path_params["gateway"]
        accounts = gateways.get(name)
        if not accounts:
            return Response(status_code=404)
        body = bytearray()
        try:
            async for piece in pieces(request, LARGEST, advice="No provider sends as much."):
                body += piece
        except TooLarge:
            return Response(status_code=413)
        except UnsupportedCoding:
            return Response(status_code=415)
        callback = Callback(
            target=_target(request), headers=dict(request.headers), body=bytes(body)
        )
        try:
            reply = await _take(engine, accounts, callback, now=clock())
        except CallbackRefused as refused:
            # The reason is for whoever runs the log: a stranger who tries learns nothing.
            _log.warning("callback refused", gateway=name, reason=str(refused))
            return Response(status_code=403 if isinstance(refused, Forged) else NEVER_AGAIN)
        if reply is None:
            return Response(status_code=200)
        return Response(reply.body, media_type=reply.content_type)

    return [
        Route("/callbacks/{gateway}", receive, methods=["POST"]),
        Route("/callbacks/{gateway}/{rest:path}", receive, methods=["POST"]),
    ]


async def _take(
    engine: AsyncEngine, accounts: Sequence[Gateway], callback: Callback, *, now: datetime
) -> Reply | None:
    """As `take_callback`, for the first account whose signature it has."""
    for gateway in accounts[:-1]:
        with suppress(Forged):
            return await take_callback(engine, gateway, callback, now=now)
    return await take_callback(engine, accounts[-1], callback, now=now)


def _target(request: Request) -> str:
    """Path below the public address, and query, as they were requested: what a provider signed, letter by letter."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.decode("latin-1").removeprefix(request.scope.get("root_path", ""))
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
