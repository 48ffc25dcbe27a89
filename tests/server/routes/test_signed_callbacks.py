"""Callbacks of Mailgun and Twilio over HTTP: signed ones change their delivery, others change nothing."""

import hmac
import json
from base64 import b64encode
from datetime import timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import httpx2
import pytest
from starlette.applications import Starlette

from db.connect.database import Database
from db.dispatch.in_flight import LiveDelivery
from delivery.dispatch.delivery_names import spell
from delivery.gateways.port import Gateway
from domain.status import DeliveryStatus, EventSource
from server.routes import callbacks
from tests import log
from tests.delivery.gateways.stand_ins import (
    AUTH_TOKEN,
    PUBLIC_URL,
    SIGNING_KEY,
    CallStandIn,
    HttpStandIn,
    MailgunStandIn,
    TextStandIn,
)
from tests.delivery.world import Event, World, people
from tests.log import NOON

SEALS: Final = "select token from seal"

Signed = tuple[str, bytes, dict[str, str]]
"""A request: where it goes, its body, its headers."""


async def post(database: Database, gateway: Gateway, request: Signed) -> int:
    """The status with which a callback is answered."""
    target, body, headers = request
    routes = callbacks.routes({gateway.name: [gateway]}, database=database, clock=lambda: NOON)
    transport = httpx2.ASGITransport(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        return (await client.post(target, content=body, headers=headers)).status_code


class Sent(NamedTuple):
    """A delivery that its provider has, and who takes what the provider says of it."""

    world: World
    message_id: int
    delivery: LiveDelivery
    gateway: Gateway

    @property
    def key(self) -> str:
        return spell(self.delivery)

    async def post(self, request: Signed) -> int:
        return await post(self.world.database, self.gateway, request)

    async def heard(self) -> list[Event]:
        """What came by callback, in the order in which it was written."""
        history = await self.world.events(self.delivery.key)
        return [event for event in history if event.source is EventSource.CALLBACK]

    async def all_rows(self) -> tuple[Any, ...]:
        """Everything that a callback could change."""
        consents = "select key, opted_out_at from address order by id"
        return (
            await self.world.everything(),
            await self.world.columns_of(SEALS),
            await self.world.columns_of(consents),
        )


async def sent(world: World, provider: type[HttpStandIn]) -> Sent:
    """Hand one delivery to a provider."""
    device = {MailgunStandIn: log.email(), CallStandIn: log.voice(), TextStandIn: log.text()}
    gateway = provider().gateway
    message_id = await world.load(people(1, lambda _: device[provider]))
    await world.work(gateway)
    delivery = await world.one(message_id)
    assert (delivery.gateway, delivery.reference is None) == (gateway.name, False)
    return Sent(world, message_id, delivery, gateway)


def by_mailgun(
    event: object, *, key: str = SIGNING_KEY, age: timedelta = timedelta(0), **altered: Any
) -> Signed:
    """A webhook; what is `altered` in its signature is altered after it was signed."""
    timestamp = str(int((NOON - age).timestamp()))
    signature = hmac.new(key.encode(), f"{timestamp}0123456789".encode(), "sha256").hexdigest()
    seal = {"timestamp": timestamp, "token": "0123456789", "signature": signature} | altered
    body = json.dumps({"signature": seal, "event-data": event}).encode()
    return "/callbacks/mailgun", body, {"content-type": "application/json"}


def happened(sent: Sent, name: str, **more: Any) -> dict[str, Any]:
    """An event of Mailgun's about the delivery."""
    about = {"timestamp": NOON.timestamp() + 1, "user-variables": {"delivery": sent.key}}
    return {"event": name} | about | more


def by_twilio(target: str, *, token: str = AUTH_TOKEN, **fields: str) -> Signed:
    """A status callback."""
    history = "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.digest(token.encode(), f"{PUBLIC_URL}{target}{history}".encode(), "sha1")
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": b64encode(digest).decode(),
    }
    return target, urlencode(fields).encode(), headers


def about(sent: Sent, kind: str, *, token: str = AUTH_TOKEN, **fields: str) -> Signed:
    """A status callback about the delivery."""
    named = "MessageSid" if kind == "text" else "CallSid"
    fields = {named: sent.delivery.reference or ""} | fields
    return by_twilio(f"/callbacks/twilio/{kind}?delivery={sent.key}", token=token, **fields)


