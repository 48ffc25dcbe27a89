"""Every field of the schema, shown to somebody without VIEW_RECIPIENTS: nothing that was written of, to or about a family.

The fields are those of the schema itself, with all mutations, subscriptions and unions: a new one is asked for too, and fails
the test that wants every text field to have shown something, until the data below has something for it to show.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, cast

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type
from sqlalchemy import insert, update

from db.connect.database import Database
from db.derived.addresses import states
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import DELIVERY_EVENT
from db.tables.operations import REPORT
from db.upkeep import installation
from delivery.gateways.base import NotAccepted
from domain.report import ReportStatus
from domain.status import DeliveryStatus, EventSource, MessageStatus
from domain.viewer import Right, Viewer
from schema.contract import SCHEMA
from tests.log import NOON, email, inbox, message, recipient, text, viewer, voice
from tests.operations import EVER, ask, codes_and_messages, execute
from tests.resolvers.world import World
from tests.schema.visibility.walk import (
    Seen,
    all_places,
    closed_to,
    document,
    note,
    operation,
    places_in,
    places_walked,
    walk,
)

pytestmark = pytest.mark.usefixtures("unlimited")

MASKED: Final = viewer(rights=set(Right) - {Right.VIEW_RECIPIENTS}, id="clerk")
WORDS: Final = ("Zephyrine", "zephyrine", "5550177")
"""They stand in whatever was written of, to or about a family, and in nothing that staff called something."""

PLANTED: Final = {
    ("Address", "value"),
    ("Cancellation", "reason"),
    ("ContactProblem", "note"),
    ("Delivery", "address"),
    ("DeliveryEvent", "detail"),
    ("FilterCriterion", "value"),
    ("InboxItem", "body"),
    ("Message", "body"),
    ("Message", "replyTo"),
    ("Message", "textBody"),
    ("Message", "voiceScript"),
    ("Person", "externalId"),
    ("Person", "name"),
    ("Recipient", "name"),
    ("Report", "fileName"),
    ("Student", "externalId"),
    ("Student", "name"),
    # A cursor holds what its list is sorted by: for who may see names, that is the name.
    ("PersonEdge", "matched"),
    *(
        ("RecipientEdge", "cursor"),
        ("PersonEdge", "cursor"),
        ("PageInfo", "startCursor"),
        ("PageInfo", "endCursor"),
    ),
}

UNSHOWN: Final = {
    *(("NotFound", "message"), ("MessageNotCancelable", "message"), ("NothingToResend", "message")),
    *(("ReportOptionUnavailable", "message"), ("ReportOptionUnavailable", "field")),
    ("ContactProblemEdge", "cursor"),
}
"""Texts of refusals, which are fixed: `test_refusals_name_nobody` reads them. The worklist needs the right."""

CLOSED: Final = {("PersonEdge", "matched"), ("PersonEdge", "cursor")}
"""Fields of lists that need VIEW_RECIPIENTS as a whole."""

FAMILY: Final = [
    recipient(
        "zephyrine-p",
        inbox("zephyrine"),
        email("zephyrine@nomail.example"),
        voice("+16125550177"),
        text("+16125550177"),
        inbox("shared"),
        name="Parent, Zephyrine",
        student=("zephyrine-s", "Kid, Zephyrine"),
    )
]
SAID: Final[Mapping[str, Any]] = {
    "body": "Zephyrine was late",
    "text_body": "Zephyrine late",
    "voice_script": "Zephyrine is late",
    "reply_to": "zephyrine@nomail.example",
    "filter_criteria": [("Deliver To", "Parents of Zephyrine")],
    "schedule_id": "S-1",
    "category": "Attendance",
}

DAYS: Final = {"from": "2020-01-01", "to": "2020-12-31"}
INPUTS: Final = {
    "cancelMessage": {"messageId": "message.3", "reason": "Zephyrine moved away"},
    "cancelMessages": {"messageIds": ["message.3"], "reason": "Zephyrine moved away"},
    "refreshMessage": {"messageId": "message.2"},
    "createReport": {"messageId": "message.1", "devices": ["EMAIL"]},
    "createFamilyReport": {"personId": "person.1", "createdBetween": DAYS},
    "createContactProblemReport": {"filter": {"search": "zephyrine"}},
    "resolveContactProblem": {"addressId": "address.2", "note": "Zephyrine has another"},
    "resendFailed": {"messageId": "message.2"},
    "saveSearch": {"name": "Late", "arguments": "{}"},
    "deleteSavedSearch": "saved-search.99",
}
"""What each mutation is done with. One that is not here fails the test."""

WATCHED: Final[Mapping[str, tuple[str, Any]]] = {
    "messageChanged": ("id", "message.1"),
    "reportChanged": ("id", "report.1"),
    "logChanged": ("createdBetween", DAYS),
}
"""The argument with which each subscription is watched."""
NEED_RECIPIENTS: Final = {
    "createContactProblemReport",
    "createFamilyReport",
    "resolveContactProblem",
}
"""Mutations that nobody does without VIEW_RECIPIENTS."""


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A canceled message of history, one of which something failed, and one that waits."""
    world = World(database)
    await world.take(
        message(
            "PAST",
            FAMILY,
            school="harrison-high",
            status=MessageStatus.CANCELED_IN_PROGRESS,
            cancellation={
                "at": NOON.isoformat(),
                "by": {"id": "u2", "name": "Clerk"},
                "reason": "Zephyrine moved away",
            },
            **SAID,
        ),
        message("FAILED", FAMILY, status=None, **SAID),
        message("WAITS", FAMILY, status=None, scheduled_at=NOON.replace(year=2021), **SAID),
    )
    world.provider.outcomes = dict.fromkeys(
        ("zephyrine@nomail.example", "+16125550177"),
        NotAccepted("450 zephyrine@nomail.example and +16125550177 are busy"),
    )
    await world.work()
    async with database.writing() as connection:
        await installation.beat(connection, "w-1")
        failed = "UPDATE delivery SET status = 'FAILED', failure = '5.1.1' WHERE message_id < 3 AND mode = 'EMAIL'"
        await connection.exec_driver_sql(failed)
        await states.recount(connection, [1, 2, 3])
        resolved = {"resolved_at": NOON, "resolved_by_id": "u3", "resolved_by_name": "Clerk"}
        await connection.execute(
            update(ADDRESS_FAILURES).values(note="Zephyrine moved away", **resolved)
        )
        event = {
            "message_id": 1,
            "recipient_number": 0,
            "delivery_number": 1,
            "at": NOON,
            "status": DeliveryStatus.FAILED,
            "source": EventSource.CALLBACK,
            "detail": "550 zephyrine@nomail.example is unknown here",
        }
        await connection.execute(insert(DELIVERY_EVENT).values(event))
    async with world.process_services.notices.listening():
        yield world
        world.naps.wake()


