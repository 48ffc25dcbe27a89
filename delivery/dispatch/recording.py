"""Write results that exist only in this process: outcomes of hand-overs, findings of providers.

If the database is unavailable, wait for it: a lost outcome makes a call unsure and sends an email again. The caller decides
what an outcome means and how to write it.
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
"""Seconds between two attempts until the lease ends."""

LONGEST_PAUSE: Final = 30.0
"""Longest pause in seconds between two attempts: after the lease the pauses double up to this."""

ATTEMPTS_PER_LINE: Final = 30
"""Attempts per log line: each wave of a busy worker waits on its own."""

KEPT: Final = timedelta(days=2)
"""How long after the end of its lease an outcome is kept for writing. By then an email is no longer sent again."""

_log = structlog.get_logger(__name__)


async def record(
    runtime: Runtime,
    results: Mapping[DeliveryKey, V],
    write: Callable[[Mapping[DeliveryKey, V]], Awaitable[None]],
    *,
    lease_until: datetime,
    **about: Any,
) -> None:
    """Write `results` in one transaction of `write`. Wait while the database is unavailable.

    After the lease, `write` finds that another process has the claim, and writes only what is new. If the transaction fails
    for another reason, each delivery is written alone, so that one bad row costs no other its outcome. `about` goes into the
    log.
    """
    try:
        await _persist(runtime, results, write, lease_until=lease_until, **about)
        return
    except AWAY:
        raise
    except Exception:
        if len(results) == 1:
            raise
        _log.exception("outcomes cannot be written together; each is written alone", **about)
    for key, value in results.items():
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
    results: Mapping[DeliveryKey, V],
    write: Callable[[Mapping[DeliveryKey, V]], Awaitable[None]],
    *,
    lease_until: datetime,
    **about: Any,
) -> None:
    pause = FIRST_PAUSE
    for attempt in count():
        try:
            await write(results)
            return
        except AWAY as error:
            now = runtime.clock()
            about_now = about | {"deliveries": len(results), "reason": cause(error)}
            if now >= lease_until + KEPT:
                _log.error(
                    "outcomes were given up: the database was unavailable for too long", **about_now
                )
                raise
            if now >= lease_until:
                pause = min(2 * pause, LONGEST_PAUSE)
            if attempt % ATTEMPTS_PER_LINE == 0:
                _log.warning(
                    "outcomes cannot be written: the database is unavailable",
                    retry_in_s=pause,
                    **about_now,
                )
        try:
            await runtime.sleep(pause)
        except asyncio.CancelledError:
            _log.error(
                "outcomes are lost: the process stops while the database is unavailable",
                **about_now,
            )
            raise
