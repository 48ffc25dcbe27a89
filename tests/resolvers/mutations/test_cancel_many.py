"""`cancelMessages`: one result for each id, in their order, each as `cancelMessage` would give it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from db.connect.database import Database
from domain.status import MessageStatus
from domain.viewer import Right, Viewer
from resolvers.mutations.cancel import LONGEST_REASON, cancel_by_viewer
from resolvers.mutations.cancel_many import MOST
from schema.contract import SCHEMA
from tests.log import NOON, email, message, recipient, school, viewer
from tests.resolvers.world import World
from tests.statements import recorded

CANCEL = """
    mutation($ids: [ID!]!, $reason: String) { cancelMessages(input: {messageIds: $ids, reason: $reason}) {
        __typename
        ... on CancelMessageSuccess { isNew canceledMessage { id status cancellation { reason stopped } } }
        ... on MessageNotCancelable { status }
        ... on UserError { message }
    } }
"""
ONE = "mutation($id: ID!) { cancelMessage(input: {messageId: $id}) { __typename } }"
NOT_FOUND = {
    "__typename": "NotFound",
    "message": "There is no message with this id that you may see.",
}
LATER = NOON + timedelta(hours=1)


def waiting(number: int, **fields: Any) -> bytes:
    """A message to one person that is to be sent in an hour."""
    people = [recipient(f"p{number}", email(f"p{number}@nomail.example"))]
    return message(f"M-{number}", people, status=None, scheduled_at=LATER, **fields)


def canceled(id: int, *, is_new: bool = True, reason: str | None = None) -> Mapping[str, Any]:
    return {
        "__typename": "CancelMessageSuccess",
        "isNew": is_new,
        "canceledMessage": {
            "id": f"message.{id}",
            "status": "CANCELED",
            "cancellation": {"reason": reason, "stopped": 1},
        },
    }


@pytest.fixture
async def world(database: Database) -> World:
    """Three messages that wait."""
    world = World(database)
    await world.take(*map(waiting, (1, 2, 3)))
    return world


async def cancel(
    world: World, *ids: object, viewer: Viewer | None = None, reason: str | None = None
) -> Sequence[Mapping[str, Any]]:
    """The results for messages with these numbers, or with these ids."""
    spelled = [f"message.{id}" if isinstance(id, int) else id for id in ids]
    result = await SCHEMA.execute(
        CANCEL,
        variable_values={"ids": spelled, "reason": reason},
        context_value=await world.open(viewer),
    )
    assert result.errors is None, result.errors
    assert result.data is not None
    results: Sequence[Mapping[str, Any]] = orjson.loads(orjson.dumps(result.data["cancelMessages"]))
    return results


async def test_each_message_has_its_result_in_the_order_of_the_ids(world: World) -> None:
    answer = await cancel(world, 3, 1, 2, reason=" The wrong list ")

    assert answer == [canceled(id, reason="The wrong list") for id in (3, 1, 2)]
    assert world.announced == 3
    assert await world.audit() == [
        ("u1", "CANCEL_MESSAGE", f"message.{id}", "192.0.2.1", "r-1") for id in (3, 1, 2)
    ]
    world.advance(hours=2)
    await world.work()
    assert world.provider.handed == []


async def test_what_cannot_be_canceled_does_not_keep_others_from_it(world: World) -> None:
    sent = message("M-4", [recipient("p4", email())], status=MessageStatus.SENT)
    await world.take(sent, school("east"), waiting(5, school="east"), waiting(6, school="east"))
    clerk = viewer(schools=["east"])

    answer = await cancel(world, 4, 99, "nonsense", "school.1", 2)
    limited = await cancel(world, 1, 5, viewer=clerk)

    assert answer == [
        {
            "__typename": "MessageNotCancelable",
            "status": "SENT",
            "message": "This message is Sent. Only one that is Waiting or In-Progress can be canceled.",
        },
        NOT_FOUND,
        NOT_FOUND,
        NOT_FOUND,
        canceled(2),
    ]
    assert limited == [NOT_FOUND, canceled(5)]
    assert [await world.status(id) for id in (1, 3, 6)] == ["WAITING"] * 3


async def test_an_id_that_is_given_twice_is_canceled_once(world: World) -> None:
    answer = await cancel(world, 1, 2, 1, 1)

    assert answer == [canceled(1), canceled(2), *[canceled(1, is_new=False)] * 2]
    assert len(await world.audit()) == 2


async def test_again_answers_the_same_cancellations_and_does_no_work(world: World) -> None:
    await world.do(ONE, id="message.2")
    first = await cancel(world, 1, 2, reason="The first")
    rows = await world.all_rows()

    again = await cancel(world, 1, 2, reason="The second")

    assert first == [canceled(1, reason="The first"), canceled(2, is_new=False)]
    assert again == [{**one, "isNew": False} for one in first]
    assert await world.all_rows() == rows
    assert world.announced == 2


@pytest.mark.parametrize("count", [0, MOST + 1])
async def test_too_few_and_too_many_ids_are_refused_with_their_number(
    world: World, count: int
) -> None:
    rows = await world.all_rows()

    refused = await world.refusal(CANCEL, ids=["message.1"] * count)

    assert refused == (
        "BAD_USER_INPUT",
        f"input.messageIds has {count} ids. Give 1 to 100 at once.",
    )
    assert await world.all_rows() == rows


async def test_a_hundred_ids_are_taken(world: World) -> None:
    answer = await cancel(world, *range(1, MOST + 1))

    assert answer == [canceled(1), canceled(2), canceled(3), *[NOT_FOUND] * 97]


async def test_a_reason_that_is_too_long_cancels_nothing(world: World) -> None:
    rows = await world.all_rows()

    refused = await world.refusal(CANCEL, ids=["message.1"], reason="x" * (LONGEST_REASON + 1))

    assert refused == (
        "BAD_USER_INPUT",
        "input.reason has 1001 characters. Give the reason in at most 1000.",
    )
    assert await world.all_rows() == rows


@pytest.mark.parametrize("missing", [Right.CANCEL_MESSAGES, Right.VIEW_LOG])
async def test_without_the_right_nothing_is_canceled(world: World, missing: Right) -> None:
    rows = await world.all_rows()

    refused = await world.refusal(
        CANCEL, ids=["message.1"], viewer=viewer(rights=set(Right) - {missing})
    )

    assert refused == (
        "FORBIDDEN",
        f"This needs the right {missing}, which your sign-in does not have. Ask your administrator for it.",
    )
    assert await world.all_rows() == rows


async def test_a_fault_is_raised_after_the_others_are_canceled_and_a_second_call_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(context: Any, message_id: int, **more: Any) -> Any:
        if message_id == 2:
            raise ZeroDivisionError
        return await cancel_by_viewer(context, message_id, **more)

    monkeypatch.setattr("resolvers.mutations.cancel_many.cancel_by_viewer", failing)
    with capture_logs() as entries:
        code, _ = await world.refusal(CANCEL, ids=[f"message.{id}" for id in (1, 2, 3)])
    monkeypatch.undo()

    assert code == "INTERNAL"
    logged = [entry for entry in entries if entry["event"] == "a message could not be canceled"]
    assert [entry["message_id"] for entry in logged] == ["message.2"]
    assert [await world.status(id) for id in (1, 2, 3)] == ["CANCELED", "WAITING", "CANCELED"]
    assert await cancel(world, 1, 2, 3) == [
        canceled(1, is_new=False),
        canceled(2),
        canceled(3, is_new=False),
    ]


async def test_messages_are_read_by_one_statement_however_many_they_are(world: World) -> None:
    """The transactions of the cancellations are one for each; what is read before and after is read together."""
    sent = [
        message(f"S-{n}", [recipient("p1", email())], status=MessageStatus.SENT) for n in range(50)
    ]
    await world.take(*sent)
    taken = []
    for size in (1, 50):
        ids = [f"message.{4 + n}" for n in range(size)]
        context = await world.open()
        with recorded(world.database) as statements:
            await SCHEMA.execute(CANCEL, variable_values={"ids": ids}, context_value=context)
        reads = [one for one in statements if "message.external_id" in one.text]
        taken.append(len(reads))

    assert taken == [2, 2] if not world.database.is_postgresql else [0, 0]
