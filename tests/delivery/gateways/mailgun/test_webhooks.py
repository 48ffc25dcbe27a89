"""Mailgun's webhooks: signatures, and events as receipts."""

import hmac
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from delivery.gateways.base import Callback, Forged, Malformed, SingleUseToken
from delivery.gateways.mailgun.codes import STATUSES
from delivery.gateways.mailgun.events import CALLBACKS_GOOD_FOR
from delivery.gateways.mailgun.gateway import MailgunGateway
from domain.receipts import Receipt
from domain.status import DeliveryStatus
from tests.delivery.gateways.stand_ins import MAIL_FROM, NOON, SIGNING_KEY, MailgunStandIn

HEATHER, _, _ = MailgunStandIn.good
LATER = NOON + timedelta(hours=1)


def webhook(event: dict[str, Any], **changes: Any) -> Callback:
    """Return a signed webhook of Mailgun; `changes` are applied to its signature afterwards."""
    timestamp = changes.pop("signed_at", str(int(NOON.timestamp())))
    signed = f"{timestamp}0123456789abcdef"
    signature = {
        "timestamp": timestamp,
        "token": "0123456789abcdef",
        "signature": hmac.new(SIGNING_KEY.encode(), signed.encode(), "sha256").hexdigest(),
    } | changes
    body = json.dumps({"signature": signature, "event-data": event}).encode()
    return Callback(target="/callbacks/mailgun", headers={}, body=body)


def test_mailgun_s_signature_is_accepted_and_its_token_is_single_use(
    mailgun: MailgunStandIn,
) -> None:
    seal = mailgun.gateway.verify(webhook({}), now=NOON)

    assert seal == SingleUseToken("mailgun:0123456789abcdef", NOON + CALLBACKS_GOOD_FOR)


@pytest.mark.parametrize(
    "changes",
    [
        {"token": "another"},
        {"timestamp": str(int(NOON.timestamp()) + 1)},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": "é"},
        {"signature": None},
    ],
)
def test_a_wrong_signature_is_refused(mailgun: MailgunStandIn, changes: dict[str, Any]) -> None:
    with pytest.raises(Forged):
        mailgun.gateway.verify(webhook({}, **changes), now=NOON)


@pytest.mark.parametrize(
    ("age", "holds"),
    [
        (timedelta(minutes=-6), False),
        (timedelta(minutes=-5), True),
        (timedelta(hours=12), True),
        (timedelta(hours=12, seconds=1), False),
    ],
)
def test_an_old_or_future_signature_is_refused(
    mailgun: MailgunStandIn, age: timedelta, holds: bool
) -> None:
    callback = webhook({})
    if holds:
        assert mailgun.gateway.verify(callback, now=NOON + age)
    else:
        with pytest.raises(Forged):
            mailgun.gateway.verify(callback, now=NOON + age)


@pytest.mark.parametrize("signed_at", ["9" * 400, "1e9", "٣", "-1"])
def test_an_invalid_time_is_refused(mailgun: MailgunStandIn, signed_at: str) -> None:
    with pytest.raises(Forged):
        mailgun.gateway.verify(webhook({}, signed_at=signed_at), now=NOON)


@pytest.mark.parametrize(("word", "status"), STATUSES.items())
def test_events_have_their_statuses(
    mailgun: MailgunStandIn, word: str, status: DeliveryStatus
) -> None:
    event = mailgun.event(word, HEATHER, "d-0")

    parsed = mailgun.gateway.parse(webhook(event), now=LATER)

    assert parsed.receipts == [
        Receipt(
            NOON,
            status,
            detail=word,
            key="d-0",
            reference="1@mg.example",
            address=HEATHER,
            is_complaint=word == "complained",
        )
    ]
    assert parsed.reply is None


def test_a_temporary_failure_is_retried_by_mailgun(mailgun: MailgunStandIn) -> None:
    event = mailgun.event("failed", HEATHER, "d-0", severity="temporary", reason="generic")

    [receipt] = mailgun.gateway.parse(webhook(event), now=NOON).receipts

    assert receipt.status is DeliveryStatus.SENT


def test_the_reason_of_a_failure_has_no_address(mailgun: MailgunStandIn) -> None:
    status = {"code": 550, "message": f"5.1.1 <{HEATHER}>: no such user"}
    event = mailgun.event(
        "failed",
        HEATHER,
        "d-0",
        severity="permanent",
        reason="bounce",
        **{"delivery-status": status},
    )

    [receipt] = mailgun.gateway.parse(webhook(event), now=NOON).receipts

    assert receipt.status is DeliveryStatus.FAILED
    assert receipt.detail == "failed, permanent, bounce, 550, 5.1.1 <[address]>: no such user"
    assert receipt.failure == "5.1.1"


def test_an_unknown_word_is_kept_as_it_is(mailgun: MailgunStandIn) -> None:
    event = mailgun.event("teleported", HEATHER, "d-0")

    [receipt] = mailgun.gateway.parse(webhook(event), now=NOON).receipts

    assert (receipt.status, receipt.detail) == (None, "teleported")


@pytest.mark.parametrize(
    "event", [None, [], "x", {}, {"event": "delivered"}, {"event": 5, "timestamp": 1}]
)
def test_an_event_without_name_or_time_is_malformed(mailgun: MailgunStandIn, event: Any) -> None:
    with pytest.raises(Malformed):
        mailgun.gateway.parse(webhook(event), now=NOON)


@pytest.mark.parametrize("variables", [[], {}, {"delivery": "%recipient.delivery%"}], ids=repr)
def test_an_event_without_our_key_has_none_and_names_its_recipient(
    mailgun: MailgunStandIn, variables: object
) -> None:
    event = mailgun.event("delivered", HEATHER, "d-0", message={}, **{"user-variables": variables})

    [receipt] = mailgun.gateway.parse(webhook(event), now=NOON).receipts

    assert (receipt.key, receipt.reference, receipt.address) == (None, None, HEATHER)


def test_without_a_signing_key_every_callback_is_refused() -> None:
    gateway = MailgunGateway(
        httpx2.AsyncClient(),
        url="https://api.mailgun.example",
        domain="mg.plainview.example",
        key="key",
        signing_key=None,
        mail_from=MAIL_FROM,
    )

    with pytest.raises(Forged):
        gateway.verify(webhook({}), now=NOON)
