"""Closes the gate of a wave: when its message is canceled, and when its claim is about to end.

A cancellation is one row, written by any process. So each process looks at that row, at most `FRESH` before a request begins.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading
from db.connect.unavailable import AWAY, cause
from db.dispatch import in_flight
from delivery.gateways.gate import Closed
from domain.status import MessageStatus

RUNNING: Final = frozenset({MessageStatus.IN_PROGRESS, MessageStatus.ERROR})
"""The statuses at which deliveries are handed over."""

FRESH: Final = 0.2
"""Seconds for which a look at the message is good. The rule is 250 ms; the rest is for the way from here to the wire."""

MOST_LOOKS: Final = 25
"""Looks for one request. An answer that is older than `FRESH` when it comes cannot open the gate: on a starved machine many
are, and one in time is enough."""

_log = structlog.get_logger(__name__)


class CancelGate:
    """The gate of one wave (`delivery.gateways.gate.Gate`). Requests that ask at the same time share a look."""

    def __init__(
        self,
        engine: AsyncEngine,
        message_id: int,
        *,
        send_by: datetime,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`send_by`, by `clock`, is when no request may begin any more, or another process could send the same."""
        self._engine = engine
        self._message_id = message_id
        self._send_by = send_by
        self._clock = clock
        self._monotonic = monotonic
        self._good_until = float("-inf")
        self._looking = asyncio.Lock()

    async def __call__(self) -> None:
        """Return if a request may begin now. Raises `Closed`."""
        for _ in range(MOST_LOOKS):
            # Both are looked at after the last wait: this process may have been suspended in it.
            if self._clock() >= self._send_by:
                raise Closed("its claim is about to end")
            if self._monotonic() < self._good_until:
                return
            async with self._looking:
                if self._monotonic() >= self._good_until:
                    await self._look()
        raise Closed("the database is too slow to tell whether the message is canceled")

    async def _look(self) -> None:
        # From before the question: a cancellation that commits after it may not be in the answer.
        began = self._monotonic()
        try:
            async with reading(self._engine) as connection:
                status = await in_flight.status(connection, self._message_id)
        except AWAY as error:
            _log.warning(
                "the database does not tell whether a message is canceled",
                message_id=f"message.{self._message_id}",
                cause=cause(error),
            )
            raise Closed("the database does not tell whether the message is canceled") from None
        if status not in RUNNING:
            raise Closed("canceled before it left")
        self._good_until = began + FRESH
