"""Reading the audit: the right, the filters, the order, and the entry that reading adds."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from db.audit.entries import Action
from db.connect.database import Database
from db.tables.operations import AUDIT
from domain.viewer import Right, Viewer
from tests.log import NOON, district, load, school, viewer
from tests.operations import ask, refusals

AUDITOR = viewer(id="auditor", rights=[Right.VIEW_AUDIT])
ENTRIES = "{ nodes { viewerId action subject } }"
READING = {"viewerId": "auditor", "action": "OPEN_AUDIT", "subject": "district.1"}


@pytest.fixture
async def log(database: Database) -> Database:
    """Three entries of Plainview, and one of another district."""
    await load(database, district(), school("east"), district("north", name="North"))
    rows: list[dict[str, Any]] = [
        {"district_id": 1, "viewer_id": "u1", "action": "OPEN_PERSON", "subject": "person.1"},
        {"district_id": 2, "viewer_id": "u9", "action": "OPEN_PERSON", "subject": "person.9"},
        {"district_id": 1, "viewer_id": "u1", "action": "OPEN_PERSON", "subject": "person.2"},
        {"district_id": 1, "viewer_id": "u2", "action": "INGEST", "subject": "person.1"},
    ]
    async with database.writing() as connection:
        await connection.execute(insert(AUDIT), [row | {"at": NOON} for row in rows])
    return database


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(AUDIT)) or 0


async def test_the_newest_of_the_own_district_comes_first_and_reading_is_the_newest(
    log: Database,
) -> None:
    data = await ask(log, f"{{ auditTrail {ENTRIES} }}", viewer=AUDITOR)

    assert data["auditTrail"]["nodes"] == [
        READING,
        {"viewerId": "u2", "action": "INGEST", "subject": "person.1"},
        {"viewerId": "u1", "action": "OPEN_PERSON", "subject": "person.2"},
        {"viewerId": "u1", "action": "OPEN_PERSON", "subject": "person.1"},
    ]


async def test_an_entry_says_when_from_where_and_in_which_request(log: Database) -> None:
    data = await ask(
        log,
        "{ auditTrail(first: 1) { nodes { at origin requestId } } }",
        viewer=AUDITOR,
        origin="198.51.100.7",
        request_id="r-1",
    )

    assert data["auditTrail"]["nodes"] == [
        {"at": "2020-01-31T18:00:00+00:00", "origin": "198.51.100.7", "requestId": "r-1"}
    ]


@pytest.mark.parametrize(
    ("filter", "subjects"),
    [
        ('{viewerId: "u1"}', ["person.2", "person.1"]),
        ('{viewerId: "u9"}', []),
        ("{action: INGEST}", ["person.1"]),
        ('{subject: "person.1"}', ["person.1", "person.1"]),
        ('{subject: "person.1", viewerId: "u1"}', ["person.1"]),
        (
            '{between: {from: "2020-01-31", to: "2020-01-31"}}',
            ["district.1", "person.1", "person.2", "person.1"],
        ),
        ('{between: {from: "2020-02-01", to: "2020-02-02"}}', []),
        ('{between: {from: "2020-01-01", to: "2020-01-30"}}', []),
    ],
)
async def test_a_filter_narrows(log: Database, filter: str, subjects: list[str]) -> None:
    data = await ask(
        log, f"{{ auditTrail(filter: {filter}) {{ nodes {{ subject }} }} }}", viewer=AUDITOR
    )

    assert [node["subject"] for node in data["auditTrail"]["nodes"]] == subjects


async def test_pages_go_both_ways(log: Database) -> None:
    async def paged(arguments: str) -> dict[str, Any]:
        document = (
            f'{{ auditTrail(filter: {{subject: "person.1"}}, {arguments}) {{ edges {{ cursor node {{ viewerId }} }} '
            "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
        )
        found: dict[str, Any] = (await ask(log, document, viewer=AUDITOR))["auditTrail"]
        return found

    newest = await paged("first: 1")
    older = await paged(f'first: 1, after: "{newest["pageInfo"]["endCursor"]}"')
    back = await paged(f'last: 1, before: "{older["pageInfo"]["startCursor"]}"')

    assert [edge["node"]["viewerId"] for edge in newest["edges"]] == ["u2"]
    assert (newest["pageInfo"]["hasNextPage"], newest["pageInfo"]["hasPreviousPage"]) == (True, False)  # fmt: skip
    assert [edge["node"]["viewerId"] for edge in older["edges"]] == ["u1"]
    assert (older["pageInfo"]["hasNextPage"], older["pageInfo"]["hasPreviousPage"]) == (False, True)
    assert back["edges"] == newest["edges"]


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (
            viewer(rights=set(Right) - {Right.VIEW_AUDIT}),
            "This needs the right VIEW_AUDIT, which your sign-in does not have. Ask your administrator for it.",
        ),
        (
            viewer(schools=["east"]),
            "The audit is of the whole district, and your sign-in is limited to schools. Ask somebody of the district.",
        ),
    ],
)
async def test_nobody_else_reads_it(log: Database, who: Viewer, said: str) -> None:
    assert await refusals(log, f"{{ auditTrail {ENTRIES} }}", viewer=who) == [("FORBIDDEN", said)]
    assert await count(log) == 4


@pytest.mark.parametrize(
    "arguments", ['after: "x"', "first: 4001", 'filter: {viewerId: "\\u0000"}']
)
async def test_what_is_refused_is_not_written_down(log: Database, arguments: str) -> None:
    [(code, _)] = await refusals(log, f"{{ auditTrail({arguments}) {ENTRIES} }}", viewer=AUDITOR)

    assert code == "BAD_USER_INPUT"
    assert await count(log) == 4


ACTIONS = ", ".join(Action)


@pytest.mark.parametrize(
    ("document", "variables", "refusal"),
    [
        (
            "query($filter: AuditFilter) { auditTrail(filter: $filter) { nodes { action } } }",
            {"filter": {"action": "OPEN"}},
            (
                "BAD_USER_INPUT",
                "Variable '$filter' has invalid value at .action: Value 'OPEN' does not exist in 'AuditAction' enum. "
                f"Choose among {ACTIONS}.",
            ),
        ),
        (
            "{ auditTrail(filter: {action: OPEN}) { nodes { action } } }",
            None,
            (
                "GRAPHQL_VALIDATION_FAILED",
                f"Value 'OPEN' does not exist in 'AuditAction' enum. Choose among {ACTIONS}.",
            ),
        ),
    ],
)
async def test_an_action_that_is_not_there_is_refused_with_those_that_are(
    log: Database, document: str, variables: Any, refusal: tuple[str, str]
) -> None:
    for _ in range(2):  # the second time the document is known
        assert await refusals(log, document, variables, viewer=AUDITOR) == [refusal]
    assert await count(log) == 4


async def test_what_a_later_release_wrote_is_shown_and_found(log: Database) -> None:
    async with log.writing() as connection:
        later = {"district_id": 1, "viewer_id": "u3", "action": "SOMETHING_NEW", "subject": "x.1"}
        await connection.execute(insert(AUDIT).values(later | {"at": NOON}))

    data = await ask(log, f"{{ auditTrail(filter: {{action: OTHER}}) {ENTRIES} }}", viewer=AUDITOR)

    assert data["auditTrail"]["nodes"] == [{"viewerId": "u3", "action": "OTHER", "subject": "x.1"}]


async def test_what_was_done_last_comes_first_whenever_it_was_written(log: Database) -> None:
    async with log.writing() as connection:
        slow = {"district_id": 1, "viewer_id": "u3", "action": "INGEST", "subject": "district.1"}
        await connection.execute(insert(AUDIT).values(slow | {"at": NOON - timedelta(hours=1)}))

    data = await ask(log, f"{{ auditTrail {ENTRIES} }}", viewer=AUDITOR)

    assert [node["viewerId"] for node in data["auditTrail"]["nodes"]] == [
        *("auditor", "u2", "u1", "u1", "u3")
    ]
