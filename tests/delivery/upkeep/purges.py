"""Tools for tests of a purge: an old log, and a search for texts that are left in the tables.

await load_old(database)                    # OLD ends before CUT; NEW shares people and addresses with it
await run_purge(purge_of(database, tmp_path))
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import String, func, or_, select, update
from sqlmodel import SQLModel

from db.connect.database import Database
from db.tables.log import DELIVERY, MESSAGE
from delivery.reports.store import StoreLocation
from delivery.upkeep.purge import PurgeRun
from domain.status import DeliveryStatus, MessageStatus
from tests.delivery.world import call
from tests.log import NOON, district, email, inbox, load, message, recipient, text, voice

OLD: Final = datetime(2018, 5, 1, 15, tzinfo=UTC)
CUT: Final = datetime(2019, 1, 1, tzinfo=UTC)
"""Before this, a message is old."""

WORDS: Final = ("vanessa", "vincenzo", "vortex", "5550199", "vacate", "vicinity", "vindicate")
"""Each word is in one part of the old message only: names, address, phone, body, criteria, reason."""

OLD_MESSAGE: Final = message(
    "OLD",
    [
        recipient(
            "p-gone",
            email("vortex@nomail.example", status=DeliveryStatus.FAILED, at=OLD),
            voice("+16125550199", call_status=5, at=OLD),
            inbox("vortex", at=OLD),
            name="Vanessa",
            student=("s-gone", "Vincenzo"),
        ),
        recipient(
            "p-stays",
            email("stays@nomail.example", at=OLD),
            text("+16125550100", call_status=-28, at=OLD),
            name="Stays, Vanessa",
            student=("s-stays", "Kid, Vincenzo"),
        ),
        recipient("p-gone", email("stays@nomail.example", at=OLD), name="Vanessa"),
        recipient("p-bare", name="Bare, Vanessa"),
    ],
    body="Vacate the vicinity",
    text_body="vacate",
    voice_script="vacate",
    reply_to="vortex@nomail.example",
    filter_criteria=[("Vicinity", "vicinity")],
    subject="Kept subject",
    created_at=OLD,
    status=MessageStatus.CANCELED_IN_PROGRESS,
    cancellation={
        "at": OLD.isoformat(),
        "by": {"id": "u2", "name": "Clerk"},
        "reason": "vindicate",
    },
)
NEWER: Final = message(
    "NEW",
    [
        recipient(
            "p-stays",
            email("stays@nomail.example", at=NOON),
            name="Stays, Now",
            student=("s-stays", "Kid, Now"),
        )
    ],
)


async def load_old(database: Database) -> None:
    """Import an old message, and a newer one to some of the same people."""
    await load(database, district(), OLD_MESSAGE, NEWER)


def purge_of(database: Database, folder: Path, **more: Any) -> PurgeRun:
    """Return a purge of messages older than `CUT`, at noon."""

    async def at_once(seconds: float) -> None:
        pass

    fixed: dict[str, Any] = {"before": CUT, "clock": lambda: NOON, "sleep": at_once}
    return PurgeRun(
        database=database,
        reports=StoreLocation(str(folder / "reports")),
        by="os:clerk",
        run="run-1",
        **(fixed | more),
    )


async def places_with(database: Database, *words: str) -> Sequence[tuple[str, str]]:
    """Return the columns of all tables that contain one of these words, in any case."""
    places: list[tuple[str, str]] = []
    async with database.reading() as connection:
        for table in SQLModel.metadata.sorted_tables:
            for column in table.columns:
                shown = func.lower(column.cast(String))
                such = or_(*(shown.contains(word) for word in words))
                if await connection.scalar(select(func.count()).select_from(table).where(such)):
                    places.append((table.name, column.name))
    return places


async def rows(database: Database, *columns: Any) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(select(*columns).order_by(*columns))]


async def stand(database: Database, at: MessageStatus, delivery: DeliveryStatus) -> None:
    """Import an old message with one call, and set the statuses of both."""
    people = [recipient("p1", call(1))]
    await load(database, district(), message(recipients=people, created_at=OLD, status=None))
    async with database.writing() as connection:
        await connection.execute(update(MESSAGE).values(status=at))
        await connection.execute(update(DELIVERY).values(status=delivery))
        await connection.exec_driver_sql(f"UPDATE tally SET status = '{delivery}'")
