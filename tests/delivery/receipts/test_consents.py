"""The promise: an opt-out or opt-in of a phone number holds in every district; the latest one counts."""

from datetime import timedelta
from typing import Any

from db.dispatch import in_flight
from delivery.gateways.base import Consent
from delivery.receipts.receipts import store_consents
from domain.status import DeliveryStatus
from tests import log
from tests.delivery.world import World, number_of, people, text_to
from tests.log import NOON


async def test_the_latest_opt_out_or_opt_in_counts_in_every_district(world: World) -> None:
    await log.load(world.database, log.district(), log.district("north"))
    for id, district in (("M-1", "plainview"), ("N-1", "north")):
        await log.load(
            world.database,
            log.message(id, people(2, text_to), district=district, school=None, status=None),
        )
    stop = Consent(NOON, number_of(0), True)
    start = Consent(NOON + timedelta(minutes=1), number_of(0), False)

    async def silent() -> list[tuple[Any, ...]]:
        return await world.columns_of(
            "select key from address where opted_out_at is not null order by key"
        )

    async with world.database.writing() as connection:
        await store_consents(connection, [stop])
    assert await silent() == [(number_of(0),), (number_of(0),)]

    async with world.database.writing() as connection:
        await store_consents(connection, [start, stop])
    assert await silent() == []


async def test_a_number_that_opted_out_between_two_messages_gets_the_first_only(
    world: World,
) -> None:
    await world.load(people(1, text_to))
    await world.work()
    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(NOON, number_of(0), True)])
    second = await world.load(people(1, text_to), id="M-2")
    await world.work()

    assert len(world.gateway.given) == 1
    assert (await world.one(second)).status is DeliveryStatus.OPTED_OUT
    async with world.database.reading() as connection:
        address_id = (await world.one(second)).address_id
        assert (await in_flight.targets(connection, [address_id]))[address_id].opted_out
