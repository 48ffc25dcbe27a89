"""The gate of a wave: it closes when the message is canceled, and when the claim is about to end.

A cancellation is one row, which any process may write. So each process reads that row at most `FRESH` seconds before a
request begins.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from db.connect.database import Database
from db.connect.unavailable import AWAY, cause
from db.dispatch import in_flight
from delivery.gateways.port import Closed
from domain.status import MessageStatus

RUNNING: Final = frozenset({MessageStatus.IN_PROGRESS, MessageStatus.ERROR})
"""Message statuses in which deliveries are handed over."""

FRESH: Final = 0.2
"""Seconds for which a status that was read is valid. The rule is 250 ms; the rest is for the way from here to the wire."""

MOST_READS: Final = 25
"""Most reads of the status for one request. A result that is older than `FRESH` cannot open the gate. On a starved machine
many are too old, and one in time is enough."""

_log = structlog.get_logger(__name__)


class CancelGate:
    """The gate of one wave (`delivery.gateways.gate.Gate`). Concurrent requests share one read of the status."""

    def __init__(
        self,
        database: Database,
        message_id: int,
        *,
        send_by: datetime,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Close the gate at `send_by`, measured by `clock`: later, another process may send the same deliveries."""
        self._database = database
        self._message_id = message_id
        self._send_by = send_by
        self._clock = clock
        self._monotonic = monotonic
        self._valid_until = float("-inf")
        self._reading = asyncio.Lock()

    async def __call__(self) -> None:
        """Return if a request may begin now; otherwise raise `Closed`."""
        for _ in range(MOST_READS):
            # Check both after the last await: this process may have been suspended during it.
            if self._clock() >= self._send_by:
                raise Closed("its claim is about to end")
            if self._monotonic() < self._valid_until:
                return
            async with self._reading:
                if self._monotonic() >= self._valid_until:
                    await self._read_status()
        raise Closed("the database is too slow to show whether the message is canceled")

    async def _read_status(self) -> None:
        # Take the time before the read: a cancellation that commits during it may be missing from the result.
        began = self._monotonic()
        try:
            async with self._database.reading() as connection:
                status = await in_flight.status(connection, self._message_id)
        except AWAY as error:
            _log.warning(
                "cannot read whether a message is canceled: the database is unavailable",
                message_id=f"message.{self._message_id}",
                cause=cause(error),
            )
            raise Closed("the database cannot show whether the message is canceled") from None
        if status not in RUNNING:
            raise Closed("canceled before it left")
        self._valid_until = began + FRESH
