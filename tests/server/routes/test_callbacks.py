"""`POST /callbacks/…`: a callback is taken in if it has the signature of one of the provider's accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import httpx2
import pytest
from starlette.applications import Starlette

from db.connect.database import Database
from delivery.gateways.base import Callback, Forged, Malformed, Parsed, Reply, SingleUseToken
from delivery.gateways.port import Gateway
from domain.receipts import Receipt
from domain.status import DeliveryStatus
from server.routes import callbacks
from tests.delivery.world import Clock, FakeGateway, World, mail, people, runtime_of
from tests.log import NOON

DELIVERED: Final = Receipt(NOON, DeliveryStatus.DELIVERED)


class Account(FakeGateway):
    """An account with a provider that signs with one word, and reports on the delivery that the body names."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret

    def verify(self, callback: Callback, *, now: datetime) -> SingleUseToken | None:
        if callback.headers.get("x-signature") != self.secret:
            raise Forged("signed by somebody else")
        return None

    def parse(self, callback: Callback, *, now: datetime) -> Parsed:
        if callback.body == b"?":
            raise Malformed("no key")
        receipt = DELIVERED._replace(key=callback.body.decode())
        return Parsed([receipt], reply=Reply("text/xml", f"<heard at='{callback.target}'/>"))


async def post(
    database: Database,
    accounts: Sequence[Gateway],
    body: bytes,
    *,
    signature: str = "",
    path: str = "/callbacks/fake/status?x=%2F1",
    coding: str = "identity",
) -> httpx2.Response:
    """The answer to a callback."""
    app = Starlette(routes=callbacks.routes({"fake": accounts}, database=database, clock=Clock()))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://log") as client:
        headers = {"x-signature": signature, "content-encoding": coding}
        return await client.post(path, content=body, headers=headers)


async def sent(world: World) -> int:
    """The number of a message with one delivery, which its provider has."""
    message_id = await world.load(people(1, mail))
    await world.work(runtime_of(world.database, Clock(), FakeGateway()))
    return message_id


@pytest.mark.parametrize("signature", ["house", "district"])
async def test_what_any_account_has_signed_is_taken_in_and_answered_in_the_providers_way(
    world: World, signature: str
) -> None:
    message_id = await sent(world)

    answer = await post(
        world.database,
        [Account("house"), Account("district")],
        f"{message_id}.0.0".encode(),
        signature=signature,
    )

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert answer.text == "<heard at='/callbacks/fake/status?x=%2F1'/>"
    assert (await world.one(message_id)).status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize(
    ("signature", "body", "path", "coding", "status"),
    [
        ("nobody", b"1.0.0", "/callbacks/fake", "identity", 403),
        ("house", b"?", "/callbacks/fake", "identity", 406),
        ("house", b"x" * (callbacks.LARGEST + 1), "/callbacks/fake", "identity", 413),
        ("house", b"1.0.0", "/callbacks/fake", "gzip", 415),
        ("house", b"1.0.0", "/callbacks/unknown", "identity", 404),
    ],
)
async def test_a_refused_callback_changes_and_reveals_nothing(
    world: World, signature: str, body: bytes, path: str, coding: str, status: int
) -> None:
    await sent(world)
    before = await world.everything()

    answer = await post(
        world.database,
        [Account("house"), Account("district")],
        body,
        signature=signature,
        path=path,
        coding=coding,
    )

    assert (answer.status_code, answer.content) in ((status, b""), (404, b"Not Found"))
    assert answer.status_code == status
    assert await world.everything() == before
