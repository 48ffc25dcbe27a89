"""Receipts of the simulated provider are booked once, across restarts, and its errors stop nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from delivery.gateways.simulator.gateway import SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal
from server.process import file_lock
from server.process.simulator_feed import take_in_reports
from tests.delivery.runners.kinds import PATIENCE, holds
from tests.delivery.world import Clock, columns_of, load, mail, people, runtime_of, statuses, work

EVENTS = "select status from delivery_event where source = 'CALLBACK'"


def simulator(journal: Path, clock: Clock) -> SimulatorGateway:
    """A provider whose outcomes come after ten seconds."""
    return SimulatorGateway(
        Journal(journal), clock=clock, temper=SimulatorBehavior(outcome_after=(10.0, 10.0))
    )


@asynccontextmanager
async def passing_on(engine: AsyncEngine, journal: Path, clock: Clock) -> AsyncIterator[None]:
    """As a process would, inside the block."""
    gateway = simulator(journal, clock)
    until = asyncio.Event()
    task = asyncio.create_task(
        take_in_reports(gateway, engine=engine, clock=clock, journal=journal, until=until)
    )
    try:
        yield
    finally:
        until.set()
        async with asyncio.timeout(PATIENCE):
            await task
        await gateway.close()


async def test_outcomes_are_heard_once_also_after_a_restart(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    clock, journal = Clock(), tmp_path / "simulator.ndjson"
    gateway = simulator(journal, clock)
    first = await load(engine, people(3, mail))
    await work(runtime_of(engine, clock, gateway))
    clock.advance(seconds=30)

    async def first_has_ended() -> bool:
        return (
            "IN_PROGRESS" not in await statuses(engine, first)
            and len(await columns_of(engine, EVENTS)) == 3
        )

    async with passing_on(engine, journal, clock):
        await holds(engine, first_has_ended)

    second = await load(engine, people(2, mail), id="M-2", now=clock.now)
    await work(runtime_of(engine, clock, gateway))
    clock.advance(seconds=30)

    async def second_has_ended() -> bool:
        return len(await columns_of(engine, EVENTS)) >= 5

    async with passing_on(engine, journal, clock):
        await holds(engine, second_has_ended)

    assert len(await columns_of(engine, EVENTS)) == 5
    assert sum((await statuses(engine, second)).values()) == 2
    await gateway.close()


async def test_one_process_of_a_machine_passes_on_and_another_takes_its_place(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    clock, journal = Clock(), tmp_path / "simulator.ndjson"
    gateway = simulator(journal, clock)
    message_id = await load(engine, people(1, mail))
    await work(runtime_of(engine, clock, gateway))
    clock.advance(seconds=30)

    async def is_heard() -> bool:
        return len(await columns_of(engine, EVENTS)) == 1

    with file_lock.try_lock(journal.with_suffix(".lock")):
        async with passing_on(engine, journal, clock):
            pass
        assert await columns_of(engine, EVENTS) == []
    async with passing_on(engine, journal, clock):
        await holds(engine, is_heard)

    assert set(await statuses(engine, message_id)) <= {"DELIVERED", "FAILED"}
    await gateway.close()


async def test_a_memory_that_cannot_be_read_ends_nothing_else(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    journal = tmp_path / "simulator.ndjson"
    journal.with_suffix(".heard").write_text("half a line")

    async with passing_on(engine, journal, Clock()):
        pass  # it would raise here
