"""`resendFailed`: which deliveries are resent, with which key, how often, and what is refused."""

import asyncio
from datetime import timedelta

import pytest

from db.connect.database import Database
from db.log.counters import of_messages
from delivery.dispatch import resend
from delivery.gateways.base import Accepted, Refused
from delivery.receipts.receipts import apply_receipts
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource, MessageStatus
from domain.viewer import Right
from tests.log import NOON, email, message, recipient, school, viewer, voice
from tests.resolvers.world import World

RESEND = """
    mutation($id: ID!, $modes: [DeliveryMode!]) { resendFailed(input: {messageId: $id, modes: $modes}) {
        __typename
        ... on ResendFailedSuccess { resentMessage { id status revision } resentDeliveries }
        ... on UserError { message }
    } }
"""
BUSY = Accepted("r", DeliveryStatus.FAILED, 0, "busy")
BOUNCED = Refused("550 no such mailbox")
ANSWERED = Accepted("r", DeliveryStatus.DELIVERED, 5)
NOBODY = "No delivery of this message has failed, or what failed is being sent again already."


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.provider.outcomes = {
        "+16125550101": BUSY,
        "+16125550102": ANSWERED,
        "gone@nomail.example": BOUNCED,
    }
    return world


def mixed() -> bytes:
    """A message of which a call and an e-mail fail, and a call does not."""
    people = [
        recipient("p1", voice("+16125550101"), email("gone@nomail.example")),
        recipient("p2", voice("+16125550102")),
    ]
    return message("M-1", people, status=None)


async def test_what_failed_because_its_address_cannot_be_read_is_not_sent_again(
    world: World,
) -> None:
    await world.send(
        message("M-1", [recipient("p1", email("heather@"), voice("555-0101"))], status=None)
    )
    before = await world.all_rows()

    answer = await world.do(RESEND, id="message.1")

    assert answer == {"__typename": "NothingToResend", "message": NOBODY}
    assert {**await world.all_rows(), "audit": []} == {**before, "audit": []}


async def test_what_failed_and_only_that_is_sent_again(world: World) -> None:
    await world.send(mixed())
    first = [one.key for one in world.provider.handed]
    world.provider.outcomes["+16125550101"] = ANSWERED
    world.provider.outcomes["gone@nomail.example"] = Accepted("r", DeliveryStatus.SENT)

    answer = await world.do(RESEND, id="message.1")

    assert answer["__typename"] == "ResendFailedSuccess"
    assert answer["resentDeliveries"] == 2
    assert answer["resentMessage"]["status"] == "IN_PROGRESS"
    assert world.announced == 1
    assert await world.statuses() == ["PENDING", "PENDING", "DELIVERED"]
    await world.work()
    assert first == ["1.0.0", "1.0.1", "1.1.0"]
    assert [one.key for one in world.provider.handed[3:]] == ["1.0.0.1", "1.0.1.1"]
    assert await world.statuses() == ["DELIVERED", "SENT", "DELIVERED"]
    assert await world.status() == "SENT"


async def test_only_the_named_modes_go_again(world: World) -> None:
    await world.send(mixed())

    answer = await world.do(RESEND, id="message.1", modes=["EMAIL"])

    assert answer["resentDeliveries"] == 1
    assert await world.statuses() == ["FAILED", "PENDING", "DELIVERED"]


async def test_each_failure_is_sent_again_at_most_once_and_a_new_failure_once_more(
    world: World,
) -> None:
    await world.send(mixed())

    first = await world.do(RESEND, id="message.1")
    rows = await world.all_rows()
    again = await world.do(RESEND, id="message.1")

    assert first["resentDeliveries"] == 2
    assert again == {"__typename": "NothingToResend", "message": NOBODY}
    assert {**await world.all_rows(), "audit": []} == {**rows, "audit": []}
    await world.work()  # it fails anew
    assert (await world.do(RESEND, id="message.1"))["resentDeliveries"] == 2
    await world.work()
    assert [one.key for one in world.provider.handed] == [
        *("1.0.0", "1.0.1", "1.1.0"),
        *("1.0.0.1", "1.0.1.1"),
        *("1.0.0.2", "1.0.1.2"),
    ]


async def test_of_twenty_who_ask_at_once_each_delivery_is_given_to_one(world: World) -> None:
    await world.send(mixed())

    answers = await asyncio.gather(*(world.do(RESEND, id="message.1") for _ in range(20)))

    assert sum(answer.get("resentDeliveries", 0) for answer in answers) == 2
    await world.work()
    assert len(world.provider.handed) == 5


async def test_many_failures_go_again_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resend, "PAGE", 3)
    numbers = [f"+1612555{number:04}" for number in range(200, 210)]
    world.provider.outcomes |= dict.fromkeys(numbers, BUSY)
    people = [recipient(number, voice(number)) for number in numbers]
    await world.send(message("M-1", people, status=None))

    answer = await world.do(RESEND, id="message.1")

    assert answer["resentDeliveries"] == 10
    assert world.announced == 4
    assert set(await world.statuses()) == {"PENDING"}


async def test_a_duplicate_goes_with_the_first_and_is_never_sent_itself(world: World) -> None:
    people = [recipient("p1", voice("+16125550101")), recipient("p2", voice("+16125550101"))]
    await world.send(message("M-1", people, status=None))

    answer = await world.do(RESEND, id="message.1")

    assert answer["resentDeliveries"] == 1
    assert await world.statuses() == ["PENDING", "PENDING"]
    world.provider.outcomes["+16125550101"] = ANSWERED
    await world.work()
    assert await world.statuses() == ["DELIVERED", "DELIVERED"]
    assert len(world.provider.handed) == 2


