"""What the viewer can do with a message: as the mutations then do it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from db.connect.database import Database
from db.upkeep import purge
from delivery.gateways.base import Accepted, Refused
from delivery.gateways.inbox import InboxGateway
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from domain.viewer import Right, Viewer
from tests.log import NOON, email, inbox, message, recipient, viewer, voice
from tests.operations import EVER
from tests.resolvers.world import World
from tests.statements import recorded

CAN = (
    """query($id: ID!) { message(id: $id) { viewerCanCancel viewerCanRefresh viewerCanResend } }"""
)
RESEND = """mutation($id: ID!) { resendFailed(input: {messageId: $id}) { __typename } }"""
LATER = NOON + timedelta(hours=1)
REFUSED = "gone@nomail.example"
READER = viewer(rights=[Right.VIEW_LOG, Right.VIEW_RECIPIENTS])
"""Somebody who may not cancel."""


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.provider.outcomes = {
        REFUSED: Refused("550 no such mailbox"),
        "+16125550109": Accepted("r", DeliveryStatus.DELIVERED, 5),
        "heather@nomail.example": Accepted("r", DeliveryStatus.SENT),
    }
    return world


async def allowed(world: World, *, viewer: Viewer | None = None) -> list[str]:
    """What can be done with the first message: some of cancel, refresh, resend."""
    answer = await world.do(CAN, id="message.1", viewer=viewer)
    return [name.removeprefix("viewerCan").lower() for name, may in answer.items() if may]


SENT = {
    # what is sent, and what can be done then
    "nothing": ([], []),
    "a call without an outcome": ([voice()], ["cancel", "refresh"]),
    "a call that was answered": ([voice("+16125550109")], []),
    "an email that may still arrive": ([email()], ["refresh"]),
    "an email that failed": ([email(REFUSED)], ["resend"]),
    "an email that failed, and a call": (
        [email(REFUSED), voice()],
        ["cancel", "refresh", "resend"],
    ),
    "an address that cannot be read": ([email("heather@")], []),
    "an inbox without a gateway": ([inbox()], ["cancel"]),
}


@pytest.mark.parametrize(("devices", "can"), SENT.values(), ids=SENT.keys())
async def test_what_can_be_done_follows_from_what_became_of_the_deliveries(
    world: World, devices: Sequence[dict[str, object]], can: Sequence[str]
) -> None:
    await world.send(message("M-1", [recipient("p1", *devices)], status=None))

    assert await allowed(world) == can
    assert await allowed(world, viewer=READER) == [name for name in can if name == "refresh"]
    resent = await world.do(RESEND, id="message.1")
    assert (resent["__typename"] == "ResendFailedSuccess") == ("resend" in can)


async def test_a_message_that_waits_can_only_be_canceled_and_a_canceled_one_not_at_all(
    world: World,
) -> None:
    await world.take(
        message("M-1", [recipient("p1", voice())], status=None, scheduled_at=LATER),
    )
    assert await allowed(world) == ["cancel"]

    await world.do('mutation { cancelMessage(input: {messageId: "message.1"}) { __typename } }')

    assert await allowed(world) == []


async def test_what_had_left_before_a_cancellation_can_be_asked_for(world: World) -> None:
    people = [recipient("p1", voice(), email(REFUSED))]
    await world.send(message("M-1", people, status=None))
    await world.do('mutation { cancelMessage(input: {messageId: "message.1"}) { __typename } }')

    assert await allowed(world) == ["refresh"]


@pytest.mark.parametrize("status", MessageStatus)
async def test_history_is_neither_refreshed_nor_resent(world: World, status: MessageStatus) -> None:
    failed = email(REFUSED, status=DeliveryStatus.FAILED, at=NOON)
    open_call = voice(status=DeliveryStatus.IN_PROGRESS, at=NOON)
    await world.take(message("M-1", [recipient("p1", failed, open_call)], status=status))

    can = ["cancel"] if status in (MessageStatus.WAITING, MessageStatus.IN_PROGRESS) else []
    assert await allowed(world) == can


async def test_a_purged_message_can_only_be_looked_at(world: World) -> None:
    await world.send(message("M-1", [recipient("p1", email(), email(REFUSED))], status=None))
    assert await allowed(world) == ["refresh", "resend"]

    async with world.database.writing() as connection:
        later = world.now + timedelta(days=1)
        assert await purge.begin(connection, 1, before=later, now=world.now)

    assert await allowed(world) == []


async def test_a_mode_whose_provider_cannot_be_polled_is_not_refreshed(world: World) -> None:
    gateways = {DeliveryMode.INBOX: InboxGateway(), DeliveryMode.EMAIL: world.provider}
    assert [gateway.can_be_polled for gateway in gateways.values()] == [False, True]
    world.use(gateways)
    await world.send(message("M-1", [recipient("p1", inbox())], status=None))

    assert await world.statuses() == ["SENT"]
    assert await allowed(world) == []


@pytest.mark.parametrize("field", ["viewerCanCancel", "viewerCanRefresh", "viewerCanResend"])
async def test_the_statements_are_as_many_for_one_message_as_for_fifty(
    world: World, field: str
) -> None:
    for number in range(50):
        people = [recipient("p1", email(REFUSED), voice())]
        await world.take(message(f"M-{number}", people, status=None))
    await world.work()
    document = f"""query($first: Int!) {{
        messages(createdBetween: {EVER}, first: $first) {{ nodes {{ {field} }} }} }}"""

    taken = []
    for first in (1, 50):
        await world.open()
        with recorded(world.database) as statements:
            answer = await world.do(document, first=first)
        assert [node[field] for node in answer["nodes"]] == [True] * first
        taken.append(sum(not statement.text.startswith("BEGIN") for statement in statements))

    extra = {"viewerCanCancel": 0, "viewerCanRefresh": 1, "viewerCanResend": 2}[field]
    assert taken == [1 + extra] * 2
