"""An errand runs beside the request that set it going: it is kept, its fault is told, and it ends with the process."""

import asyncio
import gc
import weakref

import pytest
from structlog.testing import capture_logs

from delivery.upkeep.background_tasks import Errands


async def answer() -> int:
    return 42


async def fail() -> None:
    raise ZeroDivisionError


async def test_who_awaits_an_errand_has_what_it_gives() -> None:
    assert await Errands().start(answer()) == 42


async def test_an_errand_that_nobody_holds_goes_on_to_its_end() -> None:
    """The loop alone would let it be collected in the middle."""
    errands = Errands()
    waits: list[weakref.ref[asyncio.Future[None]]] = []
    ended: list[bool] = []

    async def errand() -> None:
        wait = asyncio.get_running_loop().create_future()
        waits.append(weakref.ref(wait))
        await wait
        ended.append(True)

    errands.start(errand())
    await asyncio.sleep(0)
    gc.collect()
    wait = waits[0]()
    assert wait is not None
    wait.set_result(None)
    await errands.settled()

    assert ended == [True]


async def test_an_errand_that_has_ended_is_let_go() -> None:
    errands = Errands()
    task = weakref.ref(errands.start(answer()))
    await errands.settled()
    await asyncio.sleep(0)
    gc.collect()

    assert task() is None


async def test_a_fault_is_told_in_the_log_where_nobody_awaits_it() -> None:
    errands = Errands()
    with capture_logs() as told:
        errands.start(fail())
        await errands.settled()
        await asyncio.sleep(0)

    (entry,) = told
    assert (entry["event"], entry["log_level"]) == ("a background task failed", "error")
    assert isinstance(entry["exc_info"], ZeroDivisionError)


async def test_who_awaits_an_errand_that_fails_has_its_fault_and_the_others_go_on() -> None:
    errands = Errands()
    may_end = asyncio.Event()
    other = errands.start(may_end.wait())
    with capture_logs() as told, pytest.raises(ZeroDivisionError):
        await errands.start(fail())

    assert len(told) == 1
    assert not other.done()
    may_end.set()
    assert await other is True


async def test_settled_waits_for_all_that_runs_however_it_ends() -> None:
    errands = Errands()
    may_end = asyncio.Event()
    with capture_logs():
        tasks = [errands.start(fail()), errands.start(may_end.wait()), errands.start(answer())]
        settling = asyncio.ensure_future(errands.settled())
        await asyncio.wait([tasks[0], tasks[2]])
        assert not settling.done()
        may_end.set()
        await settling

    assert all(task.done() for task in tasks)


async def test_stop_ends_what_runs_and_lets_it_clear_up_and_no_fault_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errands = Errands()
    begun, cleared = asyncio.Event(), asyncio.Event()

    async def errand() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleared.set()

    task = errands.start(errand())
    await begun.wait()
    with capture_logs() as told:
        await errands.stop()
        await asyncio.sleep(0)

    assert cleared.is_set()
    assert task.cancelled()
    assert (told, caplog.records) == ([], [])


async def test_stop_and_settled_have_nothing_to_do_where_nothing_runs() -> None:
    errands = Errands()
    await errands.settled()
    await errands.stop()

    assert await errands.start(answer()) == 42
