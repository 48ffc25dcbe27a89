"""Twilio's gateway looks up calls and texts, and polls them."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest

from delivery.gateways.base import (
    CannotTell,
    Finding,
    FoundAtProvider,
    NotAtProvider,
    Sent,
    Unavailable,
)
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.gateways.stand_ins import NOON, CallStandIn, TextStandIn, TwilioStandIn, content

NUMBER = "+16125550101"
LATER = NOON + timedelta(hours=1)


def _answering(twilio: TwilioStandIn, status: int, body: Any) -> TwilioStandIn:
    twilio.take = lambda request, form: httpx2.Response(status, json=body)  # type: ignore[method-assign]
    return twilio


async def _find(twilio: TwilioStandIn, key: str = "d-0", body: str = "Late today.") -> Finding:
    handovers = twilio.handovers(NUMBER, NUMBER, of=content(body=body))
    [handover] = [one for one in handovers if one.key == key]
    return await twilio.gateway.find(handover, handed_at=NOON, now=LATER)


async def test_a_call_is_found_by_the_key_in_its_requests(calls: CallStandIn) -> None:
    handovers = calls.handovers(NUMBER, NUMBER)
    await calls.gateway.send(handovers[1:])
    of_second = calls.made[0]["sid"]

    assert await _find(calls, "d-0") == NotAtProvider()
    finding = await _find(calls, "d-1")
    assert isinstance(finding, FoundAtProvider)
    assert finding.reference == of_second


async def test_a_call_without_requests_cannot_be_attributed(calls: CallStandIn) -> None:
    await calls.gateway.send(calls.handovers(NUMBER))
    calls.called_back.clear()

    assert await _find(calls) == CannotTell("a call to this number names no delivery")


@pytest.mark.parametrize(
    ("seconds", "finding"),
    [
        (-61, NotAtProvider),
        (-60, FoundAtProvider),
        (0, FoundAtProvider),
        (300, FoundAtProvider),
        (301, NotAtProvider),
    ],
)
@pytest.mark.parametrize("provider", [CallStandIn, TextStandIn])
async def test_only_calls_created_after_the_hand_over_are_candidates(
    provider: type[TwilioStandIn], seconds: int, finding: type[Finding]
) -> None:
    twilio = provider()
    await twilio.gateway.send(twilio.handovers(NUMBER, of=content(body="Late today.")))
    twilio.made[0]["date_created"] = format_datetime(NOON + timedelta(seconds=seconds))

    assert type(await _find(twilio)) is finding


@pytest.mark.parametrize("provider", [CallStandIn, TextStandIn])
async def test_a_list_that_does_not_reach_the_hand_over_decides_nothing(
    provider: type[TwilioStandIn],
) -> None:
    twilio = provider()
    name = twilio.resource.lower()
    after = {"sid": "X", "status": "sent", "date_created": format_datetime(LATER)}
    answer = {name: [after], "next_page_uri": "/next"}
    twilio.look_up = lambda request: httpx2.Response(200, json=answer)  # type: ignore[method-assign]

    finding = await _find(twilio)

    assert finding == CannotTell("more went to this number since than Twilio lists on one page")


async def test_a_resource_without_a_time_decides_nothing(texts: TextStandIn) -> None:
    await texts.gateway.send(texts.handovers(NUMBER))
    texts.made[0]["date_created"] = "yesterday"

    assert await _find(texts) == CannotTell("Twilio lists something without its time")


async def test_a_text_is_found_by_its_body(texts: TextStandIn) -> None:
    other, ours = content(body="Another message"), content(body="“Late” – today…")
    await texts.gateway.send(texts.handovers(NUMBER, of=other))

    assert await _find(texts, body="“Late” – today…") == NotAtProvider()

    await texts.gateway.send(texts.handovers(NUMBER, of=ours))
    texts.made[0]["body"] = (
        '"Late" - today...'  # as Twilio writes it for phones that know no better
    )
    finding = await _find(texts, body="“Late” – today…")
    assert isinstance(finding, FoundAtProvider)
    assert finding.reference == texts.made[0]["sid"]
    assert finding.receipts == [
        Receipt(
            NOON,
            DeliveryStatus.IN_PROGRESS,
            -39,
            detail="queued",
            key="d-0",
            reference=finding.reference,
            address=NUMBER,
        )
    ]


async def test_two_texts_with_the_same_body_cannot_be_distinguished(texts: TextStandIn) -> None:
    for _ in range(2):
        await texts.gateway.send(texts.handovers(NUMBER, of=content(body="Late today.")))

    assert await _find(texts) == CannotTell("several texts to this number have the same body")


async def test_a_poll_reads_each_call_and_dates_it_by_its_end(calls: CallStandIn) -> None:
    await calls.gateway.send(calls.handovers(NUMBER))
    ended = NOON + timedelta(minutes=2)
    calls.made[0] |= {
        "status": "completed",
        "answered_by": "machine_end_beep",
        "end_time": format_datetime(ended),
    }
    sid = calls.made[0]["sid"]

    polled = await calls.gateway.poll([Sent("d-0", sid, DeliveryMode.VOICE, NUMBER, NOON)])

    assert polled.receipts == [
        Receipt(
            ended,
            DeliveryStatus.DELIVERED,
            6,
            detail="completed, machine_end_beep",
            key="d-0",
            reference=sid,
            address=NUMBER,
        )
    ]


async def test_a_call_to_an_extension_counts_as_preconnected(calls: CallStandIn) -> None:
    address = f"{NUMBER};ext=12"
    await calls.gateway.send(calls.handovers(address))
    calls.made[0]["status"] = "completed"
    sid = calls.made[0]["sid"]

    polled = await calls.gateway.poll([Sent("d-0", sid, DeliveryMode.VOICE, address, NOON)])

    [receipt] = polled.receipts
    assert (receipt.status, receipt.code) == (DeliveryStatus.DELIVERED, 13)


@pytest.mark.parametrize(
    ("word", "error", "status", "code"),
    [
        ("delivered", None, DeliveryStatus.DELIVERED, -28),
        ("undelivered", 30003, DeliveryStatus.FAILED, -40),
        ("failed", 21610, DeliveryStatus.OPTED_OUT, -33),
        ("teleported", None, None, None),
    ],
)
async def test_a_poll_reads_each_text(
    texts: TextStandIn,
    word: str,
    error: int | None,
    status: DeliveryStatus | None,
    code: int | None,
) -> None:
    await texts.gateway.send(texts.handovers(NUMBER))
    texts.made[0] |= {"status": word, "error_code": error}
    sid = texts.made[0]["sid"]

    polled = await texts.gateway.poll([Sent("d-0", sid, DeliveryMode.TEXT, NUMBER, NOON)])

    [receipt] = polled.receipts
    assert (receipt.status, receipt.code) == (status, code)
    assert (receipt.detail or "").startswith(word)


@pytest.mark.parametrize(
    ("reference", "requests"), [("CA" + "f" * 32, 1), ("../Recordings", 0), ("", 0)]
)
async def test_a_poll_of_an_unknown_id_returns_nothing(
    calls: CallStandIn, reference: str, requests: int
) -> None:
    sent = Sent("d-0", reference, DeliveryMode.VOICE, NUMBER, NOON)

    polled = await calls.gateway.poll([sent])

    assert (list(polled.receipts), list(polled.unanswered)) == ([], [])
    assert len(calls.requests) == requests


@pytest.mark.parametrize(
    ("status", "answer"), [(200, {}), (200, {"messages": []}), (404, {"code": 20404})]
)
async def test_an_answer_without_a_list_is_not_an_empty_list(
    calls: CallStandIn, status: int, answer: Any
) -> None:
    calls.look_up = lambda request: httpx2.Response(status, json=answer)  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        await _find(calls)


@pytest.mark.parametrize("event", [None, 5, {}, {"request": 5}, {"request": {"url": 5}}])
async def test_an_event_without_a_url_is_ignored(calls: CallStandIn, event: Any) -> None:
    await calls.gateway.send(calls.handovers(NUMBER))
    whole = calls.look_up

    def look_up(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("Events.json"):
            return httpx2.Response(200, json={"events": [event]})
        return whole(request)

    calls.look_up = look_up  # type: ignore[method-assign]

    assert await _find(calls) == CannotTell("a call to this number names no delivery")