@pytest.mark.parametrize(
    ("provider", "word", "status", "code"),
    [
        (MailgunStandIn, "delivered", DeliveryStatus.DELIVERED, None),
        (MailgunStandIn, "failed", DeliveryStatus.FAILED, None),
        (CallStandIn, "busy", DeliveryStatus.FAILED, 1),
        (CallStandIn, "ringing", DeliveryStatus.IN_PROGRESS, None),
        (TextStandIn, "delivered", DeliveryStatus.DELIVERED, -28),
        (TextStandIn, "undelivered", DeliveryStatus.FAILED, -40),
    ],
)
async def test_what_a_provider_has_signed_moves_its_delivery_and_is_shown(
    world: World,
    provider: type[HttpStandIn],
    word: str,
    status: DeliveryStatus,
    code: int | None,
) -> None:
    delivery = await sent(world, provider)

    assert await delivery.post(_saying(delivery, provider, word)) == 200

    after = await world.one(delivery.message_id)
    assert (after.status, after.call_status) == (status, code)
    assert await delivery.heard() == [Event(status, code, EventSource.CALLBACK, word)]
    await world.recount()


def _saying(sent: Sent, provider: type[HttpStandIn], word: str) -> Signed:
    """What a provider sends when a delivery stands as `word` says."""
    if provider is MailgunStandIn:
        return by_mailgun(happened(sent, word))
    if provider is CallStandIn:
        return about(sent, "call", CallStatus=word)
    return about(sent, "text", MessageStatus=word)


@pytest.mark.parametrize("provider", [MailgunStandIn, CallStandIn, TextStandIn])
async def test_a_word_that_is_not_known_is_kept_and_moves_nothing(
    world: World, provider: type[HttpStandIn]
) -> None:
    delivery = await sent(world, provider)

    assert await delivery.post(_saying(delivery, provider, "teleported")) == 200

    assert await world.one(delivery.message_id) == delivery.delivery
    (event,) = await delivery.heard()
    assert (event.status, event.detail) == (delivery.delivery.status, "teleported")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"signature": "0" * 64}, 403),
        ({"signature": None}, 403),
        ({"token": "another"}, 403),
        ({"timestamp": str(int(NOON.timestamp()) + 1)}, 403),
        ({"key": "somebody else's"}, 403),
        ({"age": timedelta(minutes=-6)}, 403),
        ({"age": timedelta(minutes=-5)}, 200),
        ({"age": timedelta(hours=12)}, 200),
        ({"age": timedelta(hours=12, seconds=1)}, 403),
    ],
    ids=str,
)
async def test_mailgun_is_believed_by_its_signature_and_in_its_time(
    world: World, changes: dict[str, Any], status: int
) -> None:
    delivery = await sent(world, MailgunStandIn)
    before = await delivery.all_rows()

    answer = await delivery.post(by_mailgun(happened(delivery, "delivered"), **changes))

    assert answer == status
    assert (await delivery.all_rows() == before) == (status == 403)


async def test_twilio_is_believed_by_its_signature_over_address_and_fields(world: World) -> None:
    delivery = await sent(world, CallStandIn)
    before = await delivery.all_rows()
    target, body, headers = about(delivery, "call", CallStatus="busy")
    strangers = about(delivery, "call", token="somebody else's", CallStatus="busy")

    for forged in (
        strangers,
        (target, body, {"content-type": headers["content-type"]}),
        (target, body, headers | {"x-twilio-signature": "0" * 28}),
        (target, body, headers | {"x-twilio-signature": ""}),
        (f"{target}&extension=1", body, headers),
        (target, body.replace(b"busy", b"no-answer"), headers),
        (target, body + b"&AnsweredBy=human", headers),
        (target, b"", headers),
    ):
        assert await delivery.post(forged) == 403
        assert await delivery.all_rows() == before

    assert await delivery.post((target, body, headers)) == 200
    assert (await world.one(delivery.message_id)).call_status == 1


async def test_what_mailgun_said_it_cannot_say_again_nor_anybody_else_with_its_token(
    world: World,
) -> None:
    """The signature covers time and token only, so a leaked one could otherwise sign any event."""
    delivery = await sent(world, MailgunStandIn)
    assert await delivery.post(by_mailgun(happened(delivery, "opened"))) == 200
    before = await delivery.all_rows()

    for event in (happened(delivery, "opened"), happened(delivery, "failed"), {}, None):
        assert await delivery.post(by_mailgun(event)) == 406
        assert await delivery.all_rows() == before


async def test_a_fault_leaves_mailgun_s_token_good_for_the_next_try(world: World) -> None:
    delivery = await sent(world, MailgunStandIn)
    before = await delivery.all_rows()
    assert await delivery.post(by_mailgun({"event": "delivered"})) == 406
    assert await delivery.all_rows() == before

    assert await delivery.post(by_mailgun(happened(delivery, "delivered"))) == 200
    assert (await world.one(delivery.message_id)).status is DeliveryStatus.DELIVERED
    assert await world.columns_of(SEALS) == [("mailgun:0123456789",)]


