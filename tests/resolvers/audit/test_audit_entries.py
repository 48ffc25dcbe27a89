"""Audit entries by id, and the names in them: who may read them, and the entry that reading adds."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from sqlalchemy import func, insert, select

from db.connect.database import Database
from db.migrations import upgrade
from db.tables.log import DISTRICT
from db.tables.operations import AUDIT, AUDIT_SEAL
from delivery.upkeep.audit_seals import seal_all
from domain.chain import NOTHING_BEFORE, AuditSeal, hash_of
from domain.chain import AuditRow as SealedRow
from domain.viewer import Right, Viewer
from resolvers.audit.verify import check
from resolvers.ingest.ingest import Uploader, ingest
from tests.log import NOON, district, email, load, message, recipient, school, viewer
from tests.operations import ask, refusals
from tests.resolvers.uploads import chunks

AUDITOR: Final = viewer(id="auditor", name="Auditor, Ada", rights=[Right.VIEW_AUDIT])
NODES: Final = """query($ids: [ID!]!) { nodes(ids: $ids) {
    __typename id ... on AuditEntry { viewerId viewerName action subject } } }"""
FIRST: Final = {
    "__typename": "AuditEntry",
    "id": "audit-entry.1",
    "viewerId": "u1",
    "viewerName": "Clerk, Cleo",
    "action": "OPEN_PERSON",
    "subject": "person.1",
}


@pytest.fixture
async def log(database: Database) -> Database:
    """Two entries of Plainview, the second from before names were kept, and one of another district."""
    await load(
        database, district(), school("east"), district("north", name="North"), message("M-1")
    )
    common = {"at": NOON, "action": "OPEN_PERSON", "subject": "person.1"}
    rows: list[dict[str, Any]] = [
        {"district_id": 1, "viewer_id": "u1", "viewer_name": "Clerk, Cleo"},
        {"district_id": 1, "viewer_id": "u2", "viewer_name": None},
        {"district_id": 2, "viewer_id": "u9", "viewer_name": "Clerk of North"},
    ]
    async with database.writing() as connection:
        await connection.execute(insert(AUDIT), [common | row for row in rows])
    return database


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(AUDIT)) or 0


async def names(database: Database) -> list[tuple[str, str, str | None]]:
    """Action, id and name of each entry."""
    columns = AUDIT.c
    statement = select(columns.action, columns.viewer_id, columns.viewer_name).order_by(columns.id)
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(statement)]


async def nodes(log: Database, *ids: str, who: Viewer = AUDITOR) -> list[Any]:
    found: list[Any] = (await ask(log, NODES, {"ids": ids}, viewer=who))["nodes"]
    return found


# By id


async def test_an_entry_is_found_by_the_id_that_the_trail_shows(log: Database) -> None:
    data = await ask(log, "{ auditTrail(last: 2) { nodes { id } } }", viewer=AUDITOR)
    shown = [node["id"] for node in data["auditTrail"]["nodes"]]

    assert shown == ["audit-entry.2", "audit-entry.1"]
    assert await nodes(log, *reversed(shown)) == [
        FIRST,
        FIRST | {"id": "audit-entry.2", "viewerId": "u2", "viewerName": None},
    ]


async def test_reading_entries_by_id_is_written_down_once_a_request(log: Database) -> None:
    await nodes(log, "audit-entry.1", "audit-entry.2", "audit-entry.99")

    assert (await names(log))[3:] == [("OPEN_AUDIT", "auditor", "Auditor, Ada")]


async def test_an_entry_of_another_district_is_not_there_and_nothing_is_written_down(
    log: Database,
) -> None:
    assert await nodes(log, "audit-entry.3", "audit-entry.99") == [None, None]
    assert await count(log) == 3


@pytest.mark.parametrize(
    "who",
    [viewer(rights=set(Right) - {Right.VIEW_AUDIT}), viewer(schools=["east"])],
    ids=["without VIEW_AUDIT", "limited to schools"],
)
async def test_for_who_may_not_read_the_audit_an_entry_is_not_there(
    log: Database, who: Viewer
) -> None:
    assert await nodes(log, "audit-entry.1", who=who) == [None]
    assert await count(log) == 3


@pytest.mark.parametrize(
    ("ids", "rights"),
    [
        (["audit-entry.1", "message.1"], [Right.VIEW_AUDIT]),
        (["message.1"], [Right.VIEW_AUDIT]),
        (["nonsense"], [Right.VIEW_AUDIT]),
        (["audit-entry.1"], []),
    ],
)
async def test_the_right_to_read_the_audit_opens_nothing_else(
    log: Database, ids: list[str], rights: list[Right]
) -> None:
    [(code, _)] = await refusals(log, NODES, {"ids": ids}, viewer=viewer(rights=rights))

    assert code == "FORBIDDEN"
    assert await count(log) == 3


# Names


async def test_each_look_and_act_has_the_name_of_the_sign_in(database: Database) -> None:
    await load(database, district(), message("M-1", [recipient("p1", email())], status=None))
    cleo = viewer(id="u7", name="Clerk, Cleo")

    await ask(database, '{ person(id: "person.1") { name } }', viewer=cleo)
    await ask(
        database,
        'mutation { createReport(input: {messageId: "message.1", devices: [EMAIL]}) { __typename } }',
        viewer=cleo,
    )

    assert await names(database) == [
        ("OPEN_PERSON", "u7", "Clerk, Cleo"),
        ("CREATE_REPORT", "u7", "Clerk, Cleo"),
    ]


@pytest.mark.parametrize(
    ("brought", "entry"),
    [
        (
            {"viewer": viewer(id="svc", name="Registrar"), "by": None},
            ("INGEST", "svc", "Registrar"),
        ),
        (
            {"viewer": None, "by": Uploader("svc", name="Registrar")},
            ("INGEST", "svc", "Registrar"),
        ),
        ({"viewer": None, "by": Uploader("os:root")}, ("INGEST", "os:root", None)),
    ],
)
async def test_an_upload_has_the_name_of_the_service_and_a_command_has_none(
    database: Database, brought: dict[str, Any], entry: tuple[str, str, str | None]
) -> None:
    lines = b"".join([district(), message("M-1")])

    await ingest(database, chunks(lines), clock=lambda: NOON, **brought)

    assert await names(database) == [entry]


# Seals


@pytest.fixture
async def unmigrated(empty_database_url: str) -> AsyncIterator[Database]:
    database = Database(empty_database_url)
    yield database
    await database.dispose()


async def test_rows_that_were_sealed_before_names_were_kept_are_still_sound(
    unmigrated: Database,
) -> None:
    database = unmigrated
    await upgrade(database, "0013")
    rows = [
        SealedRow(1, NOON, 1, "u1", "OPEN_PERSON", "person.1", "198.51.100.7", "r-1"),
        SealedRow(2, NOON, 1, "svc", "INGEST", "district.1", None, None, 12),
    ]
    unsigned = AuditSeal(1, NOON, 1, 2, 2, NOTHING_BEFORE, "")
    fields = SealedRow._fields[:-1]  # as the table was
    async with database.writing() as connection:
        known = {"id": 1, "external_id": "plainview", "name": "Plainview", "has_voice": True}
        await connection.execute(insert(DISTRICT).values(**known, time_zone="America/Chicago"))
        for row in rows:
            values = dict(zip(fields, row, strict=False))
            await connection.execute(insert(AUDIT).values(values))
        sealed = unsigned._replace(hash=hash_of(unsigned, rows))
        await connection.execute(insert(AUDIT_SEAL).values(sealed._asdict()))

    await upgrade(database)

    named = {"at": NOON, "district_id": 1, "viewer_id": "u2", "viewer_name": "Zoë"}
    async with database.writing() as connection:
        act = {"action": "OPEN_PERSON", "subject": "person.2"}
        await connection.execute(insert(AUDIT).values(id=3, **named, **act))
    assert await seal_all(database, clock=lambda: NOON, pause=0) == 1
    finding = await check(database)
    assert (finding.seals, finding.rows, finding.unsealed, finding.faults) == (2, 3, 0, [])
