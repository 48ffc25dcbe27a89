"""The main promise: if a process dies at any moment, nobody is called twice and nobody is left out."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from delivery.dispatch.delivery_names import spell
from delivery.gateways.simulator.journal import Journal
from delivery.runners.procrastinate import CONCURRENT_JOBS
from domain.call_status import NO_RESPONSE
from tests.delivery.processes.worker_process import BATCH
from tests.delivery.runners.kinds import holds_anywhere, worker
from tests.delivery.world import World, call, people

CALLS: Final = 5_000


async def test_a_killed_worker_makes_no_call_twice_and_loses_none(
    world: World, database_url: str, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal")
    message_id = await world.load(people(CALLS, call))

    async def some_have_left() -> bool:
        return len(journal.entries()) >= CALLS // 3

    async def all_are_settled() -> bool:
        open_ = "select 1 from delivery where status = 'PENDING' or claim is not null limit 1"
        return not await world.columns_of(open_)

    with ExitStack() as workers:
        victim = workers.enter_context(worker(database_url, tmp_path / "journal"))
        if world.database.is_postgresql:
            workers.enter_context(worker(database_url, tmp_path / "journal"))
        await holds_anywhere(world.database, message_id, some_have_left)
        victim.kill()
        victim.wait()
        if not world.database.is_postgresql:
            workers.enter_context(worker(database_url, tmp_path / "journal"))
        await holds_anywhere(world.database, message_id, all_are_settled)

    called = Counter(entry.key for entry in journal.entries())
    assert set(called.values()) == {1}
    rows = {spell(row): row for row in await world.deliveries(message_id)}
    assert called.keys() <= rows.keys()
    # Who was not called is one of those of whom the provider could not tell, and these were in the victim's hands.
    marked = {key for key, row in rows.items() if row.call_status == NO_RESPONSE}
    assert rows.keys() - called.keys() <= marked
    assert len(marked) <= CONCURRENT_JOBS * BATCH
    await world.recount()
    journal.close()
