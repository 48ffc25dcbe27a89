"""`sentlog audit`: its output and exit status."""

import asyncio
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from db.connect.database import Database
from tests.log import district, email, load, message, recipient
from tests.operations import ask
from tests.server.cli.test_main import run, stderr_lines


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {"SENTLOG_DATABASE_URL": database_url, "SENTLOG_DATA_DIR": str(tmp_path)}


@pytest.fixture
async def log(database: Database) -> Database:
    """One look."""
    await load(database, district(), message(recipients=[recipient("p1", email())]))
    await ask(database, '{ person(id: "person.1") { name } }')
    return database


async def test_what_was_sealed_is_verified_and_its_last_seal_can_be_kept(
    settings: dict[str, str], log: Database
) -> None:
    before = await asyncio.to_thread(run, "audit", "verify", **settings)
    sealing = await asyncio.to_thread(run, "audit", "seal", **settings)
    after = await asyncio.to_thread(run, "audit", "verify", **settings)

    assert (before.exit_code, stderr_lines(before)) == (
        0,
        ["0 rows under 0 seals: 0 faults. 1 rows are not sealed yet."],
    )
    assert (sealing.exit_code, stderr_lines(sealing)) == (0, ["1 rows were sealed."])
    summary, last = stderr_lines(after)
    assert summary == "1 rows under 1 seals: 0 faults. 0 rows are not sealed yet."
    kept = last.removeprefix("The last seal: ")
    assert re.fullmatch("1:[0-9a-f]{64}", kept)
    again = await asyncio.to_thread(run, "audit", "verify", "--kept", kept, **settings)
    assert (again.exit_code, again.stdout) == (0, "")


async def test_a_seal_that_is_not_the_one_kept_ends_with_one(
    settings: dict[str, str], log: Database
) -> None:
    await asyncio.to_thread(run, "audit", "seal", **settings)

    other = await asyncio.to_thread(run, "audit", "verify", "--kept", f"1:{'0' * 64}", **settings)
    cut = await asyncio.to_thread(run, "audit", "verify", "--kept", f"9:{'0' * 64}", **settings)

    assert (other.exit_code, other.stdout) == (1, "seal 1 is another one than was kept\n")
    assert (cut.exit_code, cut.stdout) == (
        1,
        "seal 9, which was kept, is missing: the end of the chain was cut off\n",
    )


async def test_a_changed_row_is_printed_with_its_place_and_ends_with_one(
    settings: dict[str, str], log: Database
) -> None:
    await asyncio.to_thread(run, "audit", "seal", **settings)
    is_sqlite = not log.is_postgresql
    async with log.writing() as connection:
        await connection.execute(
            text(
                "DROP TRIGGER audit_keeps_update"
                if is_sqlite
                else "ALTER TABLE audit DISABLE TRIGGER audit_keeps"
            )
        )
        await connection.execute(text("UPDATE audit SET viewer_id = 'nobody'"))

    result = await asyncio.to_thread(run, "audit", "verify", **settings)

    assert (result.exit_code, result.stdout) == (
        1,
        "seal 1 (rows 1 to 1) does not hold: a row, their order or the seal itself was changed\n",
    )
    assert stderr_lines(result)[0] == "1 rows under 1 seals: 1 faults. 0 rows are not sealed yet."


@pytest.mark.parametrize("kept", ["x", "1", "1:abc", f"x:{'0' * 64}"])
def test_an_invalid_seal_is_refused_with_the_reason(kept: str) -> None:
    result = run("audit", "verify", "--kept", kept)

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{kept!r} is no seal" in result.stderr
