"""Take in a provider's callback: verify, parse, then apply it in one transaction with its signature.

The server handles the HTTP request and the response.
"""

from datetime import datetime

from db.connect.database import Database
from db.connect.unavailable import retry_once
from db.dispatch.receipts import used_signatures
from delivery.gateways.base import Callback, CallbackRefused, Reply
from delivery.gateways.port import Gateway
from delivery.receipts.receipts import apply_receipts_within, store_consents
from domain.status import EventSource


class Replayed(CallbackRefused):
    """This callback was taken in before."""


async def take_callback(
    database: Database, gateway: Gateway, callback: Callback, *, now: datetime
) -> Reply | None:
    """Take in a callback. Return the reply that its provider expects, if any.

    Raises `CallbackRefused`; nothing is changed then. Any other error changes nothing either and leaves the signature
    unused, so the provider may repeat the callback. A transaction that the database aborts is retried once.
    """
    seal = gateway.verify(callback, now=now)
    parsed = gateway.parse(callback, now=now)
    attempts = 0

    async def take() -> None:
        nonlocal attempts
        attempts += 1
        async with database.writing() as connection:
            if seal is not None and not await used_signatures.use(
                connection, seal.token, until=seal.until, now=now
            ):
                if attempts > 1:
                    return  # the first attempt was committed; only its confirmation was lost
                raise Replayed("it was taken in before")
            await store_consents(connection, parsed.consents)
            await apply_receipts_within(
                connection, gateway.name, parsed.receipts, source=EventSource.CALLBACK, now=now
            )

    await retry_once(take)
    return parsed.reply
