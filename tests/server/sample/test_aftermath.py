"""The worklist of the demo has complaints and opt-outs, however often it starts."""

from datetime import timedelta

from sqlalchemy import select

from db.connect.database import Database
from db.tables.addresses import ADDRESS_FAILURES
from domain.status import DeliveryStatus
from server.sample.aftermath import COMPLAINTS, add_aftermath
from tests.address_states import recount_addresses
from tests.log import NOON, district, email, load, message, recipient, text


async def test_a_few_people_complain_and_those_without_texts_have_opted_out(
    database: Database,
) -> None:
    people = [
        recipient(
            f"p{n}",
            email(
                f"p{n}@nomail.example",
                status=DeliveryStatus.DELIVERED,
                at=NOON + timedelta(hours=n),
            ),
            text(f"+1612555010{n}", status=DeliveryStatus.OPTED_OUT, call_status=-33, at=NOON),
        )
        for n in range(5)
    ]
    await load(database, district(), message("M-1", people))

    await add_aftermath(database)
    async with database.reading() as connection:
        first = (await connection.execute(select(ADDRESS_FAILURES))).all()
    await add_aftermath(database)
    async with database.reading() as connection:
        second = (await connection.execute(select(ADDRESS_FAILURES))).all()

    kinds = sorted(row.kind.value for row in first)
    assert kinds == ["COMPLAINED"] * COMPLAINTS + ["OPTED_OUT"] * 5
    assert first == second
    await recount_addresses(database)
