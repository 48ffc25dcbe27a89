"""Takes in what a provider tells of itself: verified, then read, then applied, in one transaction with its seal.

How it comes over HTTP, and what the provider is answered, is the server's.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import writing
from db.connect.unavailable import retry_once
from db.receipts import used_signatures
from delivery.gateways.base import Callback, CallbackRefused, Reply
from delivery.gateways.port import Gateway
from delivery.receipts.receipts import take_consents, take_in_together
from domain.status import EventSource


class Replayed(CallbackRefused):
    """It was taken in before."""


async def take_callback(
    engine: AsyncEngine, gateway: Gateway, callback: Callback, *, now: datetime
) -> Reply | None:
    """Take in a callback, and what its provider wants to hear.

    Raises `CallbackRefused`: then nothing was changed. A fault changes nothing either, and leaves the seal unused, so that
    the provider may come again. A transaction that the database ends is run once more.
    """
    seal = gateway.verify(callback, now=now)
    parsed = gateway.parse(callback, now=now)
    attempts = 0

    async def take() -> None:
        nonlocal attempts
        attempts += 1
        async with writing(engine) as connection:
            if seal is not None and not await used_signatures.use(
                connection, seal.token, until=seal.until, now=now
            ):
                if attempts > 1:
                    return  # the first attempt was committed, and only its answer was lost
                raise Replayed("it was taken in before")
            await take_consents(connection, parsed.consents)
            await take_in_together(
                connection, gateway.name, parsed.receipts, source=EventSource.CALLBACK, now=now
            )

    await retry_once(take)
    return parsed.reply
