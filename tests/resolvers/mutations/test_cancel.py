"""`cancelMessage`: what is stopped, what the answer is, and what is refused."""

import asyncio
from datetime import timedelta

import pytest

from db.connect.database import Database
from domain.message import Source
from domain.status import MessageStatus
from domain.viewer import Right
from resolvers.mutations.cancel import LONGEST_REASON
from schema.contract import SCHEMA
from tests.log import NOON, email, load, message, recipient, school, viewer, voice
from tests.resolvers.world import World

CANCEL = """
    mutation($id: ID!, $reason: String) { cancelMessage(input: {messageId: $id, reason: $reason}) {
        __typename
        ... on CancelMessageSuccess { isNew canceledMessage {
            id status revision viewerCanCancel
            cancellation { requestedAt requestedBy { id name } reason completedAt stopped alreadySent }
        } }
        ... on MessageNotCancelable { status }
        ... on UserError { message }
    } }
"""
NOT_FOUND = {
    "__typename": "NotFound",
    "message": "There is no message with this id that you may see.",
}
LATER = NOON + timedelta(hours=1)


def waiting(id: str = "M-1") -> bytes:
    """A message to two people that is to be sent in an hour."""
    people = [recipient("p1", email()), recipient("p2", voice())]
    return message(id, people, status=None, scheduled_at=LATER)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_a_waiting_message_is_canceled_and_says_by_whom_when_and_why(world: World) -> None:
    await world.take(waiting())

    answer = await world.do(CANCEL, id="message.1", reason="  The wrong list  ")

    assert answer == {
        "__typename": "CancelMessageSuccess",
        "isNew": True,
        "canceledMessage": {
            "id": "message.1",
            "status": "CANCELED",
            "revision": 2,
            "viewerCanCancel": False,
            "cancellation": {
                "requestedAt": "2020-01-31T18:00:00+00:00",
                "requestedBy": {"id": "u1", "name": "Administrator, System"},
                "reason": "The wrong list",
                "completedAt": None,
                "stopped": 2,
                "alreadySent": 0,
            },
        },
    }
    assert world.announced == 1
    world.advance(hours=2)
    await world.work()
    assert world.provider.handed == []
    assert await world.statuses() == ["CANCELED", "CANCELED"]


async def test_handed_over_and_stopped_deliveries_are_distinguished(world: World) -> None:
    world.advance(hours=-1)
    await world.send(
        message("M-1", [recipient("p1", email())], status=None, scheduled_at=world.now)
    )

    answer = await world.do(CANCEL, id="message.1")

    canceled = answer["canceledMessage"]
    assert canceled["status"] == "CANCELED_IN_PROGRESS"
    assert canceled["cancellation"]["stopped"] == 0
    assert canceled["cancellation"]["alreadySent"] == 1
    assert canceled["cancellation"]["reason"] is None


async def test_asking_again_answers_the_same_cancellation_and_does_no_work(world: World) -> None:
    await world.take(waiting())
    first = await world.do(CANCEL, id="message.1", reason="The first")
    rows = await world.all_rows()
    world.advance(minutes=5)

    again = await world.do(CANCEL, id="message.1", reason="The second", viewer=viewer(id="u2"))

    assert again == {**first, "isNew": False}
    assert world.announced == 1
    assert await world.all_rows() == rows


async def test_twenty_cancels_at_once_are_one_cancellation(world: World) -> None:
    await world.take(waiting())

    answers = await asyncio.gather(*(world.do(CANCEL, id="message.1") for _ in range(20)))

    assert [answer["isNew"] for answer in answers].count(True) == 1
    stops = {repr(answer["canceledMessage"]["cancellation"]) for answer in answers}
    assert len(stops) == 1
    assert world.announced == 1
    assert [act[1] for act in await world.audit()] == ["CANCEL_MESSAGE"]


@pytest.mark.parametrize(
    ("status", "label"), [(MessageStatus.SENT, "Sent"), (MessageStatus.ERROR, "Error")]
)
async def test_a_message_that_has_ended_is_not_cancelable_and_nothing_changes(
    world: World, status: MessageStatus, label: str
) -> None:
    await world.take(message("M-1", [recipient("p1", email())], status=status))
    rows = await world.all_rows()

    answer = await world.do(CANCEL, id="message.1")

    assert answer == {
        "__typename": "MessageNotCancelable",
        "status": status,
        "message": f"This message is {label}. Only one that is Waiting or In-Progress can be canceled.",
    }
    assert world.announced == 0
    assert await world.all_rows() == rows


