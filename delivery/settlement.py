"""Settles what was claimed and never recorded: its process died, or its provider gave no answer.

What had not passed the gate surely did not leave. What had may have left: the provider is asked.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from db import changes, live
from db.changes import Change
from db.engine import reading, writing
from db.live import LiveDelivery
from delivery.gateways.base import CannotTell, Finding, Found, SurelyNot, Unavailable
from delivery.hands import Bench, content_of, handover_of, state_of, with_state
from domain.receipts import fold
from domain.retry import GivenUp, after_silence
from domain.status import DeliveryStatus, EventSource

MOST: Final = 200
"""Lapsed claims that are looked at together: each may cost a question to a provider."""

ASK_AGAIN: Final = timedelta(minutes=1)
"""How long a claim is kept where the provider cannot be asked now."""

_log = structlog.get_logger(__name__)


async def settle_lapsed(bench: Bench) -> int:
    """Settle claims whose lease has ended, as far as providers can be asked; how many were looked at."""
    async with reading(bench.engine) as connection:
        lapsed = await live.lapsed(connection, most=MOST)
    by_message: dict[int, list[LiveDelivery]] = {}
    for delivery in lapsed:
        by_message.setdefault(delivery.message_id, []).append(delivery)
    for message_id, deliveries in by_message.items():
        await _settle(bench, message_id, deliveries)
    return len(lapsed)


async def _settle(bench: Bench, message_id: int, deliveries: Sequence[LiveDelivery]) -> None:
    token = secrets.token_hex(16)
    async with writing(bench.engine) as connection:
        if await live.lock(connection, message_id) is None:
            return
        taken = await live.take_over(connection, deliveries, token=token, lease=bench.lease)
        unsent = [delivery.key for delivery in taken if delivery.status is DeliveryStatus.PENDING]
        if unsent:
            await live.release(connection, unsent, token=token)
        unsure = [delivery for delivery in taken if delivery.status is not DeliveryStatus.PENDING]
        content = (
            content_of(message_id, await live.content(connection, message_id)) if unsure else None
        )
    if content is None:
        return
    findings: dict[LiveDelivery, Finding | None] = {}
    for delivery in unsure:
        gateway = bench.gateways.get(delivery.mode)
        assert delivery.handed_at is not None
        if gateway is None or gateway.name != delivery.gateway:
            findings[delivery] = CannotTell("its gateway is no longer set up")
            continue
        try:
            findings[delivery] = await gateway.find(
                handover_of(delivery, content), handed_at=delivery.handed_at, now=bench.clock()
            )
        except Unavailable:
            findings[delivery] = None
    await _record(bench, message_id, findings, token=token)


async def _record(
    bench: Bench, message_id: int, findings: dict[LiveDelivery, Finding | None], *, token: str
) -> None:
    now = bench.clock()
    async with writing(bench.engine) as connection:
        message = await live.lock(connection, message_id)
        assert message is not None
        mine = {
            d.key: d for d in await live.claimed(connection, [d.key for d in findings], token=token)
        }
        moves: list[Change] = []
        for asked, finding in findings.items():
            delivery = mine.get(asked.key)
            if delivery is None:
                continue
            if isinstance(finding, Found):
                holders = await live.by_reference(
                    connection, delivery.gateway or "", [finding.reference]
                )
                if any(holder.key != delivery.key for holder in holders):
                    finding = CannotTell("what was found is another delivery's")
            moves.append(_change(bench, delivery, finding))
        await changes.write(connection, message, moves, now=now)
        waiting = [delivery for delivery in mine.values() if findings.get(delivery, ...) is None]
        await live.renew(connection, waiting, token=token, lease=ASK_AGAIN)
    _log.info("settled", message_id=f"message.{message_id}", deliveries=len(moves))


def _change(bench: Bench, delivery: LiveDelivery, finding: Finding | None) -> Change:
    """What a finding makes of a delivery; without one it stays as it is."""
    now = bench.clock()
    free = delivery._replace(claim=None, lease_until=None)
    match finding:
        case None:
            return Change(delivery, delivery, EventSource.TIMEOUT, None)
        case Found():
            after = with_state(free, fold(state_of(delivery), finding.receipts))
            after = after._replace(reference=finding.reference)
            return Change(delivery, after, EventSource.REFRESH, now, "found with the provider")
        case SurelyNot():
            after = free._replace(
                status=DeliveryStatus.PENDING, due_at=None, handed_at=None, at=now
            )
            return Change(
                delivery, after, EventSource.TIMEOUT, now, "it had not arrived at the provider"
            )
        case CannotTell():
            decided = after_silence(
                delivery.mode,
                delivery.attempts,
                first_at=delivery.first_at or now,
                now=now,
                chance=bench.chance(),
            )
            if isinstance(decided, GivenUp):
                after = free._replace(
                    status=DeliveryStatus.FAILED, call_status=decided.code, at=now
                )
                return Change(delivery, after, EventSource.TIMEOUT, now, decided.reason)
            after = free._replace(
                status=DeliveryStatus.PENDING, due_at=decided.at, handed_at=None, at=now
            )
            return Change(delivery, after, EventSource.TIMEOUT, now, finding.reason)
