"""Verification of the chain of seals finds every change that bypassed the triggers, and its place."""

import pytest
from sqlalchemy import text

from db.connect.database import Database
from delivery.upkeep import audit_seals
from delivery.upkeep.audit_seals import seal_all
from resolvers.audit.verify import SavedSeal, VerifyResult, check
from tests.log import NOON, district, email, load, message, recipient
from tests.operations import ask

TRIGGERS = {
    "sqlite": [
        *(f"DROP TRIGGER audit_keeps_{event}" for event in ("update", "delete", "place")),
        *(f"DROP TRIGGER audit_seal_keeps_{event}" for event in ("update", "delete")),
    ],
    "postgresql": [
        "ALTER TABLE audit DISABLE TRIGGER audit_keeps",
        "ALTER TABLE audit_seal DISABLE TRIGGER audit_seal_keeps",
    ],
}


@pytest.fixture
async def log(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Six looks under three seals, and a seventh under none."""
    monkeypatch.setattr(audit_seals, "MOST_ROWS", 2)
    await load(database, district(), message(recipients=[recipient("p1", email())]))
    for number in range(7):
        if number == 6:
            assert await seal_all(database, clock=lambda: NOON, pause=0) == 6
        await ask(database, '{ person(id: "person.1") { name } }', request_id=f"r-{number}")
    return database


async def tamper(database: Database, *statements: str) -> None:
    """What somebody does who owns the database."""
    async with database.writing() as connection:
        for statement in (*TRIGGERS[database.engine.dialect.name], *statements):
            await connection.execute(text(statement))


def broken(number: int) -> str:
    return (
        f"seal {number} (rows {2 * number - 1} to {2 * number}) does not hold: "
        "a row, their order or the seal itself was changed"
    )


async def test_a_sound_audit_has_no_fault(log: Database) -> None:
    seen: list[tuple[int, int]] = []

    def watch(finding: VerifyResult) -> None:
        seen.append((finding.seals, finding.rows))

    finding = await check(log, watch=watch)

    assert (finding.seals, finding.rows, finding.unsealed, finding.faults) == (3, 6, 1, [])
    assert finding.end is not None
    assert finding.end.number == 3
    assert seen == [(3, 6), (3, 6)]


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("UPDATE audit SET viewer_id = 'x' WHERE id = 3", [broken(2)]),
        ("UPDATE audit SET viewer_name = 'x' WHERE id = 3", [broken(2)]),
        ("UPDATE audit SET viewer_name = NULL WHERE id = 3", [broken(2)]),
        ("UPDATE audit SET at = '2020-02-01 00:00:00.000000+00:00' WHERE id = 1", [broken(1)]),
        (
            "DELETE FROM audit WHERE id = 4",
            ["seal 2 (rows 3 to 4) holds for 2 rows, and 1 are there"],
        ),
        (
            "INSERT INTO audit (id, at, district_id, viewer_id, action, subject)"
            " SELECT -1, at, district_id, viewer_id, action, subject FROM audit WHERE id = 1",
            ["seal 1 (rows 1 to 2) holds for 2 rows, and 3 are there"],
        ),
        ("UPDATE audit_seal SET hash = 'x' WHERE number = 2", [broken(2), "seal 3 does not follow from the one before"]),
        (
            "DELETE FROM audit_seal WHERE number = 1",
            [
                "seal 1 is missing: 2 comes in its place",
                "seal 2 (rows 3 to 4) holds for 2 rows, and 3 are there",
            ],
        ),
    ],
)  # fmt: skip
async def test_what_was_changed_is_found_where_it_was(
    log: Database, statement: str, faults: list[str]
) -> None:
    await tamper(log, statement)

    finding = await check(log)

    assert (finding.faults, finding.fault_count) == (faults, len(faults))


async def test_rows_that_changed_places_are_found(log: Database) -> None:
    await tamper(
        log,
        "UPDATE audit SET id = 100 WHERE id = 1",
        "UPDATE audit SET id = 1 WHERE id = 2",
        "UPDATE audit SET id = 2 WHERE id = 100",
    )

    assert (await check(log)).faults == [broken(1)]


async def test_an_end_that_was_cut_off_shows_against_a_seal_that_was_kept(log: Database) -> None:
    end = (await check(log)).end
    assert end is not None
    await tamper(log, "DELETE FROM audit_seal WHERE number = 3", "DELETE FROM audit WHERE id >= 5")

    assert (await check(log)).faults == []
    assert (await check(log, kept=SavedSeal(end.number, end.hash))).faults == [
        "seal 3, which was kept, is missing: the end of the chain was cut off"
    ]


async def test_a_kept_seal_reveals_a_replaced_chain(log: Database) -> None:
    end = (await check(log)).end
    assert end is not None
    kept = SavedSeal(end.number, end.hash)
    await tamper(log, "DELETE FROM audit_seal", "UPDATE audit SET viewer_id = 'x' WHERE id = 1")
    await seal_all(log, clock=lambda: NOON, pause=0)

    assert (await check(log)).faults == []
    assert (await check(log, kept=kept)).faults == ["seal 3 is another one than was kept"]
