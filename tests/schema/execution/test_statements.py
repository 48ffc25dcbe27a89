"""The number of statements of an operation does not depend on the number of objects."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert

from db.connect.database import Database
from db.tables.operations import REPORT
from domain.people import Role
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus
from domain.status import MessageStatus
from schema.contract import SCHEMA
from schema.execution.executor import FastExecutor
from tests.log import (
    NOON,
    district,
    email,
    inbox,
    load,
    message,
    message_ids,
    person_ids,
    recipient,
    school,
    viewer,
    voice,
)
from tests.operations import EVER, ask
from tests.statements import Statement, recorded

MESSAGES = 500
SIZES = (1, 50, 500)
SIGHT = 1
"""The statement that finds the viewer's district, with which every request begins."""

RELATIONS = """
    school { name } district { name } sender { name } type { label }
    statusLabel originLabel createdText scheduledText viewerCanCancel viewerCanRefresh viewerCanResend outcomes { count } waitsFor { reason }
    body bodyFormat textBody voiceScript replyTo filterCriteria { label value }
    deliverySummary { totalRecipients startedAt tallies { count } inboxEmail { status } voiceText { status } }
    cancellation { reason stopped } reportOptions { devices }
"""
RECIPIENT = (
    "name student { name } person { name } deliveries { address events { at } callStatus { code } }"
)

OPERATIONS = {
    "figures over many messages": (
        """query($size: Int!) { messages(createdBetween: {from: "2020-01-31", to: "2020-01-31"}, first: $size) { totalCount }
          figures(createdBetween: {from: "2020-01-01", to: "2020-12-31"}, groupBy: [MONTH, SCHOOL, TYPE, SENDER, MODE]) {
            from school { name } type { label } sender { name } mode messages deliveries failureRate medianSeconds
          } }""",
        # the page, its count; rows of figures, delays, types, senders; schools
        7,
    ),
    "a page of the log": (
        f"query($size: Int!) {{ messages(createdBetween: {EVER}, first: $size) {{ nodes {{ {RELATIONS} }} }} }}",
        # the page; schools, contents, counters, cancellations, outcomes
        6,
    ),
    "a page of the log with recipients": (
        f"""query($size: Int!) {{ messages(createdBetween: {EVER}, first: $size) {{
              edges {{ cursor node {{ recipients(first: 2) {{ totalCount edges {{ cursor node {{ {RECIPIENT} }} }} }} }} }}
           }} }}""",
        # the page; recipients, audit, counts; people, deliveries; events; whether the messages are history
        (7, 8, 8),  # the deliveries to one message's recipients come with these
    ),
    "a page of the log with deliveries": (
        f"""query($size: Int!) {{ messages(createdBetween: {EVER}, first: $size) {{
              nodes {{ deliveries(first: 2) {{ totalCount nodes {{ events {{ at }} }} edges {{ recipient {{ name }} }} }} }}
           }} }}""",
        # the page; deliveries, audit, counts; recipients, events; whether the messages are history
        7,
    ),
    "the recipients of a message": (
        f"""query($size: Int!, $message: ID!) {{ message(id: $message) {{
              recipients(first: $size) {{ nodes {{ {RECIPIENT} }} }} }} }}""",
        # the message; recipients with their deliveries, audit; people; events
        5,
    ),
    "the deliveries of a message": (
        """query($size: Int!, $message: ID!) { message(id: $message) {
             deliveries(first: $size) { edges { node { events { at } } recipient { person { name } } } } } }""",
        # the message; deliveries, audit; recipients, events; people
        6,
    ),
    "what a person was sent": (
        """query($size: Int!, $person: ID!) { person(id: $person) { name recipients(first: $size) {
             totalCount edges { message { subject school { name } } node { name deliveries { address } } } } } }""",
        # the person, audit; what it was sent, counts; messages, deliveries; schools
        7,
    ),
    "the students of people": (
        """query($size: Int!, $message: ID!) { message(id: $message) { recipients(first: $size) {
             nodes { person { externalId students { name externalId contacts { name } } } } } } }""",
        # the message; recipients, audit; people; who belongs to them, students, audit; who belongs to these, audit
        9,
    ),
    "what was sent about a student": (
        """query($size: Int!, $student: ID!) { node(id: $student) { ... on Student { name recipients(first: $size) {
             totalCount edges { message { subject } node { name student { externalId } } } } } } }""",
        # the student, audit; what was sent, counts; messages
        5,
    ),
    "a search for people": (
        """query($size: Int!) { people(search: "parent", first: $size) { totalCount edges { cursor matched node {
             ... on Person { name externalId students { name } } ... on Student { name contacts { name } } } } } }""",
        # addresses, ids, a look-up of names, the page, the names as written; people, audit; the first three again, counts;
        # who belongs to them, students
        13,
    ),
    "the inbox of an account": (
        """query($size: Int!) { inbox(account: "portal", first: $size) { edges { cursor node {
             subject body bodyFormat receivedAt sender { name } school { name } student { name externalId }
             delivery { status address events { at } } } } } }""",
        # the account, the page, audit; schools, contents, deliveries, external ids; events; whether these are history
        9,
    ),
    "the figures of a message": (
        """query($message: ID!) { message(id: $message) {
             subject deliverySummary { totalEmails startedAt tallies { count } } } }""",
        # the message with its counters
        1,
    ),
    "a page of the log with reports": (
        f"""query($size: Int!) {{ messages(createdBetween: {EVER}, first: $size) {{ nodes {{
              reports(first: 2) {{ totalCount nodes {{ fileName message {{ subject }} }} }} }} }} }}""",
        # the page; reports, counts; messages
        4,
    ),
    "the worklist": (
        """query($size: Int!) { contactProblems(first: $size) { totalCount counts { count } nodes {
             reason lastDelivery { address } address { value lastUsedAt lastReachedAt problem { kind }
               people { name addresses { value } } } } } }""",
        # the page, audit, the total, counts; addresses, deliveries; uses, problems, whom they belong to; people, audit;
        # the addresses of each, which are known or read; audit
        14,
    ),
    "what each recipient was sent": (
        """query($size: Int!, $message: ID!) { message(id: $message) { recipients(first: $size) {
             nodes { person { recipients(first: 2) { edges { message { subject } } } } } } } }""",
        # the message; recipients, audit; people; what each was sent, audit; messages
        7,
    ),
}


