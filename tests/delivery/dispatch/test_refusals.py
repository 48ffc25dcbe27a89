"""Refusals: permanent ones fail, and those that an administrator can fix are retried with a warning."""

from typing import Any, Final

import httpx2
import pytest
from structlog.testing import capture_logs

from delivery.dispatch.delivery_names import spell
from domain.status import DeliveryStatus
from tests import log
from tests.delivery.gateways.stand_ins import (
    CallStandIn,
    HttpStandIn,
    MailgunStandIn,
    SmtpStandIn,
    TextStandIn,
)
from tests.delivery.world import World, call, mail, people, text_to
from tests.server.routes.test_signed_callbacks import by_twilio, post

DEVICES: Final = {TextStandIn: text_to, CallStandIn: call, MailgunStandIn: mail}


def refusing(provider: type[HttpStandIn], status: int, body: Any) -> HttpStandIn:
    refusing = provider()
    answer = httpx2.Response(status, json=body)
    refusing.take = lambda request, form: answer  # type: ignore[method-assign]
    return refusing


@pytest.mark.parametrize(
    ("provider", "body", "code"),
    [
        (TextStandIn, {"code": 21265, "message": "a short code"}, -30),
        (TextStandIn, {"code": 21266, "message": "our own number"}, -30),
        (TextStandIn, {"code": 21401, "message": "not a number"}, -2),
        (TextStandIn, {"code": 21619, "message": "no body"}, -30),
        (TextStandIn, {"code": 21635, "message": "a landline"}, -30),
        (CallStandIn, {"code": 21217, "message": "not a number"}, -2),
        (CallStandIn, {"code": 21266, "message": "our own number"}, -14),
        (MailgunStandIn, {"message": "'h:Reply-To' parameter is not a valid address"}, None),
        (MailgunStandIn, {"message": "'to' parameter is not a valid address"}, None),
    ],
    ids=str,
)
async def test_a_permanent_refusal_fails_at_once(
    world: World, provider: type[HttpStandIn], body: dict[str, Any], code: int | None
) -> None:
    stand_in = refusing(provider, 400, body)
    runtime = world.runtime_of(stand_in.gateway)
    message_id = await world.load(people(1, DEVICES[provider]))

    for _ in range(3):
        await world.work(runtime)
        world.clock.advance(hours=1)

    row = await world.one(message_id)
    assert (row.status, row.call_status, row.attempts) == (DeliveryStatus.FAILED, code, 1)
    assert len(stand_in.requests) == 1
    await world.recount()


@pytest.mark.parametrize(
    ("provider", "status", "body", "reason"),
    [
        (
            TextStandIn,
            400,
            {"code": 21606, "message": "no"},
            "SENTLOG_TWILIO_FROM cannot send texts to this destination (HTTP 400: "
            '{"code":21606,"message":"no"})',
        ),
        (
            CallStandIn,
            400,
            {"code": 21210, "message": "no"},
            "SENTLOG_TWILIO_FROM is not verified as a caller (HTTP 400: "
            '{"code":21210,"message":"no"})',
        ),
        (
            MailgunStandIn,
            400,
            {"message": "'from' parameter is not a valid address"},
            'HTTP 400: {"message":"\'from\' parameter is not a valid address"}',
        ),
        (MailgunStandIn, 401, {"message": "Forbidden"}, 'HTTP 401: {"message":"Forbidden"}'),
    ],
    ids=str,
)
async def test_a_refusal_that_an_administrator_can_fix_is_retried_and_logged_with_its_cause(
    world: World, provider: type[HttpStandIn], status: int, body: Any, reason: str
) -> None:
    stand_in = refusing(provider, status, body)
    message_id = await world.load(people(3, lambda person: DEVICES[provider](person + 1)))

    with capture_logs() as lines:
        await world.work(stand_in.gateway)

    (line,) = [line for line in lines if line["event"] == "provider did not accept"]
    assert (line["log_level"], line["deliveries"], line["reason"]) == ("warning", 3, reason)
    assert line["message_id"] == f"message.{message_id}"
    assert await world.statuses(message_id) == {"PENDING": 3}
    del stand_in.take
    world.clock.advance(minutes=1)
    await world.work(stand_in.gateway)
    assert await world.statuses(message_id) != {"PENDING": 3}
    await world.recount()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("530 5.7.0 Authentication required", DeliveryStatus.PENDING),
        ("538 5.7.11 Encryption required", DeliveryStatus.PENDING),
        ("452 4.2.2 Mailbox full", DeliveryStatus.PENDING),
        ("552 5.2.2 Mailbox full", DeliveryStatus.FAILED),
        ("550 5.7.1 Not wanted here", DeliveryStatus.FAILED),
        ("553 5.1.3 Bad address", DeliveryStatus.FAILED),
    ],
)
async def test_the_reply_of_a_mail_server_decides_between_retry_and_failure(
    world: World, reply: str, status: DeliveryStatus
) -> None:
    async with SmtpStandIn().running() as server:
        server.reply_to_recipient = reply
        message_id = await world.load(people(1, lambda _: log.email("zoe@nomail.example")))
        await world.work(server.gateway)

        assert (await world.one(message_id)).status is status
        assert server.taken() == []


async def test_a_text_that_fails_because_of_the_account_is_logged_with_its_cause(
    world: World,
) -> None:
    texts = TextStandIn()
    message_id = await world.load(people(1, lambda _: text_to(1)))
    await world.work(texts.gateway)
    delivery = await world.one(message_id)
    fields = {
        "MessageSid": delivery.reference or "",
        "MessageStatus": "undelivered",
        "ErrorCode": "30034",
        "To": delivery.address,
    }
    target = f"/callbacks/twilio/text?delivery={spell(delivery)}"

    with capture_logs() as lines:
        assert await post(world.database, texts.gateway, by_twilio(target, **fields)) == 200

    (line,) = [line for line in lines if line["log_level"] == "warning"]
    assert (line["event"], line["code"]) == (
        "a text failed: an administrator has to fix the cause",
        30034,
    )
    assert line["reason"] == "SENTLOG_TWILIO_FROM is not registered (A2P 10DLC)"
    assert (await world.one(message_id)).call_status == -40
