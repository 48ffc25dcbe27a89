"""What becomes of attempts at providers is known to all processes: at each change of state at once, and otherwise seldom."""

import pytest
from structlog.testing import capture_logs

from db.connect.database import Database
from db.upkeep import installation
from db.upkeep.installation import ProviderState
from delivery.dispatch.provider_health import PAUSE, Attempted, attempted, note
from delivery.gateways.base import (
    Accepted,
    NotAccepted,
    NotAttempted,
    Outcome,
    Refused,
    Unsure,
)
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.world import FakeGateway, World, mail, people
from tests.log import NOON
from tests.statements import recorded

TAKEN = Accepted("r", DeliveryStatus.SENT)
BUSY = NotAccepted("busy")

WAVES: list[tuple[list[Outcome], Attempted | None]] = [
    ([], None),
    ([NotAttempted("canceled")], None),
    ([TAKEN], Attempted(True, None)),
    ([Refused("no such user")], Attempted(True, None)),
    ([BUSY, NotAttempted("canceled")], Attempted(False, "busy")),
    ([Unsure("no answer in time")], Attempted(False, "no answer in time")),
    ([TAKEN, BUSY], Attempted(True, "busy")),
    ([BUSY, NotAccepted("down"), NotAccepted("down")], Attempted(False, "down")),
    ([NotAccepted("450 <zoe@nomail.example> wait")], Attempted(False, "450 <[address]> wait")),
]


@pytest.mark.parametrize(("outcomes", "expected"), WAVES)
def test_a_provider_is_up_that_takes_or_refuses_something(
    outcomes: list[Outcome], expected: Attempted | None
) -> None:
    assert attempted(outcomes) == expected


async def state(database: Database, account: str = "fake") -> ProviderState | None:
    async with database.reading() as connection:
        return (await installation.provider_states(connection, [account])).get(account)


async def test_a_wave_that_is_not_accepted_takes_a_provider_down_until_one_is(
    world: World,
) -> None:
    gateway = world.use(FakeGateway(answer=lambda handover: BUSY))
    await world.load(people(2, mail))
    await world.work()
    down = await state(world.database)
    world.clock.advance(hours=1)
    gateway.answer = lambda handover: TAKEN
    await world.work()

    assert down == ProviderState(False, None, NOON, "busy")
    assert await state(world.database) == ProviderState(True, world.clock.now, NOON, "busy")


async def test_a_state_is_written_at_once_when_it_changes_and_otherwise_seldom(
    world: World,
) -> None:
    now = 0.0
    runtime = world.runtime_of(world.gateway, monotonic=lambda: now)
    steps: list[tuple[float, Outcome, bool]] = [
        (0, TAKEN, True),
        (1, TAKEN, False),
        (PAUSE - 0.1, TAKEN, False),
        (PAUSE, TAKEN, True),
        (PAUSE + 0.1, BUSY, True),
        (PAUSE + 0.2, BUSY, False),
        (PAUSE + 0.3, TAKEN, True),
        (3 * PAUSE, NotAttempted("canceled"), False),
    ]
    for now, outcome, is_written in steps:
        with recorded(world.database) as statements:
            await note(runtime, world.gateway, [outcome], district="plainview")

        assert (now, any("provider_health" in one.text for one in statements)) == (now, is_written)


async def test_an_account_of_a_district_has_its_own_state(world: World) -> None:
    own, common = FakeGateway(), FakeGateway()
    runtime = world.runtime_of(common, of_district={"plainview": {DeliveryMode.EMAIL: own}})

    await note(runtime, own, [BUSY], district="plainview")
    await note(runtime, common, [TAKEN], district="plainview")
    await note(runtime, common, [TAKEN], district="other")

    own_state, common_state = (
        await state(world.database, "plainview/fake"),
        await state(world.database),
    )
    assert own_state is not None
    assert common_state is not None
    assert (own_state.is_up, common_state.is_up) == (False, True)


async def test_a_database_outage_is_logged_and_raises_nothing(
    world: World, tmp_path: object
) -> None:
    away = Database(f"sqlite+aiosqlite:///{tmp_path}/absent/sentlog.sqlite3")
    runtime = World(away).runtime

    with capture_logs() as logged:
        await note(runtime, world.gateway, [TAKEN], district="plainview")

    assert [(line["event"], line["gateway"]) for line in logged] == [
        ("the health of a provider could not be written", "fake")
    ]
    await away.dispose()