def count(statements: Sequence[Statement]) -> int:
    """The number of statements. On SQLite it includes BEGIN, which PostgreSQL's driver sends itself."""
    return sum(not statement.text.startswith("BEGIN") for statement in statements)


@pytest.fixture(autouse=True)
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all other tests ask a schema that answers in the ordinary way, in which nobody looks ahead."""
    monkeypatch.setattr(SCHEMA, "execution_context_class", FastExecutor)


@pytest.fixture
async def log(database: Database) -> Database:
    """Five hundred messages to the same two people, and two to five hundred people."""
    few = [
        recipient(
            "p1",
            email(at=NOON),
            voice(call_status=5, at=NOON),
            inbox("portal", at=NOON),
            student=("s1", "Calvin"),
        ),
        recipient("p2", email("tad@nomail.example", at=NOON), name="Parent, Tad"),
    ]
    many = [
        recipient(
            f"q{n}",
            email(f"q{n}@nomail.example", at=NOON),
            voice(f"+1612555{n:04}", call_status=3, at=NOON),
            name=f"Parent, {n}",
            student=(f"t{n}", f"Student, {n}"),
        )
        for n in range(MESSAGES)
    ]
    canceled = {"at": NOON.isoformat(), "reason": "a mistake"}
    await load(
        database,
        district(),
        *[school(f"school-{n}") for n in range(MESSAGES)],
        *[
            message(
                f"M-{n}",
                few,
                school=f"school-{n}",
                status=MessageStatus.CANCELED_IN_PROGRESS,
                cancellation=canceled,
            )
            for n in range(MESSAGES)
        ],
        message("many", many, school="school-0"),
        message("many again", many, school="school-0"),
    )
    await add_reports(database)
    return database


async def add_reports(database: Database) -> None:
    """A report on every message."""
    fixed = {
        "district_id": 1,
        "devices": [ReportDevice.EMAIL],
        "detail": ReportDetail.ALL,
        "format": ReportFormat.CSV,
        "is_masked": False,
        "time_zone": "America/Chicago",
        "status": ReportStatus.QUEUED,
        "progress_percent": 0,
        "requested_by_id": "u1",
        "requested_by_name": "Administrator, System",
        "requested_at": NOON,
        "expires_at": NOON + timedelta(days=1),
        "file_name": "report.csv",
        "attempts": 0,
    }
    ids = (await message_ids(database)).values()
    async with database.writing() as connection:
        await connection.execute(insert(REPORT), [fixed | {"message_id": id} for id in ids])


async def test_an_operation_takes_as_many_statements_for_five_hundred_objects_as_for_one(
    log: Database,
) -> None:
    known = {
        "message": f"message.{(await message_ids(log))['many']}",
        "person": f"person.{(await person_ids(log))['p1']}",
        "student": f"student.{(await person_ids(log, role=Role.STUDENT))['s1']}",
    }
    taken: dict[str, list[int]] = {}
    for name, (document, _) in OPERATIONS.items():
        asked = {key: id for key, id in known.items() if f"${key}:" in document}
        taken[name] = []
        for size in SIZES:
            with recorded(log) as statements:
                sized = {"size": size} if "$size:" in document else {}
                await ask(log, document, {**sized, **asked})
            # without the two that find out what the viewer may see
            taken[name].append(count(statements) - SIGHT)

    assert taken == {
        name: list(number) if isinstance(number, tuple) else [number] * len(SIZES)
        for name, (_, number) in OPERATIONS.items()
    }


SIMPLE = """{
    viewer { name district { name } schools { name } } schools { name } messageTypes { label }
    callStatuses { code } node(id: "message.1") { id } }"""


async def test_what_is_asked_without_a_list_takes_as_many_statements_for_a_viewer_of_many_schools(
    log: Database,
) -> None:
    taken: list[int] = []
    for size in SIZES:
        schools = [f"school-{n}" for n in range(size)]
        with recorded(log) as statements:
            data = await ask(log, SIMPLE, viewer=viewer(schools=schools))
        assert len(data["schools"]) == len(data["viewer"]["schools"]) == size
        taken.append(count(statements))

    assert taken == [taken[0]] * len(SIZES)


NODES = {
    # what is fetched, and the audit where it is written
    "message": 1,
    "school": 1,
    "report": 1,
    "person": 2,
    "student": 2,
    "recipient": 2,
    "delivery": 2,
    "address": 2,
}


async def test_a_hundred_ids_take_as_many_statements_as_one(log: Database) -> None:
    many = (await message_ids(log))["many"]
    students = list((await person_ids(log, role=Role.STUDENT)).values())
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    taken: dict[str, list[int]] = {}
    for kind in NODES:
        taken[kind] = []
        for size in (1, 50, 100):
            own: dict[str, Sequence[object]] = {
                "recipient": [f"{many}.{n}" for n in range(size)],
                "delivery": [f"{many}.{n}.0" for n in range(size)],
                "student": students[:size],
            }
            keys = own.get(kind, range(1, size + 1))
            with recorded(log) as statements:
                data = await ask(log, document, {"ids": [f"{kind}.{key}" for key in keys]})
            assert all(data["nodes"])
            taken[kind].append(count(statements) - SIGHT)

    assert taken == {kind: [number] * 3 for kind, number in NODES.items()}


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("totalCount", 1),
        ("facets { statuses { count } }", 1),
        ("facets { types { count } }", 1),
        ("facets { schools { count } }", 1),
        ("facets { schools { school { name } count } }", 2),
        ("pageInfo { endCursor hasNextPage }", 0),
        ("totalCount facets { statuses { count } types { count } schools { count } }", 4),
    ],
)
async def test_only_what_is_asked_for_is_counted(database: Database, field: str, more: int) -> None:
    await load(database, district(), school("east"), message(school="east"))

    async def taken(fields: str) -> int:
        with recorded(database) as statements:
            await ask(database, f"{{ messages(createdBetween: {EVER}) {{ {fields} }} }}")
        return count(statements)

    assert await taken(f"nodes {{ subject }} {field}") == await taken("nodes { subject }") + more


async def test_the_deliveries_of_four_thousand_recipients_are_one_statement(
    database: Database,
) -> None:
    crowd = [
        recipient(f"p{n}", email(f"p{n}@nomail.example"), voice(f"+1612555{n:04}", call_status=5))
        for n in range(4_000)
    ]
    await load(database, district(), message(recipients=crowd))

    with recorded(database) as statements:
        data = await ask(
            database,
            '{ message(id: "message.1") { recipients { nodes { deliveries { address } } } } }',
        )

    nodes = data["message"]["recipients"]["nodes"]
    assert len(nodes) == 4_000
    assert {len(node["deliveries"]) for node in nodes} == {2}
    assert sum("JOIN delivery" in statement.text for statement in statements) == 1
    assert not any("FROM delivery" in statement.text for statement in statements)