def documents() -> dict[str, str]:
    """Every mutation and subscription there is, with all that it can show."""
    types = SCHEMA._schema.type_map
    mutations = cast(GraphQLObjectType, types["Mutation"]).fields
    watched = cast(GraphQLObjectType, types["Subscription"]).fields
    return {name: operation("Mutation", name, *field.args) for name, field in mutations.items()} | {
        name: operation("Subscription", name, WATCHED[name][0]) for name in watched
    }


async def shown_to(world: World, who: Viewer) -> Seen:
    """All that somebody comes to see: by every mutation, every subscription and every query."""
    seen = Seen()
    for name, operated in documents().items():
        if name in NEED_RECIPIENTS and not who.may(Right.VIEW_RECIPIENTS):
            continue
        if name in WATCHED:
            context = await world.open(who)
            stream = await SCHEMA.subscribe(
                operated, variable_values=dict([WATCHED[name]]), context_value=context
            )
            result: Any = await anext(cast(Any, stream))
        else:
            result = await SCHEMA.execute(
                operated,
                variable_values={argument_of(name): INPUTS[name]},
                context_value=await world.open(who),
            )
        assert result.errors is None, (name, result.errors)
        note(result.data, seen)
        if name == "createReport":
            await end_report(world)
    # The walk knows no gateways, which `system` shows.
    roots = await SCHEMA.execute(
        document(None, closed=closed_to(who)), context_value=await world.open(who)
    )
    assert roots.errors is None, roots.errors
    note(roots.data, seen)
    queried = await walk(world.database, who, now=NOON)
    for place, texts in queried.texts.items():
        seen.texts[place] |= texts
    return seen


def argument_of(mutation: str) -> str:
    """The one argument of a mutation."""
    mutations = cast(GraphQLObjectType, SCHEMA._schema.type_map["Mutation"]).fields
    (argument,) = mutations[mutation].args
    return str(argument)


async def end_report(world: World) -> None:
    """Have the report be made, and fail, as far as its row tells."""
    async with world.database.writing() as connection:
        await connection.execute(
            update(REPORT).values(
                status=ReportStatus.FAILED, failure="It could not be made.", sha256="0" * 64
            )
        )


