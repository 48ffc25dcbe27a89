"""Passes on what a simulated provider reports by itself, as a real one would by its callbacks.

What it reports, and when, is the simulator's. How far it has been heard is kept in a file beside its journal, so that
nothing is heard twice for a restart, and only one of several processes on a machine passes it on.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.unavailable import AWAY, cause
from delivery.gateways.simulator.gateway import SimulatorGateway
from delivery.receipts.receipts import take_in
from delivery.runners.base import wait
from domain.receipts import Receipt
from domain.status import EventSource
from server.process import file_lock

PAUSE: Final = 0.5
"""Seconds between two times of listening."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

_log = structlog.get_logger(__name__)


async def pass_on(
    simulator: SimulatorGateway,
    *,
    engine: AsyncEngine,
    clock: Callable[[], datetime],
    journal: Path,
    until: asyncio.Event,
) -> None:
    """Take in what the provider of `journal` reports, until told to stop; while another process does, wait.

    Raises nothing: a provider that is not there must not end what is done for real ones.
    """
    while not until.is_set():
        try:
            with file_lock.held(journal.with_suffix(".lock")) as is_ours:
                if is_ours:
                    await _listen(
                        simulator, engine=engine, clock=clock, heard=_Heard(journal), until=until
                    )
        except Exception:
            _log.exception("the simulated provider is not heard")
        await wait(PAUSE, until)


async def _listen(
    simulator: SimulatorGateway,
    *,
    engine: AsyncEngine,
    clock: Callable[[], datetime],
    heard: "_Heard",
    until: asyncio.Event,
) -> None:
    simulator.due(heard.up_to())
    receipts: list[Receipt] = []
    while not until.is_set():
        now = clock()
        receipts += simulator.due(now)
        if receipts:
            try:
                await take_in(
                    engine, simulator.name, receipts, source=EventSource.CALLBACK, now=now
                )
            except AWAY as error:
                # They are kept: what the provider has reported once it does not report again.
                _log.warning(
                    "receipts wait: the database is away", count=len(receipts), reason=cause(error)
                )
            else:
                receipts.clear()
                heard.keep(now)
        await wait(PAUSE, until)


class _Heard:
    """Up to when a provider has been heard."""

    def __init__(self, journal: Path) -> None:
        self._file = journal.with_suffix(".heard")

    def up_to(self) -> datetime:
        return datetime.fromisoformat(self._file.read_text()) if self._file.exists() else _NEVER

    def keep(self, now: datetime) -> None:
        # In one step: half a line would be no instant.
        new = self._file.with_suffix(".new")
        new.write_text(now.isoformat())
        new.replace(self._file)
