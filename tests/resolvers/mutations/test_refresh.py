"""`refreshMessage`: which providers are polled, how often, how long the response waits, and the result."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from db.connect.database import Database
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
from tests.resolvers.world import World, limited

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
def world(database: Database) -> World:
    return World(database)


async def test_open_outcomes_are_asked_for_and_what_is_heard_is_in_the_answer(world: World) -> None:
    await world.send(message("M-1", CALLS, status=None))
    world.provider.says("1.0.0", ANSWERED)
    world.provider.says("1.1.0", ANSWERED._replace(code=0, status=DeliveryStatus.FAILED))
    world.advance(minutes=1)

    answer = await world.do(REFRESH, id="message.1")

    assert answer == {
        "__typename": "RefreshMessageSuccess",
        "refreshedMessage": {"id": "message.1", "status": "SENT", "revision": 4},
        "changedDeliveries": 2,
        "refreshedAt": "2020-01-31T18:01:00+00:00",
        "throttledUntil": None,
    }
    assert await world.statuses() == ["DELIVERED", "FAILED"]
    assert (await world.events())[-2:] == [
        ("DELIVERED", "REFRESH", "completed"),
        ("FAILED", "REFRESH", "completed"),
    ]


async def test_only_what_is_open_and_was_handed_over_is_asked_about(world: World) -> None:
    world.provider.outcomes["+16125550102"] = Accepted("r", DeliveryStatus.DELIVERED, 5)
    world.provider.outcomes["+16125550103"] = Accepted("r", DeliveryStatus.FAILED, 0)
    open_text = recipient("p4", text("+16125550104"))
    people = [*CALLS, recipient("p3", voice("+16125550103")), open_text]
    await world.send(message("M-1", people, status=None))
    await world.take(message("M-2", CALLS, status=None, scheduled_at=NOON + timedelta(hours=1)))

    await world.do(REFRESH, id="message.1")
    await world.do(REFRESH, id="message.2")

    ((first, second),) = world.provider.asked
    assert (first.key, first.reference, first.mode) == ("1.0.0", "ref 1.0.0", DeliveryMode.VOICE)
    assert (second.key, second.address, second.handed_at) == ("1.3.0", "+16125550104", NOON)


async def test_providers_are_polled_once_in_fifteen_seconds_for_all_viewers(world: World) -> None:
    await world.send(message("M-1", CALLS, status=None))
    first = await world.do(REFRESH, id="message.1")
    world.provider.says("1.0.0", ANSWERED)
    world.advance(seconds=14.999)

    throttled = await world.do(REFRESH, id="message.1", viewer=viewer(id="u2"))
    world.advance(seconds=0.001)
    second = await world.do(REFRESH, id="message.1")

    assert first["throttledUntil"] is None
    assert throttled == {
        **first,
        "changedDeliveries": 0,
        "throttledUntil": "2020-01-31T18:00:15+00:00",
    }
    assert second["throttledUntil"] is None
    assert second["changedDeliveries"] == 1
    assert len(world.provider.asked) == 2


async def test_of_twenty_who_ask_at_once_one_asks_the_providers(world: World) -> None:
    await world.send(message("M-1", CALLS, status=None))

    answers = await asyncio.gather(*(world.do(REFRESH, id="message.1") for _ in range(20)))

    assert [answer["throttledUntil"] for answer in answers].count(None) == 1
    assert len(world.provider.asked) == 1
    assert len(await world.audit()) == 1


async def test_an_answer_comes_within_a_second_and_the_rest_goes_on_behind_it(world: World) -> None:
    await world.send(message("M-1", CALLS, status=None))
    world.provider.says("1.0.0", ANSWERED)
    world.provider.answers.clear()

    asking = asyncio.ensure_future(world.do(REFRESH, id="message.1"))
    while PATIENCE not in world.naps.running or not world.provider.asked:  # noqa: ASYNC110  # a turn of the loop
        await asyncio.sleep(0)
    world.naps.wake(PATIENCE)
    answer = await asking

    assert answer["changedDeliveries"] == 0
    assert answer["refreshedMessage"]["status"] == "IN_PROGRESS"
    world.provider.answers.set()
    await world.process_services.background_tasks.settled()
    assert await world.statuses() == ["DELIVERED", "IN_PROGRESS"]


async def test_while_it_goes_on_nobody_else_asks_however_long_a_page_takes(world: World) -> None:
    """A refresh that runs keeps its turn, so that no second process begins beside it."""
    await world.send(message("M-1", CALLS, status=None))
    world.provider.answers.clear()
    asking = asyncio.ensure_future(world.do(REFRESH, id="message.1"))
    await begun(world)
    world.naps.wake(PATIENCE)
    await asking
    for times in range(1, 7):
        world.advance(seconds=KEEP_EVERY)
        world.naps.wake(KEEP_EVERY)
        while world.naps.asked.count(KEEP_EVERY) == times:  # noqa: ASYNC110  # a turn of the loop
            await asyncio.sleep(0)

    before = await world.all_rows()
    throttled = await world.do(REFRESH, id="message.1", viewer=viewer(id="u2"))

    assert len(world.provider.asked) == 1
    assert throttled["refreshedAt"] == "2020-01-31T18:00:30+00:00"
    assert throttled["throttledUntil"] == "2020-01-31T18:00:45+00:00"
    assert await world.all_rows() == before
    world.provider.answers.set()
    await world.process_services.background_tasks.settled()
    world.advance(seconds=15)
    assert (await world.do(REFRESH, id="message.1"))["throttledUntil"] is None


async def test_a_process_that_stood_still_leaves_the_refresh_to_the_one_that_took_its_turn(
    world: World,
) -> None:
    await world.send(message("M-1", CALLS, status=None))
    world.provider.answers.clear()
    first = asyncio.ensure_future(world.do(REFRESH, id="message.1"))
    await begun(world)
    world.naps.wake(PATIENCE)
    await first
    world.advance(seconds=16)
    second = asyncio.ensure_future(world.do(REFRESH, id="message.1"))
    await begun(world, pages=2)
    world.naps.wake(PATIENCE)
    await second

    world.advance(seconds=KEEP_EVERY)
    world.naps.wake(KEEP_EVERY)
    while world.naps.asked.count(KEEP_EVERY) < 3:  # noqa: ASYNC110  # a turn of the loop
        await asyncio.sleep(0)
    while world.naps.running != [KEEP_EVERY]:  # noqa: ASYNC110  # a turn of the loop
        await asyncio.sleep(0)
    world.provider.says("1.0.0", ANSWERED)
    world.provider.answers.set()
    await world.process_services.background_tasks.settled()

    assert len(world.provider.asked) == 2
    assert [event for event in await world.events() if event[1] == "REFRESH"] == [
        ("DELIVERED", "REFRESH", "completed")
    ]


async def begun(world: World, *, pages: int = 1) -> None:
    """Wait until the provider was asked, the answer waits for it, and the refresh keeps its turn."""
    while (  # noqa: ASYNC110  # a turn of the loop
        PATIENCE not in world.naps.running
        or world.naps.running.count(KEEP_EVERY) < pages
        or len(world.provider.asked) < pages
    ):
        await asyncio.sleep(0)


async def test_a_provider_that_is_down_is_asked_for_one_page_and_nothing_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "FIRST_PAGE", 1)
    await world.send(message("M-1", CALLS, status=None))
    world.provider.is_down = True

    answer = await world.do(REFRESH, id="message.1")

    assert answer["changedDeliveries"] == 0
    assert len(world.provider.asked) == 1
    world.provider.is_down = False
    world.provider.says("1.1.0", ANSWERED)
    world.advance(seconds=15)
    assert (await world.do(REFRESH, id="message.1"))["changedDeliveries"] == 1


async def test_a_provider_that_was_exchanged_since_is_not_asked_about_what_the_other_had(
    world: World,
) -> None:
    await world.send(message("M-1", CALLS, status=None))
    other = limited(world, gateways=dict.fromkeys(DeliveryMode, InboxGateway()))
    progress = refresh.RefreshProgress()

    await refresh.refresh(other, 1, progress, taken_at=NOON)

    assert progress.changed == 0
    assert await world.statuses() == ["IN_PROGRESS", "IN_PROGRESS"]


async def test_a_gateway_that_fails_when_it_is_asked_is_in_the_log_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> Polled:
        raise RuntimeError("a fault of the gateway")

    await world.send(message("M-1", CALLS, status=None))
    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(world.provider, "poll", fail)
        answer = await world.do(REFRESH, id="message.1")

    assert answer["changedDeliveries"] == 0
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "the gateway failed to poll"
    ]
    world.provider.says("1.0.0", ANSWERED)
    world.advance(seconds=15)
    assert (await world.do(REFRESH, id="message.1"))["changedDeliveries"] == 1


async def test_history_is_refreshed_without_a_provider(world: World) -> None:
    await world.take(message("M-1", [recipient("p1", email(status=DeliveryStatus.SENT))]))

    answer = await world.do(REFRESH, id="message.1")

    assert answer["changedDeliveries"] == 0
    assert world.provider.asked == []


async def test_what_goes_wrong_behind_an_answer_is_masked_and_leaves_the_log_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> int:
        raise RuntimeError("the database is gone")

    await world.send(message("M-1", CALLS, status=None))
    monkeypatch.setattr(refresh, "apply_receipts", fail)

    code, problem = await world.refusal(REFRESH, id="message.1")

    assert code == "INTERNAL"
    assert "gone" not in problem
    assert await world.statuses() == ["IN_PROGRESS", "IN_PROGRESS"]


@pytest.mark.parametrize("id", ["message.1", "message.2", "message.999", "nonsense"])
async def test_what_may_not_be_seen_is_not_found_and_nobody_is_asked(world: World, id: str) -> None:
    later = NOON + timedelta(hours=1)
    hidden = message("M-2", CALLS, status=None, scheduled_at=later, source=Source.SCHEDULER)
    await world.send(school("east"), message("M-1", CALLS, status=None, school="east"), hidden)

    answer = await world.do(REFRESH, id=id, viewer=viewer(schools=["harrison-high"]))

    assert answer == {
        "__typename": "NotFound",
        "message": "There is no message with this id that you may see.",
    }
    assert world.provider.asked == []
    assert await world.audit() == []


async def test_view_log_is_the_right_to_refresh(world: World) -> None:
    await world.send(message("M-1", CALLS, status=None))

    sees = await world.do(REFRESH, id="message.1", viewer=viewer(rights=[Right.VIEW_LOG]))
    world.advance(seconds=15)
    code, _ = await world.refusal(REFRESH, id="message.1", viewer=viewer(rights=[]))

    assert sees["__typename"] == "RefreshMessageSuccess"
    assert code == "FORBIDDEN"
    assert len(world.provider.asked) == 1


async def test_the_audit_has_who_asked_the_providers_and_not_who_was_throttled(
    world: World,
) -> None:
    await world.send(message("M-1", CALLS, status=None))

    await world.do(REFRESH, id="message.1", viewer=viewer(id="u2"))
    await world.do(REFRESH, id="message.1", viewer=viewer(id="u3"))

    assert await world.audit() == [("u2", "REFRESH_MESSAGE", "message.1", "192.0.2.1", "r-1")]
