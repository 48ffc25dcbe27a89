"""An email that Mailgun accepted without an answer is found by its Message-ID and recipient, and not sent again."""

from typing import Any

import pytest

from domain.status import DeliveryStatus
from tests.delivery.gateways.stand_ins import Behaviour, MailgunStandIn
from tests.delivery.receipts.refreshing import refresh_now
from tests.delivery.world import World, mail, people
from tests.log import NOON

UNREPLACED = {"delivery": "%recipient.delivery%"}


class Mailgun(MailgunStandIn):
    """A stand-in like the real Mailgun: our Message-ID is the id, in its answer and in its events."""

    replaces_variables = True

    def take(self, request: Any, form: Any) -> Any:
        answer = super().take(request, form)
        id = form["h:Message-Id"][0].strip("<>")
        for event in self.events[-len(form["to"]) :]:
            event["message"] = {"headers": {"message-id": id}}
            event["timestamp"] = NOON.timestamp()
            if not self.replaces_variables:
                event["user-variables"] = UNREPLACED
        return type(answer)(200, json={"id": f"<{id}>", "message": "Queued."})


@pytest.mark.parametrize("replaces_variables", [True, False])
async def test_an_email_that_arrived_without_an_answer_is_found_and_sent_once(
    world: World, replaces_variables: bool
) -> None:
    mailgun = Mailgun()
    mailgun.replaces_variables = replaces_variables
    runtime = world.runtime_of(mailgun.gateway)
    mailgun.behaviour = Behaviour.TAKES_WITHOUT_ANSWER
    message_id = await world.load(people(3, mail))
    await world.work(runtime)
    assert await world.statuses(message_id) == {"IN_PROGRESS": 3}

    mailgun.behaviour = Behaviour.TAKES
    world.clock.advance(hours=1)
    assert await world.settle(runtime) == 3
    world.clock.advance(hours=1)
    await world.work(runtime)

    assert await world.statuses(message_id) == {"SENT": 3}
    assert len(mailgun.taken()) == 3
    await world.recount()


async def test_find_returns_the_right_delivery_though_a_message_has_one_id(world: World) -> None:
    """Two requests have one message and the same Message-ID: the first got an answer, the second none."""
    mailgun = Mailgun()
    mailgun.gateway.batch = 2
    runtime = world.runtime_of(mailgun.gateway)
    take, requests = mailgun.take, 0

    def lose_the_second_answer(request: Any, form: Any) -> Any:
        nonlocal requests
        requests += 1
        answer = take(request, form)
        return type(answer)(500) if requests == 2 else answer

    mailgun.take = lose_the_second_answer  # type: ignore[method-assign]
    message_id = await world.load(people(4, mail))
    await world.work(runtime)
    assert await world.statuses(message_id) == {"SENT": 2, "IN_PROGRESS": 2}

    world.clock.advance(hours=1)
    await world.settle(runtime)
    world.clock.advance(hours=1)
    await world.work(runtime)

    assert await world.statuses(message_id) == {"SENT": 4}
    assert sorted(mailgun.taken()) == [f"p{number}@nomail.example" for number in range(4)]
    assert len({row.reference for row in await world.deliveries(message_id)}) == 1
    await world.recount()


async def test_an_email_that_never_arrived_is_sent_again(world: World) -> None:
    mailgun = Mailgun()
    runtime = world.runtime_of(mailgun.gateway)
    mailgun.behaviour = Behaviour.LOSES
    message_id = await world.load(people(1, mail))
    await world.work(runtime)
    # Of another message to the same person: its id is another.
    other = mailgun.event("delivered", "p0@nomail.example", "", **{"user-variables": UNREPLACED})
    other["timestamp"] = world.clock().timestamp()

    mailgun.behaviour = Behaviour.TAKES
    world.clock.advance(hours=1)
    await world.settle(runtime)
    await world.work(runtime)

    assert mailgun.taken() == ["p0@nomail.example"]
    assert (await world.one(message_id)).status is DeliveryStatus.SENT


async def test_a_refresh_books_an_event_without_our_key_on_its_recipient(world: World) -> None:
    mailgun = Mailgun()
    runtime = world.runtime_of(mailgun.gateway)
    message_id = await world.load(people(3, mail))
    await world.work(runtime)
    id = mailgun.forms[0]["h:Message-Id"][0].strip("<>")
    event = mailgun.event("delivered", "p1@nomail.example", "", **{"user-variables": UNREPLACED})
    event |= {
        "timestamp": world.clock().timestamp() + 1,
        "message": {"headers": {"message-id": id}},
    }

    assert await refresh_now(runtime, message_id) == 1

    assert [row.status.value for row in await world.deliveries(message_id)] == [
        "SENT",
        "DELIVERED",
        "SENT",
    ]
