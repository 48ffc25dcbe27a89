"""`system`: what an administrator sees of workers, providers and queues, and nobody else."""

from datetime import timedelta
from importlib.metadata import version
from typing import Any

from db.connect.database import Database
from db.migrations import head
from db.upkeep import installation
from delivery.gateways.base import NotAccepted
from delivery.upkeep import audit_seals
from domain.status import DeliveryMode
from domain.viewer import Right
from tests.log import NOON, district, email, inbox, load, message, recipient, school, viewer, voice
from tests.resolvers.world import Provider, World, limited
from tests.statements import recorded

SYSTEM = """{ system {
    version databaseRevision waiting oldestWaitingAt reportsWaiting auditSealedUntil
    providers { name modes isUp lastAcceptedAt lastFailedAt lastFailure limitPerSecond waiting }
    workers { id startedAt lastSeenAt } } }"""
AT_NOON = "2020-01-31T18:00:00+00:00"
NEVER = {"lastAcceptedAt": None, "lastFailedAt": None, "lastFailure": None}
PEOPLE = [
    recipient("p1", inbox(), email(), voice()),
    recipient("p2", email("other@nomail.example"), name="Other"),
]


async def test_an_idle_installation(database: Database) -> None:
    world = World(database)
    await world.take()

    assert await world.do(SYSTEM) == {
        "version": version("sentlog"),
        "databaseRevision": head(),
        "waiting": 0,
        "oldestWaitingAt": None,
        "reportsWaiting": 0,
        "auditSealedUntil": None,
        "providers": [
            {
                "name": "provider",
                "modes": ["EMAIL", "VOICE", "TEXT"],
                "isUp": True,
                **NEVER,
                "limitPerSecond": None,
                "waiting": 0,
            }
        ],
        "workers": [],
    }


async def test_what_waits_and_how_long(database: Database) -> None:
    world = World(database)
    await world.take(
        message("M-1", PEOPLE, status=None),
        message("M-2", PEOPLE, status=None, scheduled_at=NOON + timedelta(hours=1)),
    )
    world.provider.per_second = 2.5

    shown = await world.do(SYSTEM)

    assert (shown["waiting"], shown["oldestWaitingAt"]) == (4, AT_NOON)
    ((waiting, limit),) = [(one["waiting"], one["limitPerSecond"]) for one in shown["providers"]]
    assert (waiting, limit) == (3, 2.5)  # the inbox is no provider


async def test_a_provider_that_accepts_nothing_is_down_with_its_words_and_without_addresses(
    database: Database,
) -> None:
    world = World(database)
    busy = NotAccepted("450 <heather@nomail.example> call +16125550101 later")
    world.provider.outcomes = dict.fromkeys(
        ("heather@nomail.example", "other@nomail.example", "+16125550101"), busy
    )
    await world.send(message("M-1", PEOPLE, status=None))

    (down,) = (await world.do(SYSTEM))["providers"]
    world.provider.outcomes = {}
    world.advance(hours=1)
    world.runtime.noted.clear()
    await world.work()
    (up,) = (await world.do(SYSTEM))["providers"]

    words = "450 <[address]> call [address] later"
    assert (down["isUp"], down["lastAcceptedAt"], down["lastFailedAt"], down["lastFailure"]) == (
        *(False, None, AT_NOON, words),
    )
    assert (up["isUp"], up["lastAcceptedAt"], up["lastFailedAt"], up["lastFailure"]) == (
        *(True, "2020-01-31T19:00:00+00:00", AT_NOON, words),
    )
    assert (down["waiting"], up["waiting"]) == (3, 0)


async def test_a_provider_of_the_district_alone_has_its_own_line(database: Database) -> None:
    world = World(database)
    await world.take()
    own = Provider()
    own.per_second = 1.0
    runtime = limited(world, of_district={"plainview": {DeliveryMode.VOICE: own}})
    world.process_services = type(world.process_services)(
        runtime=runtime,
        announce=world.process_services.announce,
        notices=world.process_services.notices,
        background_tasks=world.process_services.background_tasks,
    )

    providers = (await world.do(SYSTEM))["providers"]

    assert [(one["name"], one["modes"], one["limitPerSecond"]) for one in providers] == [
        ("provider", ["VOICE"], 1.0),
        ("provider", ["EMAIL", "TEXT"], None),
    ]


async def test_workers_seals_and_reports_that_wait(database: Database) -> None:
    world = World(database)
    await world.take(message("M-1", PEOPLE))
    async with database.writing() as connection:
        await installation.beat(connection, "w-1")
    create = 'mutation { createReport(input: {messageId: "message.1", devices: [EMAIL]}) { __typename } }'
    await world.do(create)
    await audit_seals.seal_all(database, clock=lambda: NOON, pause=0)

    shown = await world.do(SYSTEM)

    assert [one["id"] for one in shown["workers"]] == ["w-1"]
    assert (shown["reportsWaiting"], shown["auditSealedUntil"]) == (1, AT_NOON)


async def test_a_report_on_people_waits_for_who_sees_the_schools_of_its_requester(
    database: Database,
) -> None:
    world = World(database)
    await world.take(school("west"), message("M-1", PEOPLE, school="harrison-high"))
    create = "mutation { createContactProblemReport(input: {}) { __typename } }"
    of_school = viewer(schools=["harrison-high"])
    await world.do(create, viewer=of_school)

    counts = [
        (await world.do(SYSTEM, viewer=who))["reportsWaiting"]
        for who in (viewer(), of_school, viewer(schools=["west"]))
    ]
    assert counts == [1, 1, 0]


async def test_counts_are_of_the_messages_that_the_viewer_may_see(database: Database) -> None:
    world = World(database)
    await world.take(message("M-1", PEOPLE, school="harrison-high", status=None))
    await load(
        database,
        school("west"),
        district("other", name="Other"),
        message("M-2", PEOPLE, school="west", status=None),
        message("M-3", PEOPLE[1:], district="other", status=None),
    )
    limits_of: dict[str, dict[str, Any]] = {
        "district": {},
        "school": {"schools": ["harrison-high"]},
        "other": {"district": "other"},
    }
    waiting = {
        name: (await world.do(SYSTEM, viewer=viewer(**limits)))["waiting"]
        for name, limits in limits_of.items()
    }

    assert waiting == {"district": 8, "school": 4, "other": 1}


async def test_the_number_of_statements_does_not_grow_with_what_waits(database: Database) -> None:
    world = World(database)
    counts: list[int] = []
    for size in (1, 20):
        people = [recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(size)]
        await world.take(*[message(f"M-{size}-{n}", people, status=None) for n in range(size)])
        await world.do(SYSTEM)
        with recorded(database) as statements:
            await world.do(SYSTEM)
        counts.append(len(statements))

    assert counts[0] == counts[1] <= 10


async def test_without_the_right_nothing_is_shown_and_nothing_changes(database: Database) -> None:
    world = World(database)
    await world.take()
    before: Any = await world.all_rows()

    assert await world.refusal(SYSTEM, viewer=viewer(rights=set(Right) - {Right.VIEW_SYSTEM})) == (
        "FORBIDDEN",
        "This needs the right VIEW_SYSTEM, which your sign-in does not have. Ask your administrator for it.",
    )
    assert await world.all_rows() == before


async def test_it_needs_no_other_right(database: Database) -> None:
    world = World(database)
    await world.take()

    assert (await world.do(SYSTEM, viewer=viewer(rights=[Right.VIEW_SYSTEM])))["waiting"] == 0
