"""Opening recipients or a person adds an audit entry: once per request, before anything is returned."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from db.connect.database import Database
from db.tables.log import ADDRESS
from db.tables.operations import AUDIT
from domain.modes import AddressKind
from domain.viewer import Right
from tests.log import NOON, district, email, inbox, load, message, recipient, viewer
from tests.operations import EVER, ask, execute

Entry = tuple[str, str]


@pytest.fixture
async def log(database: Database) -> Database:
    people = [
        recipient("p1", email(), student=("s1", "Calvin")),
        recipient("p2", email("tad@nomail.example"), inbox("portal")),
    ]
    await load(database, district(), message("M-1", people), message("M-2", people))
    return database


async def entries(database: Database) -> list[Entry]:
    """What is written of acts and subjects, in its order."""
    async with database.reading() as connection:
        rows = await connection.execute(
            select(AUDIT.c.action, AUDIT.c.subject).order_by(AUDIT.c.id)
        )
        return [(row.action, row.subject) for row in rows]


RECIPIENTS_1 = ("OPEN_RECIPIENTS", "message.1")
RECIPIENTS_2 = ("OPEN_RECIPIENTS", "message.2")
PERSON_1 = ("OPEN_PERSON", "person.1")
PERSON_2 = ("OPEN_PERSON", "person.2")
SEARCH = ("SEARCH_PEOPLE", "district.1")
STUDENT_3 = ("OPEN_PERSON", "student.3")


@pytest.mark.parametrize(
    ("document", "written"),
    [
        # Looking at the log opens nobody.
        (f"{{ messages(createdBetween: {EVER}) {{ nodes {{ subject body }} totalCount }} }}", []),
        ('{ message(id: "message.1") { subject deliverySummary { totalRecipients } } }', []),
        ("{ viewer { id } schools { id } messageTypes { code } callStatuses { code } }", []),
        ('{ nodes(ids: ["message.1", "district.1"]) { id } }', []),
        # Opening the list of a message, however it is asked for.
        ('{ message(id: "message.1") { recipients { totalCount } } }', [RECIPIENTS_1]),
        ('{ message(id: "message.1") { deliveries { nodes { id } } } }', [RECIPIENTS_1]),
        ('{ node(id: "recipient.1.1") { id } }', [RECIPIENTS_1]),
        ('{ node(id: "delivery.1.1.0") { id } }', [RECIPIENTS_1]),
        (
            f"{{ messages(createdBetween: {EVER}) {{ nodes {{ recipients(first: 1) {{ nodes {{ name }} }} }} }} }}",
            [RECIPIENTS_2, RECIPIENTS_1],
        ),
        # Opening a person.
        ('{ person(id: "person.1") { name } }', [PERSON_1]),
        ('{ node(id: "person.1") { ... on Person { name } } }', [PERSON_1]),
        ('{ person(id: "person.1") { recipients { totalCount } } }', [PERSON_1]),
        (
            '{ nodes(ids: ["person.2", "person.1", "recipient.2.0"]) { id } }',
            [PERSON_2, PERSON_1, RECIPIENTS_2],
        ),
        ('{ node(id: "student.3") { ... on Student { name externalId } } }', [STUDENT_3]),
        ('{ node(id: "student.3") { ... on Student { contacts { name } } } }', [STUDENT_3]),
        (
            '{ person(id: "person.1") { students { name recipients { totalCount } } } }',
            [PERSON_1, STUDENT_3],
        ),
        # A search, and each person on the page that it shows; what it finds beyond the page is not opened.
        ('{ people(search: "parent") { totalCount } }', [SEARCH, PERSON_1, PERSON_2]),
        ('{ people(search: "parent", first: 1) { nodes { __typename } } }', [SEARCH, PERSON_1]),
        ('{ people(search: "nobody") { totalCount } }', [SEARCH]),
        (
            '{ a: people(search: "calvin") { totalCount } b: people(search: "s1") { totalCount } }',
            {SEARCH: 1, STUDENT_3: 1},
        ),
        # An inbox of an account that nobody has.
        ('{ inbox(account: "nobody") { nodes { body } } }', []),
        # A name in a list that is open says nothing more; what else the person was sent does.
        (
            '{ message(id: "message.1") { recipients { nodes { person { name } } } } }',
            [RECIPIENTS_1],
        ),
        (
            '{ message(id: "message.1") { recipients { nodes { person { recipients { totalCount } } } } } }',
            [RECIPIENTS_1, PERSON_2, PERSON_1],
        ),
        # Once a request, whatever it asks for how often.
        (
            """{ a: message(id: "message.1") { recipients(first: 1) { nodes { id } } deliveries { totalCount } }
                 b: message(id: "message.1") { recipients(last: 1) { nodes { id } } }
                 c: nodes(ids: ["recipient.1.0", "recipient.1.1", "delivery.1.0.0"]) { id }
                 d: person(id: "person.1") { name recipients { nodes { id } } } }""",
            {RECIPIENTS_1: 1, PERSON_1: 1},
        ),
        # What is not there is not opened.
        ('{ message(id: "message.9") { recipients { totalCount } } }', []),
        (
            '{ nodes(ids: ["recipient.9.0", "delivery.1.0.9", "person.9", "person.3", "student.1", "x"]) { id } }',
            [],
        ),
    ],
)
async def test_a_look_is_written_down(
    log: Database, document: str, written: list[Entry] | dict[Entry, int]
) -> None:
    await ask(log, document)

    found = await entries(log)
    if isinstance(written, dict):  # side by side, in no order
        assert {entry: found.count(entry) for entry in found} == written
    else:
        assert found == written


async def test_reading_an_inbox_is_written_down_once_with_the_id_of_its_address(
    log: Database,
) -> None:
    async with log.reading() as connection:
        address = await connection.scalar(
            select(ADDRESS.c.id).where(ADDRESS.c.kind == AddressKind.ACCOUNT)
        )

    await ask(
        log,
        '{ a: inbox(account: " portal ") { nodes { body student { name } } } b: inbox(account: "portal") { nodes { subject } } }',
    )

    assert await entries(log) == [("OPEN_INBOX", f"address.{address}")]


async def test_an_entry_says_who_when_from_where_and_in_which_request(log: Database) -> None:
    await ask(
        log,
        '{ person(id: "person.1") { name } }',
        viewer=viewer(id="principal", rights=[Right.VIEW_LOG]),
        origin="198.51.100.7",
        request_id="r-1",
    )

    async with log.reading() as connection:
        [row] = (await connection.execute(select(AUDIT))).all()
    assert row._asdict() == {
        "id": row.id,
        "at": NOON,
        "district_id": 1,
        "viewer_id": "principal",
        "action": "OPEN_PERSON",
        "subject": "person.1",
        "origin": "198.51.100.7",
        "request_id": "r-1",
        "messages": None,
        "viewer_name": "Administrator, System",
    }


async def test_the_next_request_adds_an_audit_entry(log: Database) -> None:
    for _ in range(2):
        await ask(log, '{ person(id: "person.1") { name } }')

    assert await entries(log) == [PERSON_1, PERSON_1]


async def test_nothing_is_shown_that_cannot_be_written_down(log: Database) -> None:
    async with log.writing() as connection:
        await connection.execute(text("ALTER TABLE audit RENAME TO lost"))

    result = await execute(log, '{ message(id: "message.1") { recipients { nodes { name } } } }')

    assert result.data == {"message": None}
    assert [error.extensions for error in result.errors or ()] == [{"code": "INTERNAL"}]


@pytest.mark.parametrize("change", ["UPDATE audit SET viewer_id = 'x'", "DELETE FROM audit"])
async def test_what_is_written_stays(log: Database, change: str) -> None:
    await ask(log, '{ person(id: "person.1") { name } }')

    with pytest.raises(DBAPIError):
        async with log.writing() as connection:
            await connection.execute(text(change))

    assert await entries(log) == [PERSON_1]
