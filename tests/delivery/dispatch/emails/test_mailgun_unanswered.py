"""An email that Mailgun accepted without an answer is found by its Message-ID and recipient, and not sent again."""

from typing import Any

import pytest

from db.connect.database import Database
from delivery.dispatch.runtime import Runtime
from domain.status import DeliveryStatus
from tests.delivery.gateways.stand_ins import Behaviour, MailgunStandIn
from tests.delivery.receipts.refreshing import refresh_now
from tests.delivery.world import (
    Clock,
    deliveries,
    load,
    mail,
    one,
    people,
    recount,
    runtime_of,
    settle,
    statuses,
    work,
)

UNREPLACED = {"delivery": "%recipient.delivery%"}


class Mailgun(MailgunStandIn):
    """A stand-in like the real Mailgun: our Message-ID is the id, in its answer and in its events."""

    replaces_variables = True

    def take(self, request: Any, form: Any) -> Any:
        answer = super().take(request, form)
        id = form["h:Message-Id"][0].strip("<>")
        for event in self.events[-len(form["to"]) :]:
            event["message"] = {"headers": {"message-id": id}}
            event["timestamp"] = Clock()().timestamp()
            if not self.replaces_variables:
                event["user-variables"] = UNREPLACED
        return type(answer)(200, json={"id": f"<{id}>", "message": "Queued."})


def worked(database: Database, mailgun: Mailgun) -> tuple[Runtime, Clock]:
    clock = Clock()
    return runtime_of(database, clock, mailgun.gateway), clock


@pytest.mark.parametrize("replaces_variables", [True, False])
async def test_an_email_that_arrived_without_an_answer_is_found_and_sent_once(
    database: Database, replaces_variables: bool
) -> None:
    mailgun = Mailgun()
    mailgun.replaces_variables = replaces_variables
    runtime, clock = worked(database, mailgun)
    mailgun.behaviour = Behaviour.TAKES_WITHOUT_ANSWER
    message_id = await load(database, people(3, mail))
    await work(runtime)
    assert await statuses(database, message_id) == {"IN_PROGRESS": 3}

    mailgun.behaviour = Behaviour.TAKES
    clock.advance(hours=1)
    assert await settle(runtime) == 3
    clock.advance(hours=1)
    await work(runtime)

    assert await statuses(database, message_id) == {"SENT": 3}
    assert len(mailgun.taken()) == 3
    await recount(database)


async def test_find_returns_the_right_delivery_though_a_message_has_one_id(
    database: Database,
) -> None:
    """Two requests have one message and the same Message-ID: the first got an answer, the second none."""
    mailgun = Mailgun()
    mailgun.gateway.batch = 2
    runtime, clock = worked(database, mailgun)
    take, requests = mailgun.take, 0

    def lose_the_second_answer(request: Any, form: Any) -> Any:
        nonlocal requests
        requests += 1
        answer = take(request, form)
        return type(answer)(500) if requests == 2 else answer

    mailgun.take = lose_the_second_answer  # type: ignore[method-assign]
    message_id = await load(database, people(4, mail))
    await work(runtime)
    assert await statuses(database, message_id) == {"SENT": 2, "IN_PROGRESS": 2}

    clock.advance(hours=1)
    await settle(runtime)
    clock.advance(hours=1)
    await work(runtime)

    assert await statuses(database, message_id) == {"SENT": 4}
    assert sorted(mailgun.taken()) == [f"p{number}@nomail.example" for number in range(4)]
    assert len({row.reference for row in await deliveries(database, message_id)}) == 1
    await recount(database)


async def test_an_email_that_never_arrived_is_sent_again(database: Database) -> None:
    mailgun = Mailgun()
    runtime, clock = worked(database, mailgun)
    mailgun.behaviour = Behaviour.LOSES
    message_id = await load(database, people(1, mail))
    await work(runtime)
    # Of another message to the same person: its id is another.
    other = mailgun.event("delivered", "p0@nomail.example", "", **{"user-variables": UNREPLACED})
    other["timestamp"] = clock().timestamp()

    mailgun.behaviour = Behaviour.TAKES
    clock.advance(hours=1)
    await settle(runtime)
    await work(runtime)

    assert mailgun.taken() == ["p0@nomail.example"]
    assert (await one(database, message_id)).status is DeliveryStatus.SENT


async def test_a_refresh_books_an_event_without_our_key_on_its_recipient(
    database: Database,
) -> None:
    mailgun = Mailgun()
    runtime, clock = worked(database, mailgun)
    message_id = await load(database, people(3, mail))
    await work(runtime)
    id = mailgun.forms[0]["h:Message-Id"][0].strip("<>")
    event = mailgun.event("delivered", "p1@nomail.example", "", **{"user-variables": UNREPLACED})
    event |= {"timestamp": clock().timestamp() + 1, "message": {"headers": {"message-id": id}}}

    assert await refresh_now(runtime, message_id) == 1

    assert [row.status.value for row in await deliveries(database, message_id)] == [
        "SENT",
        "DELIVERED",
        "SENT",
    ]
