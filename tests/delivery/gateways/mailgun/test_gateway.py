import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from delivery.gateways.base import (
    Accepted,
    FoundAtProvider,
    NotAccepted,
    NotAtProvider,
    Outcome,
    Refused,
    Sent,
    Unavailable,
    Unsure,
)
from delivery.gateways.mailgun.gateway import MailgunGateway
from domain.delivery_failures import REFUSED_ADDRESS
from domain.message import BodyFormat
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.gateways.stand_ins import MAIL_FROM, NOON, MailgunStandIn, content

HEATHER, CALVIN, ZOE = MailgunStandIn.good
LATER = NOON + timedelta(hours=1)


# Requests


async def test_one_request_carries_all_recipients_of_a_message(mailgun: MailgunStandIn) -> None:
    outcomes = await mailgun.gateway.send(mailgun.handovers(HEATHER, CALVIN, ZOE))

    [form] = mailgun.forms
    assert form["to"] == [HEATHER, CALVIN, ZOE]
    assert json.loads(form["recipient-variables"][0]) == {
        HEATHER: {"delivery": "d-0"},
        CALVIN: {"delivery": "d-1"},
        ZOE: {"delivery": "d-2"},
    }
    assert form["v:delivery"] == ["%recipient.delivery%"]
    assert outcomes == [Accepted("1@mg.example", DeliveryStatus.SENT)] * 3


async def test_an_email_has_its_sender_and_its_reply_address(mailgun: MailgunStandIn) -> None:
    await mailgun.gateway.send(mailgun.handovers(HEATHER))

    [request], [form] = mailgun.requests, mailgun.forms
    assert str(request.url) == "https://api.mailgun.example/v3/mg.plainview.example/messages"
    assert request.headers["authorization"] == "Basic YXBpOmtleQ=="  # api:key
    assert form["from"] == [f'"Administrator, System (Plainview Schools)" <{MAIL_FROM}>']
    assert form["h:Reply-To"] == ["office@plainview.example"]
    assert form["subject"] == ["Student Behavior"]
    assert form["text"] == ["Calvin was late today."]
    assert "html" not in form


async def test_an_html_body_comes_with_its_plain_text(mailgun: MailgunStandIn) -> None:
    html = content(body="<p>Hello <b>Zoë</b></p>", body_format=BodyFormat.HTML, reply_to=None)

    await mailgun.gateway.send(mailgun.handovers(HEATHER, of=html))

    [form] = mailgun.forms
    assert form["html"] == ["<p>Hello <b>Zoë</b></p>"]
    assert form["text"] == ["Hello Zoë"]
    assert "h:Reply-To" not in form


async def test_the_message_id_is_the_same_in_every_attempt(mailgun: MailgunStandIn) -> None:
    for of in (content(), content(), content(key="plainview M-2")):
        await mailgun.gateway.send(mailgun.handovers(HEATHER, of=of))

    first, again, other = [form["h:Message-Id"] for form in mailgun.forms]
    assert first == again != other


@pytest.mark.parametrize(
    "variable", ["recipient.delivery", "recipient_email", "unsubscribe_url", "mailing_list_x"]
)
async def test_a_variable_that_a_sender_typed_is_not_replaced(
    mailgun: MailgunStandIn, variable: str
) -> None:
    typed = f"10 %{variable}% 20 %"
    html = content(subject=typed, body=typed, body_format=BodyFormat.HTML)

    await mailgun.gateway.send(mailgun.handovers(HEATHER, of=html))

    [form] = mailgun.forms
    assert form["subject"] == form["text"] == [f"10 %\N{WORD JOINER}{variable}% 20 %"]
    assert form["html"] == [f"10 &#37;{variable}% 20 %"]


async def test_other_messages_and_repeated_addresses_go_in_separate_requests(
    mailgun: MailgunStandIn,
) -> None:
    one = mailgun.handovers(HEATHER, CALVIN, HEATHER)
    other = mailgun.handovers(ZOE, of=content(key="plainview M-2"))

    await mailgun.gateway.send([*one, *other])

    assert [form["to"] for form in mailgun.forms] == [[HEATHER, CALVIN], [HEATHER], [ZOE]]


# Answers


