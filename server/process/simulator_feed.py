"""Takes in the receipts that the simulated provider reports, as a real provider would send them by callbacks.

The time of the last receipt is kept in a file beside the journal, so that a restart repeats none. A lock file ensures that
only one process of a machine does this.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from db.connect.database import Database
from db.connect.unavailable import AWAY, cause
from delivery.gateways.simulator.gateway import SimulatorGateway
from delivery.receipts.receipts import apply_receipts
from delivery.runners.base import wait
from domain.receipts import Receipt
from domain.status import EventSource
from server.process import file_lock

PAUSE: Final = 0.5
"""Seconds between two polls."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

_log = structlog.get_logger(__name__)


async def take_in_reports(
    simulator: SimulatorGateway,
    *,
    database: Database,
    clock: Callable[[], datetime],
    journal: Path,
    until: asyncio.Event,
) -> None:
    """Take in the receipts of the provider of `journal` until the event is set; wait while another process does.

    Raises nothing: an error here must not stop the work for real providers.
    """
    while not until.is_set():
        try:
            with file_lock.try_lock(journal.with_suffix(".lock")) as is_ours:
                if is_ours:
                    await _poll(
                        simulator,
                        database=database,
                        clock=clock,
                        position=_Position(journal),
                        until=until,
                    )
        except Exception:
            _log.exception("polling the simulated provider failed")
        await wait(PAUSE, until)


async def _poll(
    simulator: SimulatorGateway,
    *,
    database: Database,
    clock: Callable[[], datetime],
    position: "_Position",
    until: asyncio.Event,
) -> None:
    simulator.due(position.up_to())
    receipts: list[Receipt] = []
    while not until.is_set():
        now = clock()
        receipts += simulator.due(now)
        if receipts:
            try:
                await apply_receipts(
                    database, simulator.name, receipts, source=EventSource.CALLBACK, now=now
                )
            except AWAY as error:
                # Keep them: the simulator reports each receipt once.
                _log.warning(
                    "receipts not stored: the database is away",
                    count=len(receipts),
                    cause=cause(error),
                )
            else:
                receipts.clear()
                position.keep(now)
        await wait(PAUSE, until)


class _Position:
    """The file that holds the time up to which receipts were taken in."""

    def __init__(self, journal: Path) -> None:
        self._file = journal.with_suffix(".heard")

    def up_to(self) -> datetime:
        return datetime.fromisoformat(self._file.read_text()) if self._file.exists() else _NEVER

    def keep(self, now: datetime) -> None:
        # Replace the file atomically: half a line would not parse.
        new = self._file.with_suffix(".new")
        new.write_text(now.isoformat())
        new.replace(self._file)
