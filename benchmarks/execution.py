"""Measures execution in process, with the list executor and with the stock executor; the two alternate in one run.

    python -m benchmarks.execution [--rounds 15] [--url postgresql+psycopg://…/EMPTY_DATABASE] [--profile LIST]

Without a URL: a SQLite file in a temporary folder. Each operation runs in a new context and its result is encoded as JSON,
as for a request, without HTTP and sign-in. The floor reads the same rows with one statement, and builds and encodes the same
result by hand. In the rows that fall back, the last record has a text of a subclass: the list executor starts, and then
graphql-core completes the list. With `--profile` and the name of a row it prints a profile of that row instead.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import text
from strawberry import Schema

from benchmarks.ingest import lines, taken
from benchmarks.peers.floor import list_of
from db import migrations
from db.connect.database import Database
from domain.viewer import Right, Viewer
from resolvers.request.connection import Listing
from resolvers.request.context import open_context
from resolvers.request.process import database_only
from schema.contract import SCHEMA, with_executor

MESSAGES: Final = 4_000
RECIPIENTS: Final = 100
NOW: Final = datetime(2021, 1, 1, tzinfo=UTC)
VIEWER: Final = Viewer(
    "u", "U", "d", frozenset(), frozenset(Right), datetime(2100, 1, 1, tzinfo=UTC)
)

LIST: Final = """{ messages(createdBetween: {from: "2020-01-01", to: "2020-12-31"}, first: %d) { nodes {
    id externalId status type { code label } subject sender { id name } createdAt scheduledAt scheduleId deliveryModes } } }"""
_BOUND: Final = """{ messages(createdBetween: {from: "2020-01-01", to: "2020-12-31"}, first: 500) { totalCount edges { cursor node {
    id subject school { name } body viewerCanCancel deliverySummary { totalRecipients inboxEmail { progressPercent } } } } } }"""
_NESTED: Final = """{ message(id: "message.%d") { subject recipients(first: 100) { totalCount nodes {
    id name student { name } contactedByPhone deliveries { id mode address status statusLabel callStatus { code label } at } } } } }"""
_ABSTRACT: Final = "{ nodes(ids: [%s]) { id ... on Message { subject status createdAt } } }"
_FLOOR: Final = """SELECT id, external_id, status, type_code, type_label, subject, sender_id, sender_name, created_at, scheduled_at,
    schedule_id, modes FROM message WHERE district_id = 1 ORDER BY created_at DESC, id DESC LIMIT %d"""

FALLS_BACK: Final = ", falling back"

Act = Callable[[], Awaitable[bytes]]


class Odd(str):
    """A text that graphql-core accepts like any other, but no plan of the list executor does."""


def answering(schema: Schema, database: Database, document: str) -> Act:
    """Return a function that executes `document` and encodes the result, in a warm process."""
    process_services = database_only(database, clock=lambda: NOW)

    async def answer() -> bytes:
        context = await open_context(database, VIEWER, now=NOW, process_services=process_services)
        result = await schema.execute(document, context_value=context)
        assert result.errors is None, result.errors
        return orjson.dumps({"data": result.data})

    return answer


def floor(database: Database, size: int) -> Act:
    """Return a function that reads this many rows and encodes them as JSON."""

    async def answer() -> bytes:
        async with database.reading() as connection:
            rows = await connection.execute(text(_FLOOR % size))
            return orjson.dumps({"data": list_of(rows)})

    return answer


def odd(act: Act) -> Act:
    """Return a function that executes the same with a text in the last record of each list that makes it fall back."""
    nodes = Listing.nodes
    assert isinstance(nodes, property)

    def spoilt(listing: Listing[Any]) -> Sequence[Any]:
        *others, last = listing.slice.rows
        return [*others, last._replace(subject=Odd(last.subject))]

    async def answer() -> bytes:
        Listing.nodes = property(spoilt)
        try:
            return await act()
        finally:
            Listing.nodes = nodes

    return answer


async def times(acts: list[Act], rounds: int) -> list[float]:
    """Return the median milliseconds of each function; they alternate."""
    taken: list[list[float]] = [[] for _ in acts]
    for round in range(rounds + 1):
        for act, own in zip(acts, taken, strict=True):
            began = time.perf_counter()
            await act()
            if round:
                own.append((time.perf_counter() - began) * 1000)
    return [statistics.median(own) for own in taken]


async def fill(database: Database, folder: Path) -> None:
    """Load a log of 4,000 messages to one person each, and one message to a hundred."""
    await migrations.upgrade(database)
    for round, (messages, recipients) in enumerate(((MESSAGES, 1), (1, RECIPIENTS))):
        file = folder / f"{round}.ndjson"
        with file.open("wb") as opened:
            opened.writelines(lines(messages, recipients, round=round))
        assert (await taken(database, file)).outcome.is_clean


async def measure(url: str, *, rounds: int, profiled: str | None, folder: Path) -> None:
    """Print one line per document, or a profile."""
    database = Database(url)
    await fill(database, folder)
    documents = {
        **{f"list of {size}": LIST % size for size in (50, 500, 4_000)},
        f"list of 500{FALLS_BACK}": LIST % 500,
        "500 with relations": _BOUND,
        f"500 with relations{FALLS_BACK}": _BOUND.replace(
            "edges { cursor node {", "nodes {"
        ).replace("} } } } } }", "} } } } }"),
        "100 by an interface": _ABSTRACT % ", ".join(f'"message.{id}"' for id in range(1, 101)),
        "100 recipients, deliveries": _NESTED % (MESSAGES + 1),
    }
    ordinary = with_executor(SCHEMA, "stock")
    if profiled:
        await profile(answering(SCHEMA, database, documents[profiled]), rounds)
    else:
        print(
            f"{database.engine.dialect.name:34} {'whole':>9} {'ordinary':>9} {'ratio':>6} {'floor':>9} {'ratio':>6}"
        )
        for name, document in documents.items():
            acts = [answering(schema, database, document) for schema in (SCHEMA, ordinary)]
            if name.endswith(FALLS_BACK):
                acts = list(map(odd, acts))
            assert await acts[0]() == await acts[1]()
            if name.startswith("list of") and not name.endswith(FALLS_BACK):
                acts.append(floor(database, int(name.rpartition(" ")[2])))
            whole, others, *lowest = await times(acts, rounds)
            floor_text = f"{lowest[0]:6.1f} ms {whole / lowest[0]:6.2f}" if lowest else ""
            print(f"{name:34} {whole:6.1f} ms {others:6.1f} ms {others / whole:6.1f} {floor_text}")
    await database.dispose()


async def profile(act: Act, rounds: int) -> None:
    """Print a profile of `act`."""
    await act()
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(rounds):
        await act()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.execution", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--url", help="an empty database; otherwise a SQLite file")
    parser.add_argument("--profile", help="the name of a row")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = options.url or f"sqlite+aiosqlite:///{folder / 'sentlog.sqlite3'}"
        asyncio.run(measure(url, rounds=options.rounds, profiled=options.profile, folder=folder))


if __name__ == "__main__":
    main()
