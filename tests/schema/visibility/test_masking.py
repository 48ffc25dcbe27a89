"""Without VIEW_RECIPIENTS: no name, no address, no body, by no field, no search, no cursor and no order."""

import base64

import pytest
from sqlalchemy import insert

from db.connect.database import Database
from db.tables.log import DELIVERY_EVENT
from domain.call_status import CALL_STATUSES
from domain.masking import MASK
from domain.status import DeliveryStatus, EventSource
from domain.viewer import Right
from tests.log import NOON, district, email, load, message, recipient, viewer
from tests.operations import EVER, ask, refusals
from tests.schema.visibility.origins import load_origins
from tests.schema.visibility.walk import walk

MASKED = viewer(rights=[Right.VIEW_LOG])
FORBIDDEN = (
    "FORBIDDEN",
    "This needs the right VIEW_RECIPIENTS, which your sign-in does not have. Ask your administrator for it.",
)


@pytest.mark.usefixtures("unlimited")
async def test_only_what_was_sent_by_whom_is_seen_and_not_to_whom(database: Database) -> None:
    await load_origins(database)

    seen = await walk(database, viewer(district="north", rights=[Right.VIEW_LOG]), now=NOON)

    assert seen.places_with("nordost") == {
        ("FilterCriterion", "label"),
        ("Message", "category"),
        ("Message", "originLabel"),
        ("Message", "scheduleId"),
        ("Message", "subject"),
        ("MessageType", "code"),
        ("MessageType", "label"),
        ("School", "name"),
        ("Sender", "id"),
        ("Sender", "name"),
    }
    assert {place: seen.texts[place] for place in seen.places_with(MASK)} == {
        ("Address", "value"): {MASK},
        ("Cancellation", "reason"): {MASK},
        ("ContactProblem", "note"): {MASK},
        ("FilterCriterion", "value"): {MASK},
        ("Message", "replyTo"): {MASK},
        ("Delivery", "address"): {MASK},
        ("Message", "body"): {MASK},
        ("Message", "textBody"): {MASK},
        ("Message", "voiceScript"): {MASK},
        ("Person", "externalId"): {MASK},
        ("Person", "name"): {MASK},
        ("Recipient", "name"): {MASK},
        ("Student", "externalId"): {MASK},
        ("Student", "name"): {MASK},
    }


async def test_what_is_not_there_is_not_masked(database: Database) -> None:
    await load(database, district(), message(recipients=[recipient("p1")]))

    data = await ask(
        database,
        """{ message(id: "message.1") {
            textBody voiceScript replyTo filterCriteria { label } cancellation { reason }
            recipients { nodes { student { name } } } } }""",
        viewer=MASKED,
    )

    assert data["message"] == {
        "textBody": None,
        "voiceScript": None,
        "replyTo": None,
        "filterCriteria": [],
        "cancellation": None,
        "recipients": {"nodes": [{"student": None}]},
    }


async def test_a_providers_own_words_are_masked_since_they_may_repeat_the_address(
    database: Database,
) -> None:
    await load(database, district(), message(recipients=[recipient("p1", email())]))
    async with database.writing() as connection:
        await connection.execute(
            insert(DELIVERY_EVENT).values(
                message_id=1,
                recipient_number=0,
                delivery_number=0,
                at=NOON,
                status=DeliveryStatus.FAILED,
                source=EventSource.CALLBACK,
                detail="550 heather@nomail.example is unknown here",
            )
        )
    document = '{ node(id: "delivery.1.0.0") { ... on Delivery { events { status detail } } } }'

    masked = await ask(database, document, viewer=MASKED)
    whole = await ask(database, document)

    assert masked["node"]["events"] == [{"status": "FAILED", "detail": MASK}]
    assert whole["node"]["events"] == [
        {"status": "FAILED", "detail": "550 heather@nomail.example is unknown here"}
    ]


@pytest.mark.parametrize(
    "document",
    [
        f'{{ messages(createdBetween: {EVER}, filter: {{recipient: "heather"}}) {{ totalCount }} }}',
        '{ message(id: "message.1") { recipients(search: "heather") { totalCount } } }',
        '{ people(search: "heather") { totalCount } }',
    ],
)
async def test_nobody_is_searched_for_by_who_may_not_see_them(
    database: Database, document: str
) -> None:
    await load(database, district(), message(recipients=[recipient("p1")]))

    assert await refusals(database, document, viewer=MASKED) == [FORBIDDEN]


async def test_neither_order_nor_cursors_reveal_names(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[
                recipient("p1", email("z@nomail.example"), name="Zoë"),
                recipient("p2", email("a@nomail.example"), name="Anna"),
            ]
        ),
    )
    document = """{ message(id: "message.1") {
        recipients { pageInfo { startCursor endCursor } edges { cursor node { id } } }
        deliveries { pageInfo { startCursor endCursor } edges { cursor node { id } } } } }"""

    lists = (await ask(database, document, viewer=MASKED))["message"]

    for name, ids in {
        "recipients": ["recipient.1.0", "recipient.1.1"],
        "deliveries": ["delivery.1.0.0", "delivery.1.1.0"],
    }.items():
        assert [edge["node"]["id"] for edge in lists[name]["edges"]] == ids
        cursors = [edge["cursor"] for edge in lists[name]["edges"]]
        assert [*lists[name]["pageInfo"].values()] == [cursors[0], cursors[-1]]
        read = b" ".join(base64.urlsafe_b64decode(cursor + "==") for cursor in cursors).lower()
        assert b"anna" not in read
        assert b"zo" not in read


async def test_a_cursor_by_name_does_not_serve_who_may_not_see_names(database: Database) -> None:
    await load(database, district(), message(recipients=[recipient("p1"), recipient("p2")]))
    document = """query($after: String) { message(id: "message.1") {
        recipients(first: 1, after: $after) { nodes { id } pageInfo { endCursor } } } }"""
    given = await ask(database, document)
    cursor = given["message"]["recipients"]["pageInfo"]["endCursor"]

    [(code, _)] = await refusals(database, document, {"after": cursor}, viewer=MASKED)

    assert code == "BAD_USER_INPUT"


OUTSIDE = {
    "messages": f"messages(createdBetween: {EVER}) {{ totalCount }}",
    "message": 'message(id: "message.1") { id }',
    "person": 'person(id: "person.1") { id }',
    "people": 'people(search: "heather") { totalCount }',
    "node": 'node(id: "message.1") { id }',
    "nodes": 'nodes(ids: ["district.1"]) { id }',
    "messageTypes": "messageTypes { code }",
}


@pytest.mark.parametrize("field", OUTSIDE.values(), ids=OUTSIDE)
async def test_without_view_log_the_log_is_closed(database: Database, field: str) -> None:
    await load(database, district(), message(recipients=[recipient("p1")]))
    others = viewer(rights=set(Right) - {Right.VIEW_LOG})

    assert await refusals(database, f"{{ {field} }}", viewer=others) == [
        (
            "FORBIDDEN",
            "This needs the right VIEW_LOG, which your sign-in does not have. Ask your administrator for it.",
        )
    ]


async def test_without_any_right_one_sees_who_one_is_and_what_codes_mean(
    database: Database,
) -> None:
    await load(database, district(), message())

    data = await ask(
        database,
        "{ viewer { id rights } schools { id } callStatuses { code } }",
        viewer=viewer(rights=[]),
    )

    assert data["viewer"] == {"id": "u1", "rights": []}
    assert data["schools"] == []
    assert [status["code"] for status in data["callStatuses"]] == list(CALL_STATUSES)
