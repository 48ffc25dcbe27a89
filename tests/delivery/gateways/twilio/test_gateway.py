from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import httpx2
import pytest

from delivery.gateways.base import Accepted, NotAccepted, Outcome, Refused, Unsure
from delivery.gateways.twilio.codes import CALL_ERRORS, TEXT_ERRORS
from domain.message import BodyFormat
from domain.receipts import status_of_code
from domain.status import DeliveryStatus
from tests.delivery.gateways.stand_ins import (
    NOON,
    PUBLIC_URL,
    CallStandIn,
    TextStandIn,
    TwilioStandIn,
    content,
)

NUMBER = "+16125550101"
LATER = NOON + timedelta(hours=1)


# Requests


async def test_a_call_speaks_the_message_and_asks_for_0(calls: CallStandIn) -> None:
    outcomes = await calls.gateway.send(calls.handovers(NUMBER))

    [form] = calls.forms
    gather = ElementTree.fromstring(form["Twiml"][0])[0]
    assert [say.text for say in gather] == [
        "Calvin was late today.",
        "To confirm that you have received this message, press 0.",
    ]
    assert gather.get("action") == f"{PUBLIC_URL}/callbacks/twilio/confirm?delivery=d-0"
    assert form["To"] == [NUMBER]
    assert form["From"] == ["+16125550199"]
    assert form["StatusCallback"] == [f"{PUBLIC_URL}/callbacks/twilio/call?delivery=d-0"]
    assert form["StatusCallbackEvent"] == ["initiated", "completed"]
    assert form["MachineDetection"] == ["DetectMessageEnd"]
    assert outcomes == [Accepted("CA" + "0" * 32, DeliveryStatus.IN_PROGRESS, None, "queued")]


async def test_a_call_speaks_its_script_if_there_is_one(calls: CallStandIn) -> None:
    said = content(voice_script="This is Plainview.\nSchool is closed.", body="<b>closed</b>")

    await calls.gateway.send(calls.handovers(NUMBER, of=said))

    [gather] = ElementTree.fromstring(calls.forms[0]["Twiml"][0])
    assert gather[0].text == "This is Plainview. School is closed."


async def test_an_extension_is_dialed_after_the_number(calls: CallStandIn) -> None:
    [outcome] = await calls.gateway.send(calls.handovers(f"{NUMBER};ext=12"))

    [form] = calls.forms
    assert form["To"] == [NUMBER]
    assert form["SendDigits"] == ["wwww12"]
    assert "MachineDetection" not in form
    assert form["StatusCallback"][0].endswith("?delivery=d-0&extension=1")
    assert isinstance(outcome, Accepted)


async def test_any_key_comes_back_unchanged(calls: CallStandIn) -> None:
    [handover] = calls.handovers(NUMBER)
    odd = type(handover)(
        key="a&b=c/d e", mode=handover.mode, address=NUMBER, content=handover.content
    )

    await calls.gateway.send([odd])

    url = calls.forms[0]["StatusCallback"][0]
    assert parse_qs(urlsplit(url).query) == {"delivery": ["a&b=c/d e"]}


async def test_a_script_that_is_too_long_is_cut_between_words(calls: CallStandIn) -> None:
    said = content(body="<school> " * 2000)

    [outcome] = await calls.gateway.send(calls.handovers(NUMBER, of=said))

    twiml = calls.forms[0]["Twiml"][0]
    assert 3900 < len(twiml) <= 4000
    assert (ElementTree.fromstring(twiml)[0][0].text or "").endswith(" <school>")
    assert isinstance(outcome, Accepted)
    assert outcome.detail == "queued, cut to fit"


async def test_a_text_has_its_own_text_or_the_body(texts: TextStandIn) -> None:
    html = content(body="<p>Hello <b>Zoë</b></p>", body_format=BodyFormat.HTML)
    await texts.gateway.send(texts.handovers(NUMBER, of=html))
    outcomes = await texts.gateway.send(texts.handovers(NUMBER, of=content(text_body="Late again")))

    assert [form["Body"] for form in texts.forms] == [["Hello Zoë"], ["Late again"]]
    assert texts.forms[0]["StatusCallback"] == [f"{PUBLIC_URL}/callbacks/twilio/text?delivery=d-0"]
    assert "MachineDetection" not in texts.forms[0]
    assert outcomes == [Accepted("SM" + f"{1:032x}", DeliveryStatus.IN_PROGRESS, -39, "queued")]


async def test_a_too_long_text_is_cut_and_its_detail_shows_that(texts: TextStandIn) -> None:
    [outcome] = await texts.gateway.send(texts.handovers(NUMBER, of=content(body="x" * 2000)))

    [body] = texts.forms[0]["Body"]
    assert body == "x" * 1599 + "…"
    assert isinstance(outcome, Accepted)
    assert outcome.detail == "queued, cut to fit"


async def test_a_number_with_an_extension_takes_no_texts(texts: TextStandIn) -> None:
    outcomes = await texts.gateway.send(texts.handovers(f"{NUMBER};ext=12"))

    assert outcomes == [
        Refused("a number with an extension takes no texts", code=-30, failure="no_texts")
    ]
    assert texts.requests == []


# Answers


@pytest.mark.parametrize(
    ("provider", "error", "code"),
    [
        *((CallStandIn, error, code) for error, code in CALL_ERRORS.items()),
        *((TextStandIn, error, code) for error, code in TEXT_ERRORS.items()),
    ],
)
async def test_an_error_about_one_number_is_a_refusal(
    provider: type[TwilioStandIn], error: int, code: int
) -> None:
    twilio = _answering(provider(), 400, {"code": error, "message": f"{NUMBER} it is not"})

    [outcome] = await twilio.gateway.send(twilio.handovers(NUMBER))

    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.code) == (status_of_code(code), code)
    assert str(error) in outcome.reason
    assert NUMBER not in outcome.reason


async def test_an_unsubscribed_number_is_opted_out(texts: TextStandIn) -> None:
    _answering(texts, 400, {"code": 21610})

    [outcome] = await texts.gateway.send(texts.handovers(NUMBER))

    assert outcome == Refused('HTTP 400: {"code":21610}', DeliveryStatus.OPTED_OUT, -33, "21610")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": 21212, "message": "our own number is wrong"}, NotAccepted),
        (400, {"code": None}, NotAccepted),
        (400, [], NotAccepted),
        (401, {"code": 20003}, NotAccepted),
        (403, {"code": 20005}, NotAccepted),
        (404, {"code": 20404}, NotAccepted),
        (429, {"code": 20429}, NotAccepted),
        (503, {}, NotAccepted),
        (500, {}, Unsure),
        (504, {}, Unsure),
        (201, {"status": "queued"}, Unsure),
        (201, [], Unsure),
    ],
)
async def test_every_other_answer_loses_nothing(
    calls: CallStandIn, status: int, body: Any, kind: type[Outcome]
) -> None:
    _answering(calls, status, body)

    [outcome] = await calls.gateway.send(calls.handovers(NUMBER))

    assert type(outcome) is kind


async def test_an_unknown_word_in_the_answer_is_kept(calls: CallStandIn) -> None:
    _answering(calls, 201, {"sid": "CA1", "status": "teleporting"})

    outcomes = await calls.gateway.send(calls.handovers(NUMBER))

    assert outcomes == [Accepted("CA1", DeliveryStatus.IN_PROGRESS, None, "teleporting")]


def _answering(twilio: TwilioStandIn, status: int, body: Any) -> TwilioStandIn:
    twilio.take = lambda request, form: httpx2.Response(status, json=body)  # type: ignore[method-assign]
    return twilio
