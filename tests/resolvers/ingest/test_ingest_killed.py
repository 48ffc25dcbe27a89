"""The promise: a process killed in the middle of an upload leaves whole messages only; the upload can be sent again."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from db.connect.database import Database
from tests.log import district, email, end, inbox, message, recipient, school
from tests.resolvers.uploads import rows, send, story, wipe

ROOT: Final = Path(__file__).parents[3]

VICTIM: Final = """
import asyncio, sys
from datetime import UTC, datetime

import resolvers.ingest.line_splitter
import resolvers.ingest.upload
from db.ingest import move_in
from db.connect.database import Database
from resolvers.ingest.ingest import ingest

url, name, moment = sys.argv[1:]
resolvers.ingest.line_splitter.BLOCK = 1  # each line is looked at when it comes
resolvers.ingest.upload.BATCH = 50_000
move, moves = move_in.move, 0


async def here() -> None:
    print("here", flush=True)
    await asyncio.Event().wait()


async def chunks():
    with open(name, "rb") as file:
        while chunk := file.read(65_536):
            yield chunk
    if moment == "reading":
        await here()


async def move_and_wait(connection):
    global moves
    await move(connection)
    moves += 1
    if moment == f"move {moves}":
        await here()


move_in.move = move_and_wait
clock = lambda: datetime(2020, 1, 31, 18, tzinfo=UTC)
asyncio.run(ingest(Database(url), chunks(), viewer=None, clock=clock))
"""
"""An upload that stops at one moment: at the end of what it can read, or when a move is made and not yet committed."""

SMALL: Final = b"".join(
    message(f"M-{n}", [recipient(f"p{n}", inbox(f"account{n}"))], status=None) for n in range(300)
)
LARGE: Final = message(
    "L-1",
    [
        recipient(
            f"p{n % 1_500}",
            inbox(f"account{n}"),
            email(f"p{n}@nomail.example"),
            student=(f"s{n}", "Student, Calvin"),
        )
        for n in range(2_000)
    ],
    status=None,
)
WHOLE: Final = district() + school() + SMALL + LARGE + message("M-300")


@pytest.mark.parametrize(
    ("moment", "given", "messages"),
    [
        pytest.param(
            "reading", WHOLE[: len(WHOLE) // 2], range(300, 301), id="in the middle of a message"
        ),
        pytest.param(
            "reading", WHOLE.removesuffix(end("M-300")), range(301, 302), id="before the last line"
        ),
        pytest.param("move 1", WHOLE, range(1), id="before the first messages are committed"),
        pytest.param("move 2", WHOLE, range(1, 300), id="before the second are committed"),
        pytest.param("move 5", WHOLE, range(300, 301), id="before the large message is committed"),
    ],
)
async def test_an_upload_that_is_killed_leaves_whole_messages_and_can_be_sent_again(
    database: Database,
    database_url: str,
    tmp_path: Path,
    moment: str,
    given: bytes,
    messages: range,
) -> None:
    await send(database, WHOLE)
    expected = await story(database)
    await wipe(database)
    file = tmp_path / "upload.ndjson"
    file.write_bytes(given)

    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", VICTIM, database_url, str(file), moment),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"here\n"
    victim.send_signal(signal.SIGKILL)
    assert await victim.wait() == -signal.SIGKILL

    left = await rows(database)
    whole = left["message"]
    assert whole in messages
    assert left["content"] == whole
    assert left["recipient"] == min(whole, 300) + (2_000 if whole > 300 else 0)
    assert left["delivery"] == min(whole, 300) + (4_000 if whole > 300 else 0)

    outcome = await send(database, WHOLE)

    assert outcome.problems == []
    assert (outcome.accepted, outcome.unchanged) == (302 - whole, whole)
    assert await story(database) == expected