async def test_the_answer_waits_for_no_delivery(world: World) -> None:
    """Whoever would mark the rows is not there at all: the answer says what it stopped all the same."""
    people = [recipient(f"p{number}", email(f"p{number}@nomail.example")) for number in range(50)]
    await world.take(message("M-1", people, status=None, scheduled_at=LATER))

    answer = await world.do(CANCEL, id="message.1")

    assert answer["canceledMessage"]["cancellation"]["stopped"] == 50
    assert set(await world.statuses()) == {"PENDING"}


@pytest.mark.parametrize("id", ["message.2", "message.999", "school.1", "nonsense", ""])
async def test_what_may_not_be_seen_is_not_found_like_what_is_not_there(
    world: World, id: str
) -> None:
    east = message("M-2", [recipient("p1", email())], school="east", status=None)
    await world.take(waiting(), school("east"), east)
    rows = await world.all_rows()

    answer = await world.do(CANCEL, id=id, viewer=viewer(schools=["harrison-high"]))

    assert answer == NOT_FOUND
    assert await world.all_rows() == rows


async def test_a_scheduler_s_message_cannot_be_canceled_before_it_can_be_seen(world: World) -> None:
    hidden = message(
        "M-1", [recipient("p1", email())], status=None, scheduled_at=LATER, source=Source.SCHEDULER
    )
    await world.take(hidden)

    assert await world.do(CANCEL, id="message.1") == NOT_FOUND
    assert await world.status() == "WAITING"


@pytest.mark.parametrize("missing", [Right.CANCEL_MESSAGES, Right.VIEW_LOG])
async def test_without_the_right_nothing_is_canceled(world: World, missing: Right) -> None:
    await world.take(waiting())
    rows = await world.all_rows()

    refused = await world.refusal(
        CANCEL, id="message.1", viewer=viewer(rights=set(Right) - {missing})
    )

    assert refused == (
        "FORBIDDEN",
        f"This needs the right {missing}, which your sign-in does not have. Ask your administrator for it.",
    )
    assert await world.all_rows() == rows


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        (
            "x" * (LONGEST_REASON + 1),
            "input.reason has 1001 characters. Give the reason in at most 1000.",
        ),
        ("a\0b", "input.reason holds a NUL character, which is in no text here. Take it out."),
    ],
)
async def test_a_reason_that_cannot_be_kept_cancels_nothing(
    world: World, reason: str, problem: str
) -> None:
    await world.take(waiting())
    rows = await world.all_rows()

    assert await world.refusal(CANCEL, id="message.1", reason=reason) == ("BAD_USER_INPUT", problem)
    assert await world.all_rows() == rows


async def test_the_audit_has_who_canceled_what_from_where(world: World) -> None:
    await world.take(waiting())

    await world.do(CANCEL, id="message.1", viewer=viewer(id="u2"))

    assert await world.audit() == [("u2", "CANCEL_MESSAGE", "message.1", "192.0.2.1", "r-1")]


async def test_two_cancels_in_one_request_each_show_the_message_as_it_is_then(world: World) -> None:
    await world.take(waiting("M-1"))
    await load(world.database, waiting("M-2"))
    part = "cancelMessage(input: {messageId: $%s}) { ... on CancelMessageSuccess { isNew canceledMessage { status } } }"
    both = f"mutation($one: ID!, $two: ID!) {{ first: {part % 'one'} second: {part % 'two'} again: {part % 'one'} }}"
    context = await world.open()
    result = await SCHEMA.execute(
        both, variable_values={"one": "message.1", "two": "message.2"}, context_value=context
    )

    assert result.errors is None
    assert result.data == {
        "first": {"isNew": True, "canceledMessage": {"status": "CANCELED"}},
        "second": {"isNew": True, "canceledMessage": {"status": "CANCELED"}},
        "again": {"isNew": False, "canceledMessage": {"status": "CANCELED"}},
    }
