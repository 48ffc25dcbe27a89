"""`POST /callbacks/…`: callbacks of providers. There is no token: each provider signs its requests in its own way.

A gateway verifies and parses a callback; `delivery.receipts.callbacks` books it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.connect.database import Database
from delivery.gateways.base import Callback, CallbackRefused, Forged, Reply
from delivery.gateways.port import Gateway
from delivery.receipts.callbacks import take_callback
from server.http.request_bodies import read_pieces
from server.http.responses import TooLarge, UnsupportedCoding

LARGEST: Final = 256 * 1024
"""Bytes; Mailgun's events contain the headers of an email and are much smaller."""

NEVER_AGAIN: Final = 406
"""The only status at which Mailgun does not retry for hours; other providers treat it as any 4xx."""

_log = structlog.get_logger(__name__)


def routes(
    gateways: Mapping[str, Sequence[Gateway]],
    *,
    database: Database,
    clock: Callable[[], datetime],
) -> list[Route]:
    """The routes below `/callbacks/`. `gateways`: the configured ones by name, several if districts have their own accounts.

    200: taken in. 404: the gateway is not configured. 413: the body is too large. 415: the body is compressed. 403: the
    signature is wrong. 406: the callback is a repetition, or unreadable.
    """

    async def receive(request: Request) -> Response:
        name = request.path_params["gateway"]
        accounts = gateways.get(name)
        if not accounts:
            return Response(status_code=404)
        body = bytearray()
        try:
            async for piece in read_pieces(request, LARGEST, advice="No provider sends as much."):
                body += piece
        except TooLarge:
            return Response(status_code=413)
        except UnsupportedCoding:
            return Response(status_code=415)
        callback = Callback(
            target=_target(request), headers=dict(request.headers), body=bytes(body)
        )
        try:
            reply = await _take(database, accounts, callback, now=clock())
        except CallbackRefused as refused:
            # The reason is only logged: an attacker must not learn it.
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
    database: Database, accounts: Sequence[Gateway], callback: Callback, *, now: datetime
) -> Reply | None:
    """Take in a callback with the first account whose signature matches."""
    for gateway in accounts[:-1]:
        with suppress(Forged):
            return await take_callback(database, gateway, callback, now=now)
    return await take_callback(database, accounts[-1], callback, now=now)


def _target(request: Request) -> str:
    """Path below the public address, and query, exactly as requested, since the provider's signature covers them."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.decode("latin-1").removeprefix(request.scope.get("root_path", ""))
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
