"""`refreshMessage` of 3,000 open calls at Twilio: the response comes within a second, the rest runs in the background."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import httpx2
import pytest
from structlog.testing import capture_logs

from db.connect.database import Database
from delivery.receipts import refresh
from delivery.receipts.receipts import apply_receipts
from delivery.receipts.refresh import FIRST_PAGE, KEEP_EVERY, PAGE
from domain.status import DeliveryMode
from resolvers.mutations.refresh import PATIENCE
from tests.delivery.gateways.stand_ins import CallStandIn
from tests.delivery.world import World as DeliveryWorld
from tests.log import NOON, message, recipient, viewer, voice
from tests.resolvers.mutations.test_refresh import REFRESH
from tests.resolvers.world import World, limited

LATENCY: Final = 0.2
AT_ONCE: Final = 16
"""Requests that the gateway makes at the same time."""


class FakeTime:
    """The time of a world: it passes only when the test says so, to when the next sleeper wakes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._sleepers: list[tuple[datetime, float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        sleeper = (self.world.now + timedelta(seconds=seconds), seconds, asyncio.Event())
        self._sleepers.append(sleeper)
        try:
            await sleeper[2].wait()
        finally:
            self._sleepers.remove(sleeper)

    @property
    def lengths(self) -> list[float]:
        """How long each that sleeps now was to sleep."""
        return [seconds for _, seconds, awake in self._sleepers if not awake.is_set()]

    @property
    def passed(self) -> float:
        """Seconds since noon."""
        return (self.world.now - NOON).total_seconds()

    def pass_on(self) -> None:
        """Go to the next moment at which somebody wakes."""
        waiting = [one for one in self._sleepers if not one[2].is_set()]
        self.world.now = min(until for until, _, _ in waiting)
        for until, _, awake in waiting:
            if until <= self.world.now:
                awake.set()


class SlowTwilio(CallStandIn):
    """Twilio that takes a fifth of a second of fake time for each question."""

    def __init__(self, time: FakeTime) -> None:
        super().__init__()
        self.time = time
        self.answered = 0
        self.in_flight = 0
        self.by_sid: dict[str, dict[str, Any]] = {}
        self.gateway.batch = (
            500  # fewer transactions for the hand-over, which is not what is tested
        )

    async def _handle(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "GET":
            return await super()._handle(request)
        self.in_flight += 1
        try:
            await self.time.sleep(LATENCY)
        finally:
            self.in_flight -= 1
        self.answered += 1
        return httpx2.Response(200, json=self.by_sid[request.url.path[-39:-5]])

    def end_all(self) -> None:
        """Have every call answered by a person."""
        for made in self.made:
            self.by_sid[made["sid"]] = made | {
                "status": "completed",
                "answered_by": "human",
                "end_time": format_datetime(NOON),
            }

    def is_waited_for(self, calls: int) -> bool:
        """Whether all that is asked at the same time has been asked."""
        end, size = 0, FIRST_PAGE
        while end <= self.answered:
            end, size = end + size, min(2 * size, PAGE)
        return self.in_flight == min(AT_ONCE, min(end, calls) - self.answered) > 0


class Calls:
    """A message of many calls that Twilio has placed and that have ended since."""

    def __init__(self, database: Database, count: int) -> None:
        self.count = count
        self.world = World(database)
        self.time = FakeTime(self.world)
        self.twilio = SlowTwilio(self.time)
        gateways = {DeliveryMode.VOICE: self.twilio.gateway}
        runtime = limited(self.world, gateways=gateways, sleep=self.time.sleep)
        self.world.process_services = replace(self.world.process_services, runtime=runtime)

    async def place(self) -> None:
        people = [recipient(f"p{n}", voice(f"+1612555{n:04d}")) for n in range(1, self.count + 1)]
        await self.world.send(message("M-1", people, status=None))
        assert len(self.twilio.made) == self.count
        self.twilio.end_all()

    def ask(self, who: str = "u1") -> asyncio.Future[Any]:
        return asyncio.ensure_future(self.world.do(REFRESH, id="message.1", viewer=viewer(id=who)))

    async def pass_until(
        self, happened: Callable[[], bool], *, answer: Awaitable[Any] | None = None
    ) -> None:
        """Let time pass until this has happened; it stands while anything but Twilio is at work."""
        while not happened():
            await asyncio.sleep(0)
            is_answering = answer is not None and PATIENCE not in self.time.lengths
            if not is_answering and self.twilio.is_waited_for(self.count):
                self.time.pass_on()

    async def answer(self) -> Any:
        """The answer to somebody who refreshes."""
        asking = self.ask()
        while not {PATIENCE, KEEP_EVERY} <= set(self.time.lengths):  # noqa: ASYNC110  # a turn of the loop
            await asyncio.sleep(0)
        await self.pass_until(asking.done, answer=asking)
        return asking.result()


async def test_an_answer_about_3000_open_calls_comes_within_a_second_and_the_rest_behind_it(
    database: Database,
) -> None:
    calls = Calls(database, 3000)
    await calls.place()
    revision = await calls.world.revision()

    answer = await calls.answer()

    assert calls.time.passed <= 1
    assert answer["changedDeliveries"] == FIRST_PAGE
    assert answer["throttledUntil"] is None
    assert answer["refreshedMessage"]["status"] == "IN_PROGRESS"
    assert answer["refreshedMessage"]["revision"] == revision + 1
    await calls.pass_until(lambda: calls.time.passed > 20 and KEEP_EVERY in calls.time.lengths)

    throttled = await calls.ask("u2")  # longer after the first than the pause, and it still runs

    assert throttled["changedDeliveries"] == 0
    kept_at = datetime.fromisoformat(throttled["refreshedAt"])
    assert calls.world.now - kept_at <= timedelta(seconds=2 * KEEP_EVERY)
    assert throttled["throttledUntil"] == (kept_at + timedelta(seconds=15)).isoformat()
    await calls.pass_until(lambda: calls.twilio.answered == 3000)
    await calls.world.process_services.background_tasks.settled()
    assert calls.twilio.answered == 3000, "each call is asked about once"
    assert await calls.world.statuses() == ["DELIVERED"] * 3000
    assert await calls.world.status() == "SENT"
    pages = 3 + 15  # 25, 50 and 100, then 200 each
    assert await calls.world.revision() == revision + pages
    assert len(await calls.world.audit()) == 1
    await DeliveryWorld(database).recount()


async def test_a_refresh_that_is_cut_off_by_the_end_of_its_process_loses_nothing(
    database: Database,
) -> None:
    calls = Calls(database, 120)
    await calls.place()
    with capture_logs() as lines:
        await calls.answer()
        await calls.world.process_services.background_tasks.stop()

    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert calls.twilio.in_flight == 0
    assert calls.time.lengths == []
    statuses = await calls.world.statuses()
    assert statuses == ["DELIVERED"] * FIRST_PAGE + ["IN_PROGRESS"] * (120 - FIRST_PAGE)
    await DeliveryWorld(database).recount()


async def test_what_fails_behind_an_answer_is_in_the_log_with_its_message_and_is_asked_for_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(database, 60)
    await calls.place()
    pages = 0

    async def fail_once(*arguments: Any, **named: Any) -> int:
        nonlocal pages
        pages += 1
        if pages == 2:
            raise RuntimeError("the database is gone")
        return await apply_receipts(*arguments, **named)

    monkeypatch.setattr(refresh, "apply_receipts", fail_once)
    with capture_logs() as lines:
        await calls.answer()
        await calls.pass_until(lambda: calls.twilio.answered == 60)
        await calls.world.process_services.background_tasks.settled()

    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["message_id"]) == ("a background task failed", "message.1")
    assert str(line["exc_info"]) == "the database is gone"
    assert (await calls.world.statuses()).count("DELIVERED") == FIRST_PAGE

    calls.world.advance(seconds=15)
    calls.twilio.answered, calls.count = 0, 60 - FIRST_PAGE
    await calls.answer()
    await calls.pass_until(lambda: calls.twilio.answered == calls.count)
    await calls.world.process_services.background_tasks.settled()
    assert await calls.world.statuses() == ["DELIVERED"] * 60
