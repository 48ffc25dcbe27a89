"""An opt-out that a provider reports is remembered: the next message sends no text, until the person texts START."""

from collections.abc import Callable

import httpx2
import pytest

from delivery.dispatch.delivery_names import spell
from domain.status import DeliveryStatus
from tests import log
from tests.delivery.gateways.stand_ins import TextStandIn
from tests.delivery.receipts.refreshing import refresh_now
from tests.delivery.world import World, people
from tests.server.routes.test_signed_callbacks import by_twilio, post

NUMBER = TextStandIn.good[0]
SILENT = "select d.external_id, a.key from address a join district d on d.id = a.district_id where a.opted_out_at is not null order by 1"


class Texting:
    """A log that sends texts to one number through Twilio's stand-in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = world.clock
        self.texts = TextStandIn()
        self.runtime = world.runtime_of(self.texts.gateway)

    async def send(self, id: str) -> int:
        message_id = await self.world.load(people(1, lambda _: log.text(NUMBER)), id=id)
        await self.world.work(self.runtime)
        return message_id

    def refuses(self, code: int) -> None:
        """Make Twilio answer hand-overs with this error."""
        answer = httpx2.Response(400, json={"code": code, "message": "no"})
        self.texts.take = lambda request, form: answer  # type: ignore[method-assign]

    async def report(self, message_id: int, **fields: str) -> None:
        """Send a status callback about the message's text."""
        delivery = await self.world.one(message_id)
        target = f"/callbacks/twilio/text?delivery={spell(delivery)}"
        about = {"MessageSid": delivery.reference or "", "To": NUMBER}
        assert (
            await post(
                self.world.database, self.texts.gateway, by_twilio(target, **about, **fields)
            )
            == 200
        )

    async def says(self, word: str) -> None:
        """Send a text from the person."""
        request = by_twilio("/callbacks/twilio/incoming", From=NUMBER, Body=word)
        assert await post(self.world.database, self.texts.gateway, request) == 200

    async def silent(self) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in await self.world.columns_of(SILENT)]


@pytest.fixture
async def texting(world: World) -> Texting:
    await log.load(world.database, log.district(), log.district("north"))
    return Texting(world)


async def by_answer(texting: Texting) -> int:
    texting.refuses(21610)
    message_id = await texting.send("M-1")
    del texting.texts.take
    return message_id


async def by_callback(texting: Texting) -> int:
    message_id = await texting.send("M-1")
    await texting.report(message_id, MessageStatus="failed", ErrorCode="21610")
    return message_id


async def by_poll(texting: Texting) -> int:
    message_id = await texting.send("M-1")
    texting.texts.made[0] |= {"status": "failed", "error_code": 21610}
    await refresh_now(texting.runtime, message_id)
    return message_id


@pytest.mark.parametrize("way", [by_answer, by_callback, by_poll])
async def test_a_number_that_twilio_reports_as_opted_out_gets_no_more_texts(
    texting: Texting, way: Callable[[Texting], object]
) -> None:
    first = await way(texting)  # type: ignore[misc]
    assert (await texting.world.one(first)).call_status == -33
    assert await texting.silent() == [("north", NUMBER), ("plainview", NUMBER)]
    requests = len(texting.texts.requests)

    second = await texting.send("M-2")

    row = await texting.world.one(second)
    assert (row.status, row.call_status) == (DeliveryStatus.OPTED_OUT, -33)
    assert len(texting.texts.requests) == requests
    await texting.world.recount()


async def test_an_opt_out_holds_in_districts_that_are_added_later(texting: Texting) -> None:
    await texting.says("STOP")
    await log.load(texting.world.database, log.district("south"))
    await log.load(texting.world.database, log.district("south", name="South"))
    assert [district for district, _ in await texting.silent()] == ["north", "plainview", "south"]

    people_there = [log.recipient("p1", log.text(NUMBER))]
    line = log.message("S-1", people_there, district="south", school=None, status=None)
    await log.load(texting.world.database, line)
    await texting.world.work(texting.runtime)

    assert texting.texts.requests == []
    await texting.says("START")
    assert await texting.silent() == []


async def test_start_ends_an_opt_out_that_twilio_reported(texting: Texting) -> None:
    await by_answer(texting)
    await texting.says("START")
    assert await texting.silent() == []

    third = await texting.send("M-3")

    assert texting.texts.taken() == [NUMBER]
    assert (await texting.world.one(third)).status is DeliveryStatus.IN_PROGRESS


async def test_an_old_opt_out_report_does_not_override_a_later_start(texting: Texting) -> None:
    """The callback was lost, the person texted START a day later, and then a viewer refreshes the old message."""
    first = await texting.send("M-1")
    texting.texts.made[0] |= {"status": "failed", "error_code": 21610}
    texting.texts.made[0]["date_updated"] = "Fri, 31 Jan 2020 18:00:00 +0000"
    texting.clock.advance(days=1)
    await texting.says("START")

    await refresh_now(texting.runtime, first)

    assert (await texting.world.one(first)).status is DeliveryStatus.OPTED_OUT
    assert await texting.silent() == []


@pytest.mark.parametrize("code", [30003, 30005, 30006, 21614])
async def test_another_failure_of_a_text_is_no_opt_out(texting: Texting, code: int) -> None:
    message_id = await texting.send("M-1")
    await texting.report(message_id, MessageStatus="undelivered", ErrorCode=str(code))

    assert (await texting.world.one(message_id)).status is DeliveryStatus.FAILED
    assert await texting.silent() == []
