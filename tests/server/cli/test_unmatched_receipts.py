"""A receipt is booked on exactly one delivery or on none: signed events over HTTP, through the real gateways."""

import hmac
import json
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select

from db.connect.database import Database
from db.tables.operations import UNMATCHED_RECEIPT
from delivery.dispatch.delivery_names import spell
from delivery.upkeep.purge import run_purge
from domain.receipts import Mismatch
from domain.status import DeliveryStatus, EventSource
from tests.delivery.gateways.stand_ins import SIGNING_KEY, CallStandIn, MailgunStandIn, TextStandIn
from tests.delivery.upkeep.purges import purge_of
from tests.delivery.world import Clock, World, call, mail, people, runtime_of, text_to
from tests.log import NOON, voice
from tests.server.routes.test_signed_callbacks import Signed, by_twilio, post

UNREPLACED: Final = {"delivery": "%recipient.delivery%"}
BATCH_ID: Final = "1@mg.example"
_tokens = count(1)


def signed(event: object) -> Signed:
    """A webhook of Mailgun's, under a token of its own."""
    timestamp, token = str(int(NOON.timestamp())), f"token-{next(_tokens)}"
    signature = hmac.new(SIGNING_KEY.encode(), f"{timestamp}{token}".encode(), "sha256").hexdigest()
    seal = {"timestamp": timestamp, "token": token, "signature": signature}
    body = json.dumps({"signature": seal, "event-data": event}).encode()
    return "/callbacks/mailgun", body, {"content-type": "application/json"}


def delivered(
    recipient: object, *, id: str | None = BATCH_ID, variables: object = UNREPLACED, **more: Any
) -> dict[str, Any]:
    """An event `delivered` of Mailgun's."""
    return {
        "event": "delivered",
        "timestamp": NOON.timestamp() + 1,
        "recipient": recipient,
        "message": {"headers": {"message-id": id}},
        "user-variables": variables,
    } | more


async def batch(world: World, size: int = 5) -> tuple[MailgunStandIn, int]:
    """A message that went to Mailgun with one request, so that all its emails have one id."""
    mailgun = MailgunStandIn()
    message_id = await world.load(people(size, mail))
    await world.work(runtime_of(world.database, Clock(), mailgun.gateway))
    assert len(mailgun.forms) == 1
    assert {row.reference for row in await world.deliveries(message_id)} == {BATCH_ID}
    return mailgun, message_id


async def kept(database: Database) -> list[tuple[Any, ...]]:
    """The unmatched receipts: gateway, reason, how often, key, id, address."""
    columns = UNMATCHED_RECEIPT.c
    statement = select(
        columns.gateway,
        columns.reason,
        columns.times,
        columns.delivery_key,
        columns.reference,
        columns.address,
    ).order_by(columns.id)
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(statement)]


@pytest.mark.parametrize("variables", [UNREPLACED, {}, None, [], {"delivery": 5}], ids=repr)
@pytest.mark.parametrize("spelled", ["p2@nomail.example", "P2@NoMail.example"])
async def test_an_event_without_our_key_is_booked_on_the_recipient_that_it_names(
    world: World, variables: object, spelled: str
) -> None:
    mailgun, message_id = await batch(world)

    assert (
        await post(world.database, mailgun.gateway, signed(delivered(spelled, variables=variables)))
        == 200
    )

    rows = await world.deliveries(message_id)
    assert [row.status for row in rows] == [
        DeliveryStatus.DELIVERED if row.address == "p2@nomail.example" else DeliveryStatus.SENT
        for row in rows
    ]
    assert [
        event.source for event in await world.events(rows[2].key) if event.detail == "delivered"
    ] == [EventSource.CALLBACK]
    assert await kept(world.database) == []
    await world.recount()


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (delivered("stranger@nomail.example"), Mismatch.NO_DELIVERY),
        (delivered("p2@nomail.example", id="2@mg.example"), Mismatch.NO_DELIVERY),
        (delivered("p2@nomail.example", id=None), Mismatch.UNNAMED),
        (delivered(None), Mismatch.UNNAMED),
        (delivered({"a": 1}), Mismatch.UNNAMED),
        (delivered("p2@nomail.example", variables={"delivery": "9.9.9"}), Mismatch.NO_DELIVERY),
        (delivered("p2@nomail.example", variables={"delivery": "1.99.0"}), Mismatch.NO_DELIVERY),
        (delivered("p2@nomail.example", variables={"delivery": "1.4.0"}), Mismatch.OTHER_ADDRESS),
        (delivered("not an address", variables={"delivery": "1.4.0"}), Mismatch.OTHER_ADDRESS),
        (delivered("a\0b", id="\0x", variables={"delivery": "\0x"}), Mismatch.NO_DELIVERY),
    ],
    ids=str,
)
async def test_an_event_of_no_delivery_is_kept_and_changes_nothing(
    world: World, event: dict[str, Any], reason: Mismatch
) -> None:
    mailgun, message_id = await batch(world)
    assert message_id == 1
    before = await world.everything()

    assert await post(world.database, mailgun.gateway, signed(event)) == 200

    assert await world.everything() == before
    assert [(gateway, why, times) for gateway, why, times, *_ in await kept(world.database)] == [
        ("mailgun", reason, 1)
    ]


