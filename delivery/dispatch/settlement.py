"""Settle claims without an outcome: the process died, or the provider gave no answer.

The delivery may have left, so the provider is asked. If the process that had claimed it comes back, its token is no longer
valid.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from db.connect.unavailable import AWAY
from db.dispatch import changes, claims, in_flight
from db.dispatch.changes import Change
from db.dispatch.in_flight import DeliveryTerms, LiveDelivery
from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection
from delivery.dispatch.recording import record
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.transitions import apply_finding, content_of, handover_of
from delivery.gateways.base import CannotTell, Finding, FoundAtProvider, MessageContent, Unavailable
from domain.status import DeliveryMode, EventSource

MOST: Final = 100
"""Most claims that are settled together: each may cost a request to a provider."""

AT_ONCE: Final = 10
"""Concurrent requests to a provider."""

LONGEST_ANSWER: Final = timedelta(seconds=20)
"""Timeout of one request: all of them together take less than a lease."""

ASK_AGAIN: Final = timedelta(minutes=1)
"""How long a claim is kept if the provider cannot be asked now."""

_log = structlog.get_logger(__name__)


async def settle_lapsed(runtime: Runtime) -> int:
    """Settle claims whose lease has ended, if their provider can be asked. Return how many were examined."""
    async with runtime.database.reading() as connection:
        message_ids = await claims.messages_with_lapsed(connection, most=MOST)
    settled = 0
    for message_id in message_ids:
        try:
            settled += await _settle(runtime, message_id)
        except AWAY:
            raise
        except Exception:
            # A message that always fails must not block the others. Its claims were renewed, so they come last next time.
            _log.exception(
                "claims of a message could not be settled", message_id=f"message.{message_id}"
            )
    return settled


async def _settle(runtime: Runtime, message_id: int) -> int:
    token, claimed_at = secrets.token_hex(16), runtime.clock()
    claimed = await _take_over(runtime, message_id, token=token)
    if not claimed:
        return 0
    async with runtime.database.reading() as connection:
        terms = await in_flight.terms(connection, message_id)
        content = content_of(message_id, await in_flight.content(connection, message_id))
        targets = await in_flight.targets(connection, {delivery.address_id for delivery in claimed})
    assert terms is not None
    slots = asyncio.Semaphore(AT_ONCE)

    async def ask(delivery: LiveDelivery) -> Finding | None:
        async with slots:
            address = targets[delivery.address_id].key
            return await _find(runtime, delivery, address, terms, content)

    findings = await asyncio.gather(*map(ask, claimed))
    await record(
        runtime,
        dict(zip((d.key for d in claimed), findings, strict=True)),
        partial(_write, runtime, message_id, token),
        lease_until=claimed_at + runtime.lease,
        message_id=f"message.{message_id}",
    )
    _log.info(
        "lapsed claims were settled",
        message_id=f"message.{message_id}",
        deliveries=sum(finding is not None for finding in findings),
        open=sum(finding is None for finding in findings),
    )
    return len(claimed)


async def _take_over(runtime: Runtime, message_id: int, *, token: str) -> Sequence[LiveDelivery]:
    """Claim the deliveries whose lease has ended, so that no other process settles them at the same time."""
    async with runtime.database.writing() as connection:
        message = await in_flight.lock(connection, message_id)
        if message is None:
            return []
        until = message.locked_at + runtime.lease
        moves = [
            Change(
                delivery,
                delivery._replace(claim=token, lease_until=until),
                EventSource.TIMEOUT,
                None,
            )
            for delivery in await claims.lapsed(connection, message_id, most=MOST)
        ]
        await changes.write(connection, message, moves, now=runtime.clock())
    return [change.after for change in moves]


async def _find(
    runtime: Runtime,
    delivery: LiveDelivery,
    address: str,
    terms: DeliveryTerms,
    content: MessageContent,
) -> Finding | None:
    """Return what the provider knows of a delivery; None if it cannot be asked now, or must not be asked yet."""
    gateway = runtime.gateway_of(terms, delivery.mode)
    if gateway is None or gateway.name != delivery.gateway or delivery.handed_at is None:
        return CannotTell("its gateway is no longer set up")
    now = runtime.clock()
    if now < delivery.handed_at + gateway.settles_after:
        return None
    try:
        async with asyncio.timeout(LONGEST_ANSWER.total_seconds()):
            return await gateway.find(
                handover_of(delivery, content, address=address),
                handed_at=delivery.handed_at,
                now=now,
            )
    except (Unavailable, TimeoutError):
        return None
    except Exception:
        # As with `send`: a gateway that fails for one delivery must not block the others.
        _log.exception("the gateway failed to look up a delivery", gateway=gateway.name)
        return None


async def _write(
    runtime: Runtime,
    message_id: int,
    token: str,
    findings: Mapping[DeliveryKey, Finding | None],
) -> None:
    """Write findings in one transaction, for the deliveries that `token` still claims."""
    now = runtime.clock()
    async with runtime.database.writing() as connection:
        message = await in_flight.lock(connection, message_id)
        assert message is not None
        mine = [d for d in await in_flight.by_key(connection, list(findings)) if d.claim == token]
        targets = await in_flight.targets(connection, {delivery.address_id for delivery in mine})
        addresses = {address_id: target.key for address_id, target in targets.items()}
        holders = await _holders(connection, mine, findings, addresses)
        moves: list[Change] = []
        for delivery in mine:
            finding = findings[delivery.key]
            if finding is None:
                later = delivery._replace(lease_until=message.locked_at + ASK_AGAIN)
                moves.append(Change(delivery, later, EventSource.TIMEOUT, None))
                continue
            if isinstance(finding, FoundAtProvider):
                address = addresses[delivery.address_id]
                name = _name(delivery, finding.reference, address)
                if holders.setdefault(name, delivery.key) != delivery.key:
                    finding = CannotTell("the provider's record belongs to another delivery")
            chance = runtime.chance()
            moves += apply_finding(delivery, finding, message.status, now=now, chance=chance)
        await changes.write(connection, message, moves, now=now)


async def _holders(
    connection: ReadConnection,
    deliveries: Sequence[LiveDelivery],
    findings: Mapping[DeliveryKey, Finding | None],
    addresses: Mapping[int, str],
) -> dict[tuple[str | None, str, str], DeliveryKey]:
    """Return which deliveries already have a provider's record, by `_name`.

    Two texts of the same wording look alike to some providers.
    """
    holders: dict[tuple[str | None, str, str], DeliveryKey] = {}
    for gateway in sorted({delivery.gateway or "" for delivery in deliveries}):
        names = [
            finding.reference
            for delivery in deliveries
            if delivery.gateway == gateway
            and isinstance(finding := findings[delivery.key], FoundAtProvider)
        ]
        for holder, address in await in_flight.by_reference_and_address(
            connection, gateway, names, sorted(set(addresses.values()))
        ):
            holders[_name(holder, holder.reference or "", address)] = holder.key
    return holders


def _name(delivery: LiveDelivery, reference: str, address: str) -> tuple[str | None, str, str]:
    """Return gateway and provider's id, which only one delivery can have.

    For an email the address is part of it, since all emails of a message have one id at Mailgun.
    """
    return delivery.gateway, reference, address if delivery.mode is DeliveryMode.EMAIL else ""
