"""Receipts of the simulated provider are booked once, across restarts, and its errors stop nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from db.connect.database import Database
from delivery.gateways.simulator.gateway import SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal
from server.process import file_lock
from server.process.simulator_feed import take_in_reports
from tests.delivery.runners.kinds import PATIENCE, holds
from tests.delivery.world import Clock, World, mail, people, runtime_of

EVENTS = "select status from delivery_event where source = 'CALLBACK'"


def simulator(journal: Path, clock: Clock) -> SimulatorGateway:
    """A provider whose outcomes come after ten seconds."""
    return SimulatorGateway(
        Journal(journal), clock=clock, temper=SimulatorBehavior(outcome_after=(10.0, 10.0))
    )


@asynccontextmanager
async def passing_on(database: Database, journal: Path, clock: Clock) -> AsyncIterator[None]:
    """As a process would, inside the block."""
    gateway = simulator(journal, clock)
    until = asyncio.Event()
    task = asyncio.create_task(
        take_in_reports(gateway, database=database, clock=clock, journal=journal, until=until)
    )
    try:
        yield
    finally:
        until.set()
        async with asyncio.timeout(PATIENCE):
            await task
        await gateway.close()


async def test_outcomes_are_heard_once_also_after_a_restart(world: World, tmp_path: Path) -> None:
    clock, journal = Clock(), tmp_path / "simulator.ndjson"
    gateway = simulator(journal, clock)
    first = await world.load(people(3, mail))
    await world.work(runtime_of(world.database, clock, gateway))
    clock.advance(seconds=30)

    async def first_has_ended() -> bool:
        return (
            "IN_PROGRESS" not in await world.statuses(first)
            and len(await world.columns_of(EVENTS)) == 3
        )

    async with passing_on(world.database, journal, clock):
        await holds(world.database, first_has_ended)

    second = await world.load(people(2, mail), id="M-2", now=clock.now)
    await world.work(runtime_of(world.database, clock, gateway))
    clock.advance(seconds=30)

    async def second_has_ended() -> bool:
        return len(await world.columns_of(EVENTS)) >= 5

    async with passing_on(world.database, journal, clock):
        await holds(world.database, second_has_ended)

    assert len(await world.columns_of(EVENTS)) == 5
    assert sum((await world.statuses(second)).values()) == 2
    await gateway.close()


async def test_one_process_of_a_machine_passes_on_and_another_takes_its_place(
    world: World, tmp_path: Path
) -> None:
    clock, journal = Clock(), tmp_path / "simulator.ndjson"
    gateway = simulator(journal, clock)
    message_id = await world.load(people(1, mail))
    await world.work(runtime_of(world.database, clock, gateway))
    clock.advance(seconds=30)

    async def is_heard() -> bool:
        return len(await world.columns_of(EVENTS)) == 1

    with file_lock.try_lock(journal.with_suffix(".lock")):
        async with passing_on(world.database, journal, clock):
            pass
        assert await world.columns_of(EVENTS) == []
    async with passing_on(world.database, journal, clock):
        await holds(world.database, is_heard)

    assert set(await world.statuses(message_id)) <= {"DELIVERED", "FAILED"}
    await gateway.close()


async def test_a_memory_that_cannot_be_read_ends_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    journal = tmp_path / "simulator.ndjson"
    journal.with_suffix(".heard").write_text("half a line")

    async with passing_on(database, journal, Clock()):
        pass  # it would raise here