async def test_an_event_that_is_repeated_is_kept_once_and_counted(world: World) -> None:
    mailgun, _ = await batch(world)
    stranger, other = delivered("stranger@nomail.example"), delivered("other@nomail.example")

    for event in (stranger, other, stranger, stranger):
        assert await post(world.database, mailgun.gateway, signed(event)) == 200

    assert await kept(world.database) == [
        ("mailgun", Mismatch.NO_DELIVERY, 3, None, BATCH_ID, "stranger@nomail.example"),
        ("mailgun", Mismatch.NO_DELIVERY, 1, None, BATCH_ID, "other@nomail.example"),
    ]


async def test_a_call_to_another_number_is_not_booked_on_the_delivery_that_it_names(
    world: World,
) -> None:
    calls = CallStandIn()
    message_id = await world.load(people(1, lambda _: call(1)))
    await world.work(calls.gateway)
    delivery = await world.one(message_id)
    before = await world.everything()
    target = f"/callbacks/twilio/call?delivery={spell(delivery)}"
    about = {"CallSid": delivery.reference or "", "CallStatus": "busy"}

    assert (
        await post(world.database, calls.gateway, by_twilio(target, To="+16125559999", **about))
        == 200
    )

    assert await world.everything() == before
    assert [why for _, why, *_ in await kept(world.database)] == [Mismatch.OTHER_ADDRESS]

    assert (
        await post(world.database, calls.gateway, by_twilio(target, To=delivery.address, **about))
        == 200
    )
    assert (await world.one(message_id)).call_status == 1


async def test_twilio_names_a_number_without_the_extension_that_it_dialed(world: World) -> None:
    calls = CallStandIn()
    message_id = await world.load(people(1, lambda _: voice("+16125550101;ext=12")))
    await world.work(calls.gateway)
    delivery = await world.one(message_id)
    target = f"/callbacks/twilio/call?delivery={spell(delivery)}&extension=1"
    fields = {"CallSid": delivery.reference or "", "CallStatus": "completed", "To": "+16125550101"}

    assert await post(world.database, calls.gateway, by_twilio(target, **fields)) == 200

    assert (await world.one(message_id)).call_status == 13
    assert await kept(world.database) == []


async def test_a_provider_that_names_what_another_was_given_is_not_believed(world: World) -> None:
    _, message_id = await batch(world, 1)
    before = await world.everything()
    delivery = await world.one(message_id)
    target = f"/callbacks/twilio/text?delivery={spell(delivery)}"
    fields = {"MessageSid": "SM" + "0" * 32, "MessageStatus": "failed"}

    assert await post(world.database, TextStandIn().gateway, by_twilio(target, **fields)) == 200

    assert await world.everything() == before
    assert await kept(world.database) == [
        ("twilio", Mismatch.OTHER_GATEWAY, 1, spell(delivery), "SM" + "0" * 32, None)
    ]


async def test_what_is_said_of_a_duplicate_that_was_never_sent_is_not_booked(world: World) -> None:
    texts = TextStandIn()
    message_id = await world.load(people(2, lambda _: text_to(0)))
    await world.work(texts.gateway)
    before = await world.everything()
    _, duplicate = await world.deliveries(message_id)
    assert duplicate.is_duplicate
    target = f"/callbacks/twilio/text?delivery={spell(duplicate)}"
    fields = {"MessageSid": "SM" + "0" * 32, "MessageStatus": "delivered"}

    assert await post(world.database, texts.gateway, by_twilio(target, **fields)) == 200

    assert await world.everything() == before
    assert [why for _, why, *_ in await kept(world.database)] == [Mismatch.NO_DELIVERY]


async def test_what_is_said_of_a_purged_message_does_not_bring_its_addresses_back(
    world: World, tmp_path: Path
) -> None:
    mailgun, message_id = await batch(world)
    keys = [spell(row) for row in await world.deliveries(message_id)]
    await run_purge(purge_of(world.database, tmp_path, before=NOON + timedelta(days=1)))
    assert await world.deliveries(message_id) == []

    event = delivered("p2@nomail.example", variables={"delivery": keys[2]})
    assert await post(world.database, mailgun.gateway, signed(event)) == 200

    assert await kept(world.database) == []
