"""The types of connections keep a write from a connection that only reads."""

from pathlib import Path

import pytest
from mypy import api

PROGRAM = """
from db.audit.entries import write
from db.audit.seals import newest_id
from db.sql.connections import ReadConnection, WriteConnection

async def both(reads: ReadConnection, writes: WriteConnection) -> None:
    await newest_id(writes)
    await write(writes, [])
    await write(reads, [])
"""


@pytest.mark.slow
def test_a_write_on_a_connection_that_only_reads_does_not_type_check(tmp_path: Path) -> None:
    file = tmp_path / "both.py"
    file.write_text(PROGRAM)
    report, _, _ = api.run([str(file)])
    assert report.splitlines()[0].partition(": ")[2] == (
        'error: Argument 1 to "write" has incompatible type "ReadConnection"; '
        'expected "WriteConnection"  [arg-type]'
    )
