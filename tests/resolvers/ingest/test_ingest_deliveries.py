"""Deliveries of a message: chunks, duplicates, and the attempts of history."""

from db.connect.database import Database
from domain.status import DeliveryMode, DeliveryStatus
from tests.log import email, end, message, recipient, text, voice
from tests.resolvers.ingest.test_ingest import PLACE, numbered
from tests.resolvers.uploads import send, story


async def test_deliveries_are_numbered_in_pieces_of_five_hundred(database: Database) -> None:
    await send(database, PLACE, message("M-1", ends=False, status=None), numbered(501), end())

    deliveries = (await story(database))["delivery"]
    pieces = {row[1:4] for row in deliveries}
    assert len(pieces) == 1_002
    assert pieces >= {(249, 1, 0), (250, 0, 1), (499, 1, 1), (500, 0, 2), (500, 1, 2)}


async def test_the_second_delivery_of_a_mode_to_an_address_is_a_duplicate(
    database: Database,
) -> None:
    listed = [
        recipient("p1", email("a@x.example"), email(" A@X.example "), voice("+16125550101")),
        recipient("p2", text("+1 612 555 0101"), voice("(+1) 612-555-0101"), email("b@x.example")),
    ]

    await send(database, PLACE, message("M-1", listed, status=None), message("M-2", listed))

    assert [row[:3] for row in (await story(database))["delivery"] if row[8]] == [
        ("M-1", 0, 1),
        ("M-1", 1, 1),
        ("M-2", 0, 1),
        ("M-2", 1, 1),
    ]


async def test_deliveries_of_history_count_as_attempted_where_they_left(
    database: Database,
) -> None:
    listed = [
        recipient(f"p{n}", email(f"p{n}@x.example", status=status))
        for n, status in enumerate(DeliveryStatus)
    ]

    await send(database, PLACE, message("M-1", listed, modes=[DeliveryMode.EMAIL]))

    attempts = {row[9]: row[13] for row in (await story(database))["delivery"]}
    assert attempts == {
        "PENDING": 0,
        "IN_PROGRESS": 1,
        "SENT": 1,
        "DELIVERED": 1,
        "FAILED": 1,
        "CANCELED": 0,
        "OPTED_OUT": 0,
    }
