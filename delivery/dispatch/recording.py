"""Writes down what is known and nobody else knows: outcomes of hand-overs, findings of providers.

A database that is away is waited for: an outcome that is lost makes a call unsure and an email go out again. What an outcome
means, and how it is written, is the caller's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, TypeVar

import structlog

from db.connect.unavailable import AWAY, cause
from db.log.deliveries import DeliveryKey
from delivery.dispatch.runtime import Runtime
from domain.ids import Kind, spell

V = TypeVar("V")

FIRST_PAUSE: Final = 1.0
"""Seconds between two attempts for as long as the claim holds."""

LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts later: the pauses double until then."""

ATTEMPTS_PER_LINE: Final = 30
"""Attempts for which the log has one line: each wave of a busy worker waits on its own."""

KEPT: Final = timedelta(days=2)
"""How long after its claim an outcome is kept for writing: by then an email is no longer sent again."""

_log = structlog.get_logger(__name__)


async def record(
    runtime: Runtime,
    known: Mapping[DeliveryKey, V],
    write: Callable[[Mapping[DeliveryKey, V]], Awaitable[None]],
    *,
    lease_until: datetime,
    **about: Any,
) -> None:
    """Write what is `known` of deliveries in one transaction of `write`, and wait for a database that is away.

    After the lease, `write` finds that others have the claim, and records what is still news. Where a row cannot be written
    at all, each delivery is written alone: one that the database refuses costs no other its outcome. `about` goes into the log.
    """
    try:
        await _persist(runtime, known, write, lease_until=lease_until, **about)
        return
    except AWAY:
        raise
    except Exception:
        if len(known) == 1:
            raise
        _log.exception("outcomes cannot be written together; each is written alone", **about)
    for key, value in known.items():
        try:
            await _persist(runtime, {key: value}, write, lease_until=lease_until, **about)
        except AWAY:
            raise
        except Exception:
            _log.exception(
                "an outcome cannot be written", delivery_id=spell(Kind.DELIVERY, *key), **about
            )


async def _persist(
    runtime: Runtime,
    known: Mapping[DeliveryKey, V],
    write: Callable[[Mapping[DeliveryKey, V]], Awaitable[None]],
    *,
    lease_until: datetime,
    **about: Any,
) -> None:
    pause = FIRST_PAUSE
    for attempt in count():
        try:
            await write(known)
            return
        except AWAY as error:
            now = runtime.clock()
            about_now = about | {"deliveries": len(known), "reason": cause(error)}
            if now >= lease_until + KEPT:
                _log.error("outcomes are given up: the database is away for too long", **about_now)
                raise
            if now >= lease_until:
                pause = min(2 * pause, LONGEST_PAUSE)
            if attempt % ATTEMPTS_PER_LINE == 0:
                _log.warning("outcomes cannot be written yet", seconds=pause, **about_now)
        try:
            await runtime.sleep(pause)
        except asyncio.CancelledError:
            _log.error(
                "outcomes are lost: the process stops while the database is away", **about_now
            )
            raise