async def test_what_twilio_says_again_moves_nothing(world: World) -> None:
    """Twilio signs neither time nor token. What it says again is an event, as every receipt is, and no more."""
    delivery = await sent(world, TextStandIn)
    known: set[LiveDelivery] = set()
    for word in ("delivered", "sent", "delivered", "sent"):
        assert await delivery.post(_saying(delivery, TextStandIn, word)) == 200
        known.add(await world.one(delivery.message_id))

    assert [after.status for after in known] == [DeliveryStatus.DELIVERED]
    assert [event.detail for event in await delivery.heard()] == ["delivered", "sent"] * 2
    await world.recount()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"signature": 1}', b'{"event-data": {}}', b"a=b"],
    ids=repr,
)
@pytest.mark.parametrize("path", ["/callbacks/mailgun", "/callbacks/mailgun/more?x=%"])
async def test_junk_for_mailgun_is_refused_and_changes_nothing(
    world: World, path: str, body: bytes
) -> None:
    delivery = await sent(world, MailgunStandIn)
    before = await delivery.all_rows()

    assert await delivery.post((path, body, {})) == 403
    assert await delivery.all_rows() == before


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "delivered",
        {"event": "delivered"},
        {"event": "delivered", "timestamp": 1e30},
        {"event": None, "timestamp": NOON.timestamp()},
        {"timestamp": NOON.timestamp()},
    ],
    ids=repr,
)
async def test_junk_that_mailgun_has_signed_is_refused_and_changes_nothing(
    world: World, event: object
) -> None:
    delivery = await sent(world, MailgunStandIn)
    before = await delivery.all_rows()

    assert await delivery.post(by_mailgun(event)) == 406
    assert await delivery.all_rows() == before


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("call", {"CallSid": "CA" + "0" * 32, "CallStatus": "busy"}),
        ("call?delivery=1.0.0", {"CallStatus": "busy"}),
        ("call?delivery=1.0.0", {"CallSid": "CA1", "CallStatus": "busy"}),
        ("other?delivery=1.0.0", {"CallSid": "CA" + "0" * 32, "CallStatus": "busy"}),
        ("?delivery=1.0.0", {"CallSid": "CA" + "0" * 32}),
        ("incoming", {"From": "nobody", "Body": "STOP"}),
        ("incoming", {"Body": "STOP"}),
    ],
    ids=str,
)
async def test_junk_that_twilio_has_signed_is_refused_and_changes_nothing(
    world: World, target: str, fields: dict[str, str]
) -> None:
    delivery = await sent(world, CallStandIn)
    before = await delivery.all_rows()

    assert await delivery.post(by_twilio(f"/callbacks/twilio/{target}", **fields)) == 406
    assert await delivery.all_rows() == before


@pytest.mark.parametrize("named", ["x", "999.0.0", "1.999.0", "1.0.0.7", "9" * 40 + ".0.0"])
async def test_what_is_about_no_delivery_of_ours_is_taken_and_moves_nothing(
    world: World, named: str
) -> None:
    """A 4xx would have it repeated for hours, and nothing is wrong with the request."""
    delivery = await sent(world, MailgunStandIn)
    event = happened(delivery, "delivered", **{"user-variables": {"delivery": named}})

    assert await delivery.post(by_mailgun(event)) == 200
    assert await world.one(delivery.message_id) == delivery.delivery


@pytest.mark.parametrize(
    ("word", "silent"), [("STOP", True), ("stop ", True), ("START", False), ("hello", False)]
)
async def test_who_texts_stop_gets_no_more_texts(world: World, word: str, silent: bool) -> None:
    delivery = await sent(world, TextStandIn)
    request = by_twilio("/callbacks/twilio/incoming", From=delivery.delivery.address, Body=word)

    assert await delivery.post(request) == 200

    who = "select key from address where opted_out_at is not null"
    assert await world.columns_of(who) == [(delivery.delivery.address,)] * silent


async def test_who_texts_stop_before_anything_was_sent_gets_no_text(world: World) -> None:
    await log.load(world.database, log.district(), log.district("north"))
    texts = TextStandIn()
    number = texts.good[0]
    stop = by_twilio("/callbacks/twilio/incoming", From=number, Body="STOP")
    assert [await post(world.database, texts.gateway, stop) for _ in range(2)] == [200, 200]

    first = await world.load(people(1, lambda _: log.text(number)))
    await world.work(texts.gateway)

    assert texts.taken() == []
    assert (await world.one(first)).status is DeliveryStatus.OPTED_OUT

    start = by_twilio("/callbacks/twilio/incoming", From=number, Body="START")
    assert await post(world.database, texts.gateway, start) == 200
    await world.load(people(1, lambda _: log.text(number)), id="M-2")
    await world.work(texts.gateway)

    assert texts.taken() == [number]


async def test_who_texts_start_before_anything_was_sent_leaves_no_trace(world: World) -> None:
    await log.load(world.database, log.district())
    texts = TextStandIn()
    start = by_twilio("/callbacks/twilio/incoming", From=texts.good[0], Body="START")

    assert await post(world.database, texts.gateway, start) == 200
    assert await world.columns_of("select key from address") == []
