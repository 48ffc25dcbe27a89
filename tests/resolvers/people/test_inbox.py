"""The inbox of a portal account: what is in it, in which order, for whom, and with which bodies."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from db.connect.database import Database
from delivery.gateways.inbox import InboxGateway
from domain.masking import MASK
from domain.message import Source
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from domain.viewer import Right
from tests.log import NOON, district, email, inbox, load, message, recipient, school, viewer
from tests.operations import ask, refusals
from tests.resolvers.world import World

HOUR: Final = timedelta(hours=1)
PORTAL: Final = viewer(id="portal", name="Portal", rights=[Right.READ_INBOX])
INBOX: Final = """query($account: String!, $first: Int, $after: String) {
    inbox(account: $account, first: $first, after: $after) {
        pageInfo { hasNextPage endCursor } nodes { subject } edges { cursor node { %s } } } }"""


async def read(
    database: Database, fields: str = "subject", account: str = "hparent", **request: Any
) -> list[Any]:
    """Return these fields of all that is in an inbox, in order."""
    asked = {"account": account}
    data = await ask(database, INBOX % fields, asked, **{"viewer": PORTAL, **request})
    return [edge["node"] for edge in data["inbox"]["edges"]]


async def subjects(database: Database, account: str = "hparent", **request: Any) -> list[str]:
    return [item["subject"] for item in await read(database, account=account, **request)]


async def test_an_item_has_what_a_portal_shows(database: Database) -> None:
    await load(
        database,
        district(),
        school("east", name="East School"),
        message(
            "M-1",
            [recipient("p1", inbox(at=NOON + HOUR), student=("s1", "Calvin"))],
            school="east",
            subject="Late bus",
            body="The bus is\r\nlate.",
            body_format="HTML",
            sender=("u9", "Office"),
        ),
    )
    fields = """subject body bodyFormat receivedAt sender { id name } school { name }
        student { id name } delivery { id mode address status }"""
    whole = viewer(rights=[Right.READ_INBOX, Right.VIEW_RECIPIENTS])

    [item] = await read(database, fields)
    [seen] = await read(database, fields, viewer=whole)

    assert seen == {
        "subject": "Late bus",
        "body": "The bus is\nlate.",
        "bodyFormat": "HTML",
        "receivedAt": (NOON + HOUR).isoformat(),
        "sender": {"id": "u9", "name": "Office"},
        "school": {"name": "East School"},
        "student": {"id": seen["student"]["id"], "name": "Calvin"},
        "delivery": {
            "id": "delivery.1.0.0",
            "mode": "INBOX",
            "address": "hparent",
            "status": "SENT",
        },
    }
    # Without VIEW_RECIPIENTS the body is whole, and all else is masked as everywhere.
    assert item == {
        **seen,
        "student": {**seen["student"], "name": MASK},
        "delivery": {**seen["delivery"], "address": MASK},
    }


async def test_the_body_of_the_message_itself_stays_masked(database: Database) -> None:
    """The right to read inboxes lifts the mask in this list alone, also within one request."""
    await load(database, district(), message(recipients=[recipient("p1", inbox())]))
    document = (
        """{ inbox(account: "hparent") { nodes { body } } message(id: "message.1") { body } }"""
    )
    who = viewer(rights=[Right.READ_INBOX, Right.VIEW_LOG])

    data = await ask(database, document, viewer=who)

    assert data == {
        "inbox": {"nodes": [{"body": "Your student was sent to the office."}]},
        "message": {"body": MASK},
    }


@pytest.mark.parametrize("status", DeliveryStatus)
async def test_only_what_was_put_there_is_in_it(database: Database, status: DeliveryStatus) -> None:
    await load(database, district(), message(recipients=[recipient("p1", inbox(status=status))]))

    is_there = status in (DeliveryStatus.SENT, DeliveryStatus.DELIVERED)
    assert await subjects(database) == (["Student Behavior"] if is_there else [])


async def test_a_message_that_is_canceled_before_its_time_is_never_in_it(
    database: Database,
) -> None:
    world = World(database)
    gateways = {DeliveryMode.INBOX: InboxGateway()}
    runtime = replace(world.runtime, gateways=gateways)
    world.process_services = replace(world.process_services, runtime=runtime)
    await world.take(
        message("STAYS", [recipient("p1", inbox())], status=None, subject="Stays"),
        message(
            "STOPPED",
            [recipient("p1", inbox())],
            status=None,
            subject="Stopped",
            scheduled_at=NOON + HOUR,
        ),
    )
    await ask(
        database,
        'mutation { cancelMessage(input: {messageId: "message.2"}) { __typename } }',
    )
    await world.work()

    assert await subjects(database, now=NOON + 2 * HOUR) == ["Stays"]


async def test_a_message_that_is_canceled_later_stays_in_it(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[recipient("p1", inbox(), email(status=DeliveryStatus.CANCELED))],
            status=MessageStatus.CANCELED_IN_PROGRESS,
            cancellation={"at": NOON.isoformat()},
        ),
    )

    assert await subjects(database) == ["Student Behavior"]


async def test_duplicates_are_in_it_once(database: Database) -> None:
    people = [
        recipient("p1", inbox(), student=("s1", "Calvin")),
        recipient("p1", inbox(), student=("s2", "Karen")),
    ]
    await load(database, district(), message(recipients=people))

    assert await read(database, "delivery { id isDuplicate }") == [
        {"delivery": {"id": "delivery.1.0.0", "isDuplicate": False}}
    ]


async def test_a_message_of_a_scheduler_is_not_in_it_before_its_time(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[recipient("p1", inbox())], source=Source.SCHEDULER, scheduled_at=NOON + HOUR
        ),
    )

    assert await subjects(database, now=NOON + HOUR - timedelta(microseconds=1)) == []
    assert await subjects(database, now=NOON + HOUR) == ["Student Behavior"]


async def test_a_message_that_is_being_purged_is_not_in_it(database: Database) -> None:
    await load(database, district(), message(recipients=[recipient("p1", inbox())]))
    async with database.writing() as connection:
        await connection.exec_driver_sql("UPDATE message SET purged_at = created_at")

    assert await subjects(database) == []


async def test_the_newest_comes_first_by_the_time_at_which_it_was_put_there(
    database: Database,
) -> None:
    await load(
        database,
        district(),
        *[
            message(
                f"M-{n}",
                [recipient("p1", inbox(at=at))],
                subject=f"{n}",
                scheduled_at=NOON + scheduled * HOUR,
            )
            # The last one has no time, and counts as put there when it was scheduled.
            for n, (at, scheduled) in enumerate(
                [(NOON, 0), (NOON + 3 * HOUR, 0), (NOON + HOUR, 0), (NOON, 0), (None, 2)]
            )
        ],
    )

    assert await subjects(database, now=NOON + 4 * HOUR) == ["1", "4", "2", "3", "0"]


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_pages_go_on_where_the_last_one_ended(database: Database, size: int) -> None:
    await load(
        database,
        district(),
        *[
            message(f"M-{n}", [recipient("p1", inbox(at=NOON + n // 2 * HOUR))], subject=f"{n}")
            for n in range(5)
        ],
    )
    found, after, more = [], None, True
    while more:
        asked = {"account": "hparent", "first": size, "after": after}
        page = (await ask(database, INBOX % "subject", asked, viewer=PORTAL))["inbox"]
        found += [edge["node"]["subject"] for edge in page["edges"]]
        assert page["nodes"] == [edge["node"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert after == page["edges"][-1]["cursor"]

    assert found == ["4", "3", "2", "1", "0"]


async def test_an_account_is_trimmed_and_compared_as_it_is_written(database: Database) -> None:
    await load(database, district(), message(recipients=[recipient("p1", inbox("hparent"))]))

    assert await subjects(database, " hparent\t") == ["Student Behavior"]
    assert await subjects(database, "HParent") == []
    assert await subjects(database, "nobody") == []
    assert await subjects(database, "\ud800") == []


async def test_an_email_address_with_the_name_of_the_account_is_no_inbox(
    database: Database,
) -> None:
    address = "heather@nomail.example"
    await load(database, district(), message(recipients=[recipient("p1", email(address))]))

    assert await subjects(database, address) == []


async def test_two_portals_of_two_schools_see_nothing_of_the_other(database: Database) -> None:
    await load(
        database,
        district(),
        district("north", name="North"),
        school("east"),
        school("west"),
        message("M-1", [recipient("p1", inbox())], school="east", subject="East"),
        message("M-2", [recipient("p1", inbox())], school="west", subject="West"),
        message("M-3", [recipient("p1", inbox())], subject="District"),
        message("M-4", [recipient("p1", inbox())], district="north", subject="North"),
    )

    portals: dict[str, dict[str, Any]] = {
        "east": {"schools": ["east"]},
        "west": {"schools": ["west"]},
        "all": {},
        "north": {"district": "north"},
    }
    found = {
        name: await subjects(database, viewer=viewer(rights=[Right.READ_INBOX], **limits))
        for name, limits in portals.items()
    }

    assert found == {
        "east": ["East"],
        "west": ["West"],
        "all": ["District", "West", "East"],
        "north": ["North"],
    }


async def test_a_cursor_of_another_inbox_is_refused(database: Database) -> None:
    people = [recipient("p1", inbox("one")), recipient("p2", inbox("two"))]
    await load(database, district(), message(recipients=people))
    data = await ask(database, INBOX % "subject", {"account": "one"}, viewer=PORTAL)
    cursor = data["inbox"]["pageInfo"]["endCursor"]

    for account in ("two", "nobody"):
        asked = {"account": account, "after": cursor}
        [(code, said)] = await refusals(database, INBOX % "subject", asked, viewer=PORTAL)

        assert code == "BAD_USER_INPUT"
        assert said.startswith("This cursor comes from a list with another filter or order.")


# Rights


async def test_an_inbox_needs_its_own_right(database: Database) -> None:
    await load(database, district(), message(recipients=[recipient("p1", inbox())]))
    others = viewer(rights=set(Right) - {Right.READ_INBOX})

    assert await refusals(database, INBOX % "body", {"account": "hparent"}, viewer=others) == [
        (
            "FORBIDDEN",
            "This needs the right READ_INBOX, which your sign-in does not have. Ask your administrator for it.",
        )
    ]


@pytest.mark.parametrize(
    "fields",
    [
        "student { contacts { name } }",
        "student { recipients { edges { message { subject } } } }",
    ],
)
async def test_an_inbox_does_not_lead_into_the_log(database: Database, fields: str) -> None:
    people = [recipient("p1", inbox(), student=("s1", "Calvin"))]
    await load(database, district(), message(recipients=people))

    [(code, said)] = await refusals(database, INBOX % fields, {"account": "hparent"}, viewer=PORTAL)

    assert code == "FORBIDDEN"
    assert said.startswith("This needs the right VIEW_LOG,")


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (
            "",
            "account is no name of a portal account: an address has 1 to 320 characters, this one has 0. "
            "Give it as messages name it.",
        ),
        (
            "x" * 321,
            "account is no name of a portal account: an address has 1 to 320 characters, this one has 321. "
            "Give it as messages name it.",
        ),
        ("a\0b", "account holds a NUL character, which is in no text here. Take it out."),
    ],
)
async def test_what_is_no_account_is_refused_with_the_reason(
    database: Database, account: str, said: str
) -> None:
    await load(database, district())

    assert await refusals(database, INBOX % "body", {"account": account}, viewer=PORTAL) == [
        ("BAD_USER_INPUT", said)
    ]
