"""A background task outlives its request: it is kept alive, its error is logged, and it ends with the process."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from db.connect.database import Database
from delivery.upkeep import audit_seals, background_tasks, expired_budgets, figure_sums, heartbeat
from delivery.upkeep.background_tasks import BackgroundTasks
from tests.log import NOON


async def answer() -> int:
    return 42


async def fail() -> None:
    raise ZeroDivisionError


async def test_an_awaited_task_returns_its_result() -> None:
    assert await BackgroundTasks().start(answer()) == 42


async def test_a_task_without_references_runs_to_its_end() -> None:
    """The event loop alone keeps only a weak reference, so the task could be collected."""
    background_tasks = BackgroundTasks()
    waits: list[weakref.ref[asyncio.Future[None]]] = []
    ended: list[bool] = []

    async def errand() -> None:
        wait = asyncio.get_running_loop().create_future()
        waits.append(weakref.ref(wait))
        await wait
        ended.append(True)

    background_tasks.start(errand())
    await asyncio.sleep(0)
    gc.collect()
    wait = waits[0]()
    assert wait is not None
    wait.set_result(None)
    await background_tasks.settled()

    assert ended == [True]


async def test_an_ended_task_is_released() -> None:
    background_tasks = BackgroundTasks()
    task = weakref.ref(background_tasks.start(answer()))
    await background_tasks.settled()
    await asyncio.sleep(0)
    gc.collect()

    assert task() is None


async def test_an_error_of_a_task_that_is_not_awaited_is_logged() -> None:
    background_tasks = BackgroundTasks()
    with capture_logs() as lines:
        background_tasks.start(fail())
        await background_tasks.settled()
        await asyncio.sleep(0)

    (entry,) = lines
    assert (entry["event"], entry["log_level"]) == ("a background task failed", "error")
    assert isinstance(entry["exc_info"], ZeroDivisionError)


async def test_an_awaited_task_raises_its_error_and_others_continue() -> None:
    background_tasks = BackgroundTasks()
    may_end = asyncio.Event()
    other = background_tasks.start(may_end.wait())
    with capture_logs() as lines, pytest.raises(ZeroDivisionError):
        await background_tasks.start(fail())

    assert len(lines) == 1
    assert not other.done()
    may_end.set()
    assert await other is True


async def test_settled_waits_for_all_tasks_with_and_without_errors() -> None:
    background_tasks = BackgroundTasks()
    may_end = asyncio.Event()
    with capture_logs():
        tasks = [
            background_tasks.start(fail()),
            background_tasks.start(may_end.wait()),
            background_tasks.start(answer()),
        ]
        settling = asyncio.ensure_future(background_tasks.settled())
        await asyncio.wait([tasks[0], tasks[2]])
        assert not settling.done()
        may_end.set()
        await settling

    assert all(task.done() for task in tasks)


async def test_stop_cancels_tasks_which_may_clean_up_without_a_logged_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    background_tasks = BackgroundTasks()
    begun, cleared = asyncio.Event(), asyncio.Event()

    async def errand() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleared.set()

    task = background_tasks.start(errand())
    await begun.wait()
    with capture_logs() as lines:
        await background_tasks.stop()
        await asyncio.sleep(0)

    assert cleared.is_set()
    assert task.cancelled()
    assert (lines, caplog.records) == ([], [])


async def test_stop_and_settled_return_at_once_without_tasks() -> None:
    background_tasks = BackgroundTasks()
    await background_tasks.settled()
    await background_tasks.stop()

    assert await background_tasks.start(answer()) == 42


PERIODIC: dict[str, Callable[[Database, asyncio.Event], Awaitable[None]]] = {
    "heartbeat": heartbeat.run_periodically,
    "expired budgets": lambda database, until: expired_budgets.run_periodically(
        database, until, clock=lambda: NOON
    ),
    "sums of figures": lambda database, until: figure_sums.run_periodically(
        database, until, clock=lambda: NOON
    ),
    "audit seals": lambda database, until: audit_seals.run_periodically(
        database, until, clock=lambda: NOON
    ),
}


@pytest.mark.parametrize("task", PERIODIC)
async def test_a_database_outage_does_not_end_a_periodic_task(
    task: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    until, rounds = asyncio.Event(), 0

    async def pause(seconds: float, until: asyncio.Event) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            until.set()

    monkeypatch.setattr(background_tasks, "wait", pause)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/absent/sentlog.sqlite3")

    await PERIODIC[task](database, until)

    assert rounds == 3
    await database.dispose()
