"""`refreshMessage`: which providers are polled, how often, how long the response waits, and the result."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from delivery.gateways.base import Accepted, Polled
from delivery.gateways.inbox import InboxGateway
from delivery.receipts import refresh
from delivery.receipts.refresh import KEEP_EVERY
from domain.message import Source
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus
from domain.viewer import Right
from resolvers.mutations.refresh import PATIENCE
from tests.log import NOON, email, message, recipient, school, text, viewer, voice
from tests.resolvers.house import House, limited

REFRESH = """
    mutation($id: ID!) { refreshMessage(input: {messageId: $id}) {
        __typename
        ... on RefreshMessageSuccess {
            refreshedMessage { id status revision } changedDeliveries refreshedAt throttledUntil
        }
        ... on UserError { message }
    } }
"""
ANSWERED = Receipt(NOON + timedelta(seconds=40), DeliveryStatus.DELIVERED, 5, detail="completed")
CALLS = [recipient("p1", voice("+16125550101")), recipient("p2", voice("+16125550102"))]


@pytest.fixture
def house(engine: AsyncEngine) -> House:
    return House(engine)


async def test_open_outcomes_are_asked_for_and_what_is_heard_is_in_the_answer(house: House) -> None:
    await house.send(message("M-1", CALLS, status=None))
    house.provider.says("1.0.0", ANSWERED)
    house.provider.says("1.1.0", ANSWERED._replace(code=0, status=DeliveryStatus.FAILED))
    house.advance(minutes=1)

    answer = await house.do(REFRESH, id="message.1")

    assert answer == {
        "__typename": "RefreshMessageSuccess",
        "refreshedMessage": {"id": "message.1", "status": "SENT", "revision": 4},
        "changedDeliveries": 2,
        "refreshedAt": "2020-01-31T18:01:00+00:00",
        "throttledUntil": None,
    }
    assert await house.statuses() == ["DELIVERED", "FAILED"]
    assert (await house.events())[-2:] == [
        ("DELIVERED", "REFRESH", "completed"),
        ("FAILED", "REFRESH", "completed"),
    ]


async def test_only_what_is_open_and_was_handed_over_is_asked_about(house: House) -> None:
    house.provider.outcomes["+16125550102"] = Accepted("r", DeliveryStatus.DELIVERED, 5)
    house.provider.outcomes["+16125550103"] = Accepted("r", DeliveryStatus.FAILED, 0)
    open_text = recipient("p4", text("+16125550104"))
    people = [*CALLS, recipient("p3", voice("+16125550103")), open_text]
    await house.send(message("M-1", people, status=None))
    await house.take(message("M-2", CALLS, status=None, scheduled_at=NOON + timedelta(hours=1)))

    await house.do(REFRESH, id="message.1")
    await house.do(REFRESH, id="message.2")

    ((first, second),) = house.provider.asked
    assert (first.key, first.reference, first.mode) == ("1.0.0", "ref 1.0.0", DeliveryMode.VOICE)
    assert (second.key, second.address, second.handed_at) == ("1.3.0", "+16125550104", NOON)


async def test_providers_are_polled_once_in_fifteen_seconds_for_all_viewers(house: House) -> None:
    await house.send(message("M-1", CALLS, status=None))
    first = await house.do(REFRESH, id="message.1")
    house.provider.says("1.0.0", ANSWERED)
    house.advance(seconds=14.999)

    throttled = await house.do(REFRESH, id="message.1", viewer=viewer(id="u2"))
    house.advance(seconds=0.001)
    second = await house.do(REFRESH, id="message.1")

    assert first["throttledUntil"] is None
    assert throttled == {
        **first,
        "changedDeliveries": 0,
        "throttledUntil": "2020-01-31T18:00:15+00:00",
    }
    assert second["throttledUntil"] is None
    assert second["changedDeliveries"] == 1
    assert len(house.provider.asked) == 2


async def test_of_twenty_who_ask_at_once_one_asks_the_providers(house: House) -> None:
    await house.send(message("M-1", CALLS, status=None))

    answers = await asyncio.gather(*(house.do(REFRESH, id="message.1") for _ in range(20)))

    assert [answer["throttledUntil"] for answer in answers].count(None) == 1
    assert len(house.provider.asked) == 1
    assert len(await house.audit()) == 1


async def test_an_answer_comes_within_a_second_and_the_rest_goes_on_behind_it(house: House) -> None:
    await house.send(message("M-1", CALLS, status=None))
    house.provider.says("1.0.0", ANSWERED)
    house.provider.answers.clear()

    asking = asyncio.ensure_future(house.do(REFRESH, id="message.1"))
    while PATIENCE not in house.naps.running or not house.provider.asked:  # noqa: ASYNC110  # a turn of the loop
        await asyncio.sleep(0)
    house.naps.wake(PATIENCE)
    answer = await asking

    assert answer["changedDeliveries"] == 0
    assert answer["refreshedMessage"]["status"] == "IN_PROGRESS"
    house.provider.answers.set()
    await house.backstage.errands.settled()
    assert await house.statuses() == ["DELIVERED", "IN_PROGRESS"]


async def test_while_it_goes_on_nobody_else_asks_however_long_a_page_takes(house: House) -> None:
    """A refresh that runs keeps its turn, so that no second process begins beside it."""
    await house.send(message("M-1", CALLS, status=None))
    house.provider.answers.clear()
    asking = asyncio.ensure_future(house.do(REFRESH, id="message.1"))
    await begun(house)
    house.naps.wake(PATIENCE)
    await asking
    for times in range(1, 7):
        house.advance(seconds=KEEP_EVERY)
        house.naps.wake(KEEP_EVERY)
        while house.naps.asked.count(KEEP_EVERY) == times:  # noqa: ASYNC110  # a turn of the loop
            await asyncio.sleep(0)

    before = await house.all_rows()
    throttled = await house.do(REFRESH, id="message.1", viewer=viewer(id="u2"))

    assert len(house.provider.asked) == 1
    assert throttled["refreshedAt"] == "2020-01-31T18:00:30+00:00"
    assert throttled["throttledUntil"] == "2020-01-31T18:00:45+00:00"
    assert await house.all_rows() == before
    house.provider.answers.set()
    await house.backstage.errands.settled()
    house.advance(seconds=15)
    assert (await house.do(REFRESH, id="message.1"))["throttledUntil"] is None


async def test_a_process_that_stood_still_leaves_the_refresh_to_the_one_that_took_its_turn(
    house: House,
) -> None:
    await house.send(message("M-1", CALLS, status=None))
    house.provider.answers.clear()
    first = asyncio.ensure_future(house.do(REFRESH, id="message.1"))
    await begun(house)
    house.naps.wake(PATIENCE)
    await first
    house.advance(seconds=16)
    second = asyncio.ensure_future(house.do(REFRESH, id="message.1"))
    await begun(house, pages=2)
    house.naps.wake(PATIENCE)
    await second

    house.advance(seconds=KEEP_EVERY)
    house.naps.wake(KEEP_EVERY)
    while house.naps.asked.count(KEEP_EVERY) < 3:  # noqa: ASYNC110  # a turn of the loop
        await asyncio.sleep(0)
    while house.naps.running != [KEEP_EVERY]:  # noqa: ASYNC110  # a turn of the loop
        await asyncio.sleep(0)
    house.provider.says("1.0.0", ANSWERED)
    house.provider.answers.set()
    await house.backstage.errands.settled()

    assert len(house.provider.asked) == 2
    assert [event for event in await house.events() if event[1] == "REFRESH"] == [
        ("DELIVERED", "REFRESH", "completed")
    ]


async def begun(house: House, *, pages: int = 1) -> None:
    """Wait until the provider was asked, the answer waits for it, and the refresh keeps its turn."""
    while (  # noqa: ASYNC110  # a turn of the loop
        PATIENCE not in house.naps.running
        or house.naps.running.count(KEEP_EVERY) < pages
        or len(house.provider.asked) < pages
    ):
        await asyncio.sleep(0)


async def test_a_provider_that_is_down_is_asked_for_one_page_and_nothing_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "FIRST_PAGE", 1)
    await house.send(message("M-1", CALLS, status=None))
    house.provider.is_down = True

    answer = await house.do(REFRESH, id="message.1")

    assert answer["changedDeliveries"] == 0
    assert len(house.provider.asked) == 1
    house.provider.is_down = False
    house.provider.says("1.1.0", ANSWERED)
    house.advance(seconds=15)
    assert (await house.do(REFRESH, id="message.1"))["changedDeliveries"] == 1


async def test_a_provider_that_was_exchanged_since_is_not_asked_about_what_the_other_had(
    house: House,
) -> None:
    await house.send(message("M-1", CALLS, status=None))
    other = limited(house, gateways=dict.fromkeys(DeliveryMode, InboxGateway()))
    progress = refresh.Progress()

    await refresh.refresh(other, 1, progress, taken_at=NOON)

    assert progress.changed == 0
    assert await house.statuses() == ["IN_PROGRESS", "IN_PROGRESS"]


async def test_a_gateway_that_fails_when_it_is_asked_is_in_the_log_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> Polled:
        raise RuntimeError("a fault of the gateway")

    await house.send(message("M-1", CALLS, status=None))
    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(house.provider, "poll", fail)
        answer = await house.do(REFRESH, id="message.1")

    assert answer["changedDeliveries"] == 0
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "the gateway failed to poll"
    ]
    house.provider.says("1.0.0", ANSWERED)
    house.advance(seconds=15)
    assert (await house.do(REFRESH, id="message.1"))["changedDeliveries"] == 1


async def test_history_is_refreshed_without_a_provider(house: House) -> None:
    await house.take(message("M-1", [recipient("p1", email(status=DeliveryStatus.SENT))]))

    answer = await house.do(REFRESH, id="message.1")

    assert answer["changedDeliveries"] == 0
    assert house.provider.asked == []


async def test_what_goes_wrong_behind_an_answer_is_masked_and_leaves_the_log_as_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> int:
        raise RuntimeError("the database is gone")

    await house.send(message("M-1", CALLS, status=None))
    monkeypatch.setattr(refresh, "take_in", fail)

    code, problem = await house.refusal(REFRESH, id="message.1")

    assert code == "INTERNAL"
    assert "gone" not in problem
    assert await house.statuses() == ["IN_PROGRESS", "IN_PROGRESS"]


@pytest.mark.parametrize("id", ["message.1", "message.2", "message.999", "nonsense"])
async def test_what_may_not_be_seen_is_not_found_and_nobody_is_asked(house: House, id: str) -> None:
    later = NOON + timedelta(hours=1)
    hidden = message("M-2", CALLS, status=None, scheduled_at=later, source=Source.SCHEDULER)
    await house.send(school("east"), message("M-1", CALLS, status=None, school="east"), hidden)

    answer = await house.do(REFRESH, id=id, viewer=viewer(schools=["harrison-high"]))

    assert answer == {
        "__typename": "NotFound",
        "message": "There is no message with this id that you may see.",
    }
    assert house.provider.asked == []
    assert await house.audit() == []


async def test_view_log_is_the_right_to_refresh(house: House) -> None:
    await house.send(message("M-1", CALLS, status=None))

    sees = await house.do(REFRESH, id="message.1", viewer=viewer(rights=[Right.VIEW_LOG]))
    house.advance(seconds=15)
    code, _ = await house.refusal(REFRESH, id="message.1", viewer=viewer(rights=[]))

    assert sees["__typename"] == "RefreshMessageSuccess"
    assert code == "FORBIDDEN"
    assert len(house.provider.asked) == 1


async def test_the_audit_has_who_asked_the_providers_and_not_who_was_throttled(
    house: House,
) -> None:
    await house.send(message("M-1", CALLS, status=None))

    await house.do(REFRESH, id="message.1", viewer=viewer(id="u2"))
    await house.do(REFRESH, id="message.1", viewer=viewer(id="u3"))

    assert await house.audit() == [("u2", "REFRESH_MESSAGE", "message.1", "192.0.2.1", "r-1")]
