"""Opt-outs from texts: in every district, whatever the notation, and the last one of a number counts."""

from sqlalchemy import select

from db.dispatch import in_flight, opt_outs
from db.tables.log import ADDRESS
from tests import log
from tests.delivery.world import World, number_of, people, text_to
from tests.log import NOON


async def test_an_opt_out_applies_to_a_number_in_every_district(world: World) -> None:
    await log.load(world.database, log.district("north"))
    await world.load(people(2, text_to))
    await log.load(
        world.database,
        log.message("N-1", people(1, text_to), district="north", school=None, status=None),
    )
    async with world.database.writing() as connection:
        await opt_outs.store(connection, [(number_of(0), NOON)])
        ids = list(await connection.scalars(select(ADDRESS.c.id)))
        found = await in_flight.targets(connection, ids)
        assert [target.key for target in found.values() if target.opted_out] == [number_of(0)] * 2

        await opt_outs.store(connection, [(number_of(0), None)])
        found = await in_flight.targets(connection, ids)
        assert [target.opted_out for target in found.values()] == [False] * 3


async def test_an_opt_out_accepts_every_notation_of_a_number(world: World) -> None:
    await world.load(people(1, text_to))
    async with world.database.writing() as connection:
        spellings = ("\u202a+1 (612) 555-0000\u202c", "heather")
        await opt_outs.store(connection, [(number, NOON) for number in spellings])

        rows = (await connection.execute(select(ADDRESS.c.key, ADDRESS.c.opted_out_at))).all()

    assert [tuple(row) for row in rows] == [("+16125550000", NOON)]


async def test_the_last_consent_of_a_number_counts(world: World) -> None:
    await world.load(people(2, text_to))
    first, second = number_of(0), number_of(1)
    consents = [(first, NOON), (second, None), ("+1 612 555 0000", None), (second, NOON)]
    async with world.database.writing() as connection:
        changed = await opt_outs.store(connection, consents)

        rows = await connection.execute(
            select(*ADDRESS.c["id", "key", "opted_out_at"]).order_by(ADDRESS.c.key)
        )
    ids, *state = zip(*rows.all(), strict=True)

    assert state == [(first, second), (None, NOON)]
    assert changed == list(ids)
