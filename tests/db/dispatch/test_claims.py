from datetime import timedelta

from sqlalchemy import update

from db.connect.database import Database
from db.dispatch import claims
from db.tables.log import DELIVERY
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.world import World, call, mail, people, text_to
from tests.log import NOON

LONG_AGO, FAR_AHEAD = NOON.replace(year=2000), NOON.replace(year=2100)


async def change(database: Database, person: int, **values: object) -> None:
    async with database.writing() as connection:
        await connection.execute(
            update(DELIVERY).where(DELIVERY.c.recipient_number == person).values(**values)
        )


async def due(
    database: Database, message_id: int, *modes: DeliveryMode, most: int = 100
) -> list[int]:
    """Return the people with due deliveries."""
    async with database.reading() as connection:
        found = await claims.due(connection, message_id, 0, modes=modes, now=NOON, most=most)
        count = await claims.count_due(connection, message_id, 0, modes=modes, now=NOON)
    assert len(found) == min(count, most)
    return [delivery.recipient_number for delivery in found]


async def test_only_pending_due_deliveries_without_duplicates_may_be_claimed(world: World) -> None:
    message_id = await world.load([*people(6, call), *people(1, call)])
    await change(
        world.database, 1, status=DeliveryStatus.IN_PROGRESS, claim="x", lease_until=LONG_AGO
    )
    await change(world.database, 2, status=DeliveryStatus.CANCELED)
    await change(world.database, 3, due_at=NOON + timedelta(microseconds=1))
    await change(world.database, 4, due_at=NOON)

    # The seventh has the number of the first.
    assert await due(world.database, message_id, DeliveryMode.VOICE) == [0, 4, 5]


async def test_only_the_given_modes_are_claimed_up_to_the_limit(world: World) -> None:
    message_id = await world.load(people(4, call, text_to, mail))

    assert await due(world.database, message_id, DeliveryMode.EMAIL) == [0, 1, 2, 3]
    assert await due(world.database, message_id, DeliveryMode.VOICE, DeliveryMode.TEXT, most=3) == [
        0,
        0,
        1,
    ]
    assert await due(world.database, message_id) == []
    assert await due(world.database, message_id + 1, DeliveryMode.EMAIL) == []


async def test_claims_lapse_when_their_lease_ends_by_the_clock_of_the_database(
    world: World,
) -> None:
    message_id = await world.load(people(4, call))
    other = await world.load(people(1, mail), id="M-2")
    async with world.database.writing() as connection:
        for person, until in enumerate((LONG_AGO, FAR_AHEAD, LONG_AGO - timedelta(days=1), None)):
            await connection.execute(
                update(DELIVERY)
                .where(DELIVERY.c.message_id == message_id, DELIVERY.c.recipient_number == person)
                .values(claim=until and "x", lease_until=until)
            )
        assert await claims.messages_with_lapsed(connection, most=5) == [message_id]
        lapsed = await claims.lapsed(connection, message_id, most=5)
        assert [delivery.recipient_number for delivery in lapsed] == [2, 0]
        assert len(await claims.lapsed(connection, message_id, most=1)) == 1
        assert await claims.lapsed(connection, other, most=5) == []
