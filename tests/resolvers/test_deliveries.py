"""Deliveries as a client reads them: outcomes, events and recipients."""

from typing import Any

import pytest
from sqlalchemy import insert

from db.connect.database import Database
from db.tables.log import DELIVERY_EVENT
from domain.status import DeliveryStatus, EventSource, MessageStatus
from tests.log import NOON, district, email, load, message, recipient, text, voice
from tests.operations import ask

EVENTS = "events { at status source detail callStatus { code } }"


async def delivery(database: Database, fields: str, *, number: int = 0) -> dict[str, Any]:
    data = await ask(
        database, f'{{ node(id: "delivery.1.0.{number}") {{ ... on Delivery {{ {fields} }} }} }}'
    )
    found: dict[str, Any] = data["node"]
    return found


@pytest.mark.parametrize(
    ("device", "label"),
    [
        (email(), "Sent"),
        (email(status=DeliveryStatus.IN_PROGRESS), "In-Progress"),
        (email(status=DeliveryStatus.OPTED_OUT), "Opted Out"),
        (voice(call_status=5), "Live Person"),
        (voice(call_status=1), "Busy"),
        (voice(call_status=777), "777"),
        (voice(status=DeliveryStatus.CANCELED), "Canceled"),
        (text(call_status=-27), "SMS Sent"),
    ],
)
async def test_the_label_is_what_a_report_prints(
    database: Database, device: dict[str, Any], label: str
) -> None:
    await load(database, district(), message(recipients=[recipient("p1", device)]))

    assert await delivery(database, "statusLabel") == {"statusLabel": label}


async def test_history_has_one_event_which_says_that_it_was_imported(database: Database) -> None:
    await load(
        database, district(), message(recipients=[recipient("p1", voice(call_status=5, at=NOON))])
    )

    assert await delivery(database, EVENTS) == {
        "events": [
            {
                "at": NOON.isoformat(),
                "status": "DELIVERED",
                "source": "IMPORT",
                "detail": None,
                "callStatus": {"code": 5},
            }
        ]
    }


@pytest.mark.parametrize(
    ("device", "status"),
    [
        (email(), MessageStatus.SENT),  # history that says no time
        (email(), None),  # to be sent, and nothing has happened
    ],
)
async def test_of_what_no_time_is_known_there_is_no_event(
    database: Database, device: dict[str, Any], status: MessageStatus | None
) -> None:
    await load(database, district(), message(recipients=[recipient("p1", device)], status=status))

    assert await delivery(database, EVENTS) == {"events": []}


async def test_events_come_oldest_first_and_only_of_the_delivery_itself(
    database: Database,
) -> None:
    await load(
        database,
        district(),
        message(recipients=[recipient("p1", voice(), email())], status=None),
    )
    happened = [
        (0, 2, DeliveryStatus.DELIVERED, EventSource.CALLBACK),
        (1, 3, DeliveryStatus.SENT, EventSource.DISPATCH),
        (0, 1, DeliveryStatus.IN_PROGRESS, EventSource.DISPATCH),
        (0, 2, DeliveryStatus.FAILED, EventSource.REFRESH),  # at the same time, written later
    ]
    async with database.writing() as connection:
        for number, second, status, source in happened:
            await connection.execute(
                insert(DELIVERY_EVENT).values(
                    message_id=1,
                    recipient_number=0,
                    delivery_number=number,
                    at=NOON.replace(second=second),
                    status=status,
                    source=source,
                )
            )

    found = await delivery(database, "events { status source }")

    assert [tuple(event.values()) for event in found["events"]] == [
        ("IN_PROGRESS", "DISPATCH"),
        ("DELIVERED", "CALLBACK"),
        ("FAILED", "REFRESH"),
    ]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("", ["0.0", "0.1", "1.0", "1.1"]),
        ("(mode: [EMAIL])", ["0.0", "1.0"]),
        ("(mode: [VOICE, VOICE])", ["0.1", "1.1"]),
        ("(status: [FAILED])", ["1.1"]),
        ("(mode: [EMAIL], status: [FAILED])", []),
        ("(mode: [])", []),
        ("(status: null, mode: null, first: 1)", ["0.0"]),
        ("(mode: [EMAIL, VOICE], last: 2)", ["1.0", "1.1"]),
    ],
)
async def test_deliveries_of_a_message_are_chosen_by_mode_and_status(
    database: Database, arguments: str, found: list[str]
) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[
                recipient("p1", email("a@nomail.example"), voice("+16125550101", call_status=5)),
                recipient("p2", email("b@nomail.example"), voice("+16125550102", call_status=1)),
            ]
        ),
    )

    data = await ask(
        database,
        f'{{ message(id: "message.1") {{ deliveries{arguments} {{ edges {{ node {{ id }} recipient {{ id }} }} }} }} }}',
    )

    edges = data["message"]["deliveries"]["edges"]
    assert [edge["node"]["id"].removeprefix("delivery.1.") for edge in edges] == found
    assert [edge["recipient"]["id"] for edge in edges] == [
        f"recipient.1.{id.partition('.')[0]}" for id in found
    ]