async def test_the_address_that_mailgun_rejects_is_found_by_halving(
    mailgun: MailgunStandIn,
) -> None:
    addresses = [f"parent{number}@nomail.example" for number in range(7)]

    outcomes = await mailgun.gateway.send(mailgun.handovers(*addresses, mailgun.bad))

    assert outcomes[:7] == [Accepted("1@mg.example", DeliveryStatus.SENT)] * 7
    assert outcomes[7] == Refused(
        "'to' parameter is not a valid address. please check documentation", failure=REFUSED_ADDRESS
    )
    assert mailgun.taken() == addresses
    assert len(mailgun.requests) == 7


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, '{"id": "<2@mg>", "message": "Queued."}', Accepted("2@mg", DeliveryStatus.SENT)),
        (200, "Mailgun Magnificent API", Unsure("HTTP 200: Mailgun Magnificent API")),
        (200, '{"message": "Queued."}', Unsure('HTTP 200: {"message": "Queued."}')),
        (
            400,
            '{"message": "from parameter is missing"}',
            NotAccepted('HTTP 400: {"message": "from parameter is missing"}'),
        ),
        (
            400,
            '{"message": "\'to\' parameter is not a valid address: x@y.z"}',
            Refused("'to' parameter is not a valid address: [address]", failure=REFUSED_ADDRESS),
        ),
        (400, "", NotAccepted("HTTP 400")),
        (301, "", NotAccepted("HTTP 301")),
        (401, "Forbidden", NotAccepted("HTTP 401: Forbidden")),
        (402, "", NotAccepted("HTTP 402")),
        (404, "Domain not found", NotAccepted("HTTP 404: Domain not found")),
        (413, "", Refused("the message is larger than Mailgun takes")),
        (500, "", Unsure("HTTP 500")),
        (502, "", Unsure("HTTP 502")),
        (503, "", NotAccepted("HTTP 503")),
    ],
)
async def test_answers_to_a_hand_over_have_their_outcomes(
    mailgun: MailgunStandIn, status: int, body: str, outcome: Outcome
) -> None:
    gateway = _answering(httpx2.Response(status, text=body))

    assert await gateway.send(mailgun.handovers(HEATHER)) == [outcome]


async def test_mailgun_s_retry_after_is_passed_on(mailgun: MailgunStandIn) -> None:
    gateway = _answering(httpx2.Response(429, headers={"Retry-After": "60"}))

    outcomes = await gateway.send(mailgun.handovers(HEATHER))

    assert outcomes == [NotAccepted("HTTP 429", timedelta(minutes=1))]


def _answering(response: httpx2.Response) -> MailgunGateway:
    return MailgunGateway(
        httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: response)),
        url="https://api.mailgun.example",
        domain="mg.plainview.example",
        key="key",
        signing_key=None,
        mail_from=MAIL_FROM,
    )


# The event log


async def test_the_event_log_is_read_page_by_page(mailgun: MailgunStandIn) -> None:
    for name in ("accepted", "failed", "delivered", "opened", "clicked"):
        mailgun.event(name, HEATHER, "d-0")

    polled = await mailgun.gateway.poll([_sent("d-0", HEATHER)])

    assert [receipt.detail for receipt in polled.receipts] == [
        *("accepted", "failed", "delivered", "opened", "clicked")
    ]
    assert len(mailgun.requests) == 4


async def test_the_key_is_sent_only_to_the_host_in_the_settings(mailgun: MailgunStandIn) -> None:
    for _ in range(3):
        mailgun.event("accepted", HEATHER, "d-0")

    await mailgun.gateway.poll([_sent("d-0", HEATHER)])

    assert {request.url.host for request in mailgun.requests} == {"api.mailgun.example"}


async def test_events_of_another_delivery_to_the_same_address_are_ignored(
    mailgun: MailgunStandIn,
) -> None:
    mailgun.event("delivered", HEATHER, "d-7")
    [handover] = mailgun.handovers(HEATHER)

    assert (await mailgun.gateway.poll([_sent("d-0", HEATHER)])).receipts == []
    finding = await mailgun.gateway.find(handover, handed_at=NOON, now=LATER)
    assert finding == NotAtProvider()


async def test_an_unreadable_event_hides_no_other(mailgun: MailgunStandIn) -> None:
    mailgun.event("accepted", HEATHER, "d-0", timestamp="noon")
    mailgun.event("delivered", HEATHER, "d-0")
    [handover] = mailgun.handovers(HEATHER)

    finding = await mailgun.gateway.find(handover, handed_at=NOON, now=LATER)

    assert isinstance(finding, FoundAtProvider)
    assert [receipt.status for receipt in finding.receipts] == [DeliveryStatus.DELIVERED]


async def test_a_missing_domain_decides_nothing_about_a_delivery(mailgun: MailgunStandIn) -> None:
    [handover] = mailgun.handovers(HEATHER)
    gateway = _answering(httpx2.Response(404, text="Domain not found"))

    with pytest.raises(Unavailable):
        await gateway.find(handover, handed_at=NOON, now=LATER)


def _sent(key: str, address: str) -> Sent:
    return Sent(key, "1@mg.example", DeliveryMode.EMAIL, address, NOON)


@pytest.mark.parametrize(
    ("page", "requests"),
    [
        ({"items": []}, 1),
        ({"items": [{}]}, 1),
        ({"items": [{}], "paging": {"next": "https://x.example/v3/events/next"}}, 20),
    ],
)
async def test_reading_events_ends_at_the_last_or_an_empty_page(
    mailgun: MailgunStandIn, page: dict[str, Any], requests: int
) -> None:
    mailgun.look_up = lambda request: httpx2.Response(200, json=page)  # type: ignore[method-assign]

    polled = await mailgun.gateway.poll([_sent("d-0", HEATHER)])

    assert (list(polled.receipts), list(polled.unanswered)) == ([], [])
    assert len(mailgun.requests) == requests