def places_of(seen: Seen) -> set[tuple[str, str]]:
    """Where one of the words stands, in cursors too, which are read."""
    found: set[tuple[str, str]] = set()
    for place, texts in seen.texts.items():
        for shown in texts:
            if any(word in shown + _decoded(shown) for word in WORDS):
                found.add(place)
    return found


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def test_every_field_of_the_schema_is_asked_for() -> None:
    asked = places_walked() | places_in(*documents().values())

    assert asked == all_places("Query", "Mutation", "Subscription")


async def test_with_the_right_families_are_visible_in_these_fields(world: World) -> None:
    assert places_of(await shown_to(world, viewer())) == PLANTED


async def test_without_the_right_masked_fields_show_nothing_anywhere(world: World) -> None:
    seen = await shown_to(world, MASKED)

    assert places_of(seen) == {("InboxItem", "body")}  # which READ_INBOX shows
    texts = {
        (made.name, name)
        for made in SCHEMA._schema.type_map.values()
        if isinstance(made, GraphQLObjectType) and not made.name.startswith("__")
        for name, field in made.fields.items()
        if get_named_type(field.type).name in ("String", "ID")
    }
    assert texts - seen.texts.keys() == UNSHOWN | CLOSED


@pytest.mark.parametrize(
    ("name", "input"),
    [
        ("cancelMessage", {"messageId": "message.1", "reason": "x"}),
        ("cancelMessage", {"messageId": "message.99"}),
        ("resendFailed", {"messageId": "message.1"}),
        ("createReport", {"messageId": "message.3", "devices": [], "detail": "ALL"}),
    ],
)
async def test_refusals_name_nobody(world: World, name: str, input: dict[str, Any]) -> None:
    seen = Seen()

    result = await SCHEMA.execute(
        documents()[name], variable_values={"input": input}, context_value=await world.open(MASKED)
    )

    note(result.data, seen)
    assert result.errors is None
    assert places_of(seen) == set()


SEARCH: Final = f"""query($filter: MessageFilter) {{ messages(createdBetween: {EVER}, filter: $filter) {{
    totalCount nodes {{ id }} facets {{ statuses {{ count }} types {{ count }} schools {{ count }} }} }} }}"""
FOUND_NOTHING: Final = {
    "totalCount": 0,
    "nodes": [],
    "facets": {"statuses": [], "types": [], "schools": []},
}


def text_filters() -> list[tuple[str, bool]]:
    """Every part of a filter that takes a text, and whether it takes several."""
    filter = cast(GraphQLInputObjectType, SCHEMA._schema.type_map["MessageFilter"])
    return [
        (name, "[" in str(part.type))
        for name, part in filter.fields.items()
        if get_named_type(part.type).name == "String"
    ]


@pytest.mark.parametrize(("part", "is_list"), text_filters())
@pytest.mark.parametrize("word", ["Zephyrine", "late", "+16125550177", "moved away", "Parents of"])
async def test_no_filter_finds_a_message_by_what_is_masked(
    world: World, part: str, is_list: bool, word: str
) -> None:
    result = await execute(
        world.database,
        SEARCH,
        {"filter": {part: [word] if is_list else word}},
        viewer=MASKED,
    )

    if result.errors:
        assert part in {"recipient", "text"}
        assert [code for code, _ in codes_and_messages(result)] == ["FORBIDDEN"]
    elif part == "type":  # a drop-down offers what there is beside the choice made in it
        assert result.data is not None
        assert result.data["messages"]["totalCount"] == 0
    else:
        assert result.data == {"messages": FOUND_NOTHING}


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_no_order_reveals_masked_values(database: Database, direction: str) -> None:
    """Two messages that differ in what is masked alone stand in the order in which they came, or in its reverse."""
    world = World(database)
    first = {**SAID, "body": "b", "reply_to": "b@nomail.example", "filter_criteria": [("L", "b")]}
    second = {**SAID, "body": "a", "reply_to": "a@nomail.example", "filter_criteria": [("L", "a")]}
    await world.take(
        message("M-1", [recipient("p1", email("b@nomail.example"), name="B")], **first),
        message("M-2", [recipient("p2", email("a@nomail.example"), name="A")], **second),
    )
    came = ["message.1", "message.2"]
    fields = SCHEMA._schema.type_map["MessageOrderField"].values  # type: ignore[attr-defined]

    for field in fields:
        order = f"[{{field: {field}, direction: {direction}}}]"
        data = await ask(
            database,
            f"{{ messages(createdBetween: {EVER}, orderBy: {order}) {{ nodes {{ id }} }} }}",
            viewer=MASKED,
        )
        ids = [node["id"] for node in data["messages"]["nodes"]]
        assert (field, ids) == (field, came if direction == "ASC" else came[::-1])
