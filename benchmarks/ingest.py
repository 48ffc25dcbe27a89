"""Measures speed and memory of the ingest: new messages, repeated ones, and messages to known people.

    python -m benchmarks.ingest [--messages 1] [--recipients 50000] [--url postgresql+psycopg://…/EMPTY_DATABASE]

Without a URL: a SQLite file in a temporary folder. The lines are written to a file before the measurement; each recipient
has a student and two or three devices, with outcomes. Each of several messages goes to other people, so that all of them
are new. PostgreSQL needs an empty database.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from db import migrations
from db.connect.database import Database
from resolvers.ingest.ingest import Outcome, ingest

CHUNK: Final = 256 * 1024
NOON: Final = "2020-01-31T12:00:00-06:00"
MEBIBYTE: Final = 1024 * 1024
DAYS: Final = 365


def lines(messages: int, recipients: int, *, round: int) -> Iterator[bytes]:
    """Return the lines of this many messages; another `round` has other message ids, but the same people."""
    yield _line(
        "district", id="d", name="Plainview Schools", timeZone="America/Chicago", hasVoice=True
    )
    yield _line("school", id="s", district="d", name="Harrison High")
    for number in range(messages):
        message_id = f"M-{round}-{number}"
        at = f"2020-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}T11:{number % 60:02}:00-06:00"
        yield _line(
            "message",
            id=message_id,
            district="d",
            school="s",
            type={"code": f"T{number % 12}", "label": f"Type {number % 12}"},
            subject=f"Subject {number} of the day {number % DAYS}",
            body="School is cancelled due to weather.",
            bodyFormat="PLAIN",
            sender={"id": f"u{number % 50}", "name": f"Administrator {number % 50}"},
            createdAt=at,
            scheduledAt=at,
            source="TEMPLATE",
            modes=["INBOX", "EMAIL", "VOICE"],
            status="SENT",
        )
        for person in range(number * recipients, (number + 1) * recipients):
            yield _recipient(message_id, person)
        yield _line("end", message=message_id)


def _recipient(message_id: str, person: int) -> bytes:
    call = {"status": "DELIVERED", "callStatus": 5, "at": NOON}
    devices = [
        {"mode": "INBOX", "address": f"account{person}", "status": "SENT"},
        {"mode": "VOICE", "address": f"+1612{person:07}"} | call,
    ]
    if person % 2:
        devices.append({"mode": "EMAIL", "address": f"p{person}@nomail.example", "status": "SENT"})
    return _line(
        "recipient",
        message=message_id,
        person={"id": f"p{person}", "name": f"Parent, Heather {person}"},
        student={"id": f"s{person}", "name": f"Student, Calvin {person}"},
        devices=devices,
    )


def _line(kind: str, **fields: object) -> bytes:
    return orjson.dumps({"kind": kind} | fields, option=orjson.OPT_APPEND_NEWLINE)


class Taken(NamedTuple):
    """The result of an upload; `busy` is the CPU time of this process in seconds, without that of a server."""

    outcome: Outcome
    seconds: float
    busy: float
    peaks: list[int]
    """The peak memory after each block, in MiB."""


async def taken(database: Database, file: Path) -> Taken:
    """Ingest the lines of `file`."""
    peaks = list[int]()

    async def chunks() -> AsyncIterator[bytes]:
        with file.open("rb") as opened:
            while chunk := opened.read(CHUNK):
                yield chunk

    began, idle = time.perf_counter(), time.process_time()
    outcome = await ingest(
        database,
        chunks(),
        viewer=None,
        clock=lambda: datetime.now(UTC),
        watch=lambda _: peaks.append(_peak()),
    )
    return Taken(outcome, time.perf_counter() - began, time.process_time() - idle, peaks)


def _peak() -> int:
    """Return the peak memory of this process in MiB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size // (MEBIBYTE if sys.platform == "darwin" else 1024)


async def measure(url: str, *, messages: int, recipients: int, folder: Path) -> None:
    """Print one line for each kind of ingest."""
    database = Database(url)
    await migrations.upgrade(database)
    first, second = folder / "first.ndjson", folder / "second.ndjson"
    for round, file in enumerate((first, second)):
        with file.open("wb") as opened:
            opened.writelines(lines(messages, recipients, round=round))
    print(
        f"{database.engine.dialect.name}: {messages:,} messages of {recipients:,} recipients,"
        f" {first.stat().st_size / MEBIBYTE:,.0f} MiB"
    )
    for title, file in (
        ("for the first time", first),
        ("sent again", first),
        ("others to the same people", second),
    ):
        outcome, seconds, busy, peaks = await taken(database, file)
        assert outcome.is_clean, outcome.problems[:3]
        count = messages * recipients
        print(
            f"{title:26} {seconds:7.2f} s, busy {busy:.2f} s: {count / seconds:,.0f} recipients/s,"
            f" {messages / seconds:,.0f} messages/s; memory {peaks[len(peaks) // 10]} MiB after a tenth,"
            f" {peaks[-1]} at the end"
        )
    await database.dispose()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--messages", type=int, default=1)
    parser.add_argument("--recipients", type=int, default=50_000, help="of each message")
    parser.add_argument("--url", help="an empty database; otherwise a SQLite file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = options.url or f"sqlite+aiosqlite:///{folder / 'sentlog.sqlite3'}"
        asyncio.run(
            measure(url, messages=options.messages, recipients=options.recipients, folder=folder)
        )


if __name__ == "__main__":
    main()