async def test_an_old_message_is_under_way_again_and_not_at_once_an_error(world: World) -> None:
    await world.send(mixed())
    world.advance(hours=5)

    answer = await world.do(RESEND, id="message.1", modes=["VOICE"])
    await world.work()

    assert answer["resentMessage"]["status"] == "IN_PROGRESS"
    assert len(world.provider.handed) == 4
    assert await world.status() == "SENT"


async def test_a_late_word_about_the_first_sending_is_an_event_and_moves_nothing(
    world: World,
) -> None:
    await world.send(message("M-1", [recipient("p1", voice("+16125550101"))], status=None))
    await world.do(RESEND, id="message.1")
    late = Receipt(NOON, DeliveryStatus.FAILED, -1, detail="late", key="1.0.0")

    changed = await apply_receipts(
        world.database, "provider", [late], source=EventSource.CALLBACK, now=world.now
    )

    assert changed == 0
    assert await world.statuses() == ["PENDING"]
    assert (await world.events())[-1] == ("FAILED", "CALLBACK", "late")
    world.provider.outcomes["+16125550101"] = ANSWERED
    await world.work()
    assert await world.statuses() == ["DELIVERED"]


async def test_the_events_contain_both_sendings_and_the_figures_follow(world: World) -> None:
    await world.send(message("M-1", [recipient("p1", voice("+16125550101"))], status=None))
    await world.do(RESEND, id="message.1")
    async with world.database.reading() as connection:
        (tally,) = [t for t in (await of_messages(connection, [1]))[1].tallies if t.deliveries]
    world.provider.outcomes["+16125550101"] = ANSWERED
    await world.work()

    assert (tally.status, tally.call_status, tally.deliveries) == (DeliveryStatus.PENDING, None, 1)
    history = [event for event in await world.events() if event[0] != "IN_PROGRESS"]
    assert history == [
        ("FAILED", "DISPATCH", "busy"),
        ("PENDING", "DISPATCH", "to be sent again, on demand"),
        ("DELIVERED", "DISPATCH", None),
    ]


async def test_what_was_sent_again_can_be_canceled(world: World) -> None:
    await world.send(mixed())
    await world.do(RESEND, id="message.1")
    cancel = 'mutation { cancelMessage(input: {messageId: "message.1"}) { ... on CancelMessageSuccess { isNew } } }'

    await world.do(cancel)
    await world.work()

    assert len(world.provider.handed) == 3
    assert await world.status() == "CANCELED_IN_PROGRESS"
    assert await world.statuses() == ["CANCELED", "CANCELED", "DELIVERED"]
    assert await world.do(RESEND, id="message.1") == {
        "__typename": "NothingToResend",
        "message": "This message was canceled (status: Canceled IP). Send a new one instead.",
    }


@pytest.mark.parametrize(
    ("status", "scheduled_in", "problem"),
    [
        (
            MessageStatus.SENT,
            0,
            "This message was sent by another system, and can only be sent again there.",
        ),
        (None, 1, "This message has not been sent yet, so nothing of it has failed."),
    ],
)
async def test_what_cannot_be_sent_again_says_why_and_nothing_changes(
    world: World, status: MessageStatus | None, scheduled_in: int, problem: str
) -> None:
    failed = voice(status=DeliveryStatus.FAILED) if status else voice()
    await world.take(
        message(
            "M-1",
            [recipient("p1", failed)],
            status=status,
            scheduled_at=NOON + timedelta(hours=scheduled_in),
        )
    )
    rows = await world.all_rows()

    answer = await world.do(RESEND, id="message.1")

    assert answer == {"__typename": "NothingToResend", "message": problem}
    assert world.announced == 0
    assert await world.all_rows() == rows


@pytest.mark.parametrize(
    ("modes", "named"), [(["TEXT", "INBOX"], "INBOX, TEXT"), ([], "no mode at all")]
)
async def test_where_nothing_failed_the_answer_names_the_modes(
    world: World, modes: list[str], named: str
) -> None:
    await world.send(mixed())

    answer = await world.do(RESEND, id="message.1", modes=modes)

    assert answer == {
        "__typename": "NothingToResend",
        "message": f"No delivery of this message by {named} has failed, or what failed is being sent again already.",
    }
    assert await world.statuses() == ["FAILED", "FAILED", "DELIVERED"]


@pytest.mark.parametrize("id", ["message.1", "message.999", "nonsense"])
async def test_what_may_not_be_seen_is_not_found_and_nothing_changes(world: World, id: str) -> None:
    people = [recipient("p1", voice("+16125550101"))]
    await world.send(school("east"), message("M-1", people, status=None, school="east"))
    rows = await world.all_rows()

    answer = await world.do(RESEND, id=id, viewer=viewer(schools=["harrison-high"]))

    assert answer["__typename"] == "NotFound"
    assert await world.all_rows() == rows


@pytest.mark.parametrize("missing", [Right.CANCEL_MESSAGES, Right.VIEW_LOG])
async def test_without_the_right_nothing_is_sent_again(world: World, missing: Right) -> None:
    await world.send(mixed())
    rows = await world.all_rows()

    code, problem = await world.refusal(
        RESEND, id="message.1", viewer=viewer(rights=set(Right) - {missing})
    )

    assert code == "FORBIDDEN"
    assert missing in problem
    assert await world.all_rows() == rows


async def test_the_audit_has_who_sent_again(world: World) -> None:
    await world.send(mixed())

    await world.do(RESEND, id="message.1", viewer=viewer(id="u2"))

    assert await world.audit() == [("u2", "RESEND_FAILED", "message.1", "192.0.2.1", "r-1")]
