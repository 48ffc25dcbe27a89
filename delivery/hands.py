"""Hands a chunk of a message over: claim, gate, send, record.

    claim   whoever has the token may hand over, until the lease ends on the database's clock
    gate    the last look before a hand-over: not canceled, still ours; committed before the provider is called
    record  what came of it, fenced by the token

What is never recorded, because a process died, is settled in `delivery.settlement`. When to look at a chunk at all is
`delivery.sweep`'s business.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import changes, live, pace
from db.changes import Change
from db.engine import reading, writing
from db.live import LiveContent, LiveDelivery
from delivery.gateways.base import (
    Accepted,
    Content,
    Gateway,
    Handover,
    NotAccepted,
    Outcome,
    Refused,
)
from domain.call_status import OPTED_OUT
from domain.receipts import Receipt, State, apply
from domain.retry import GivenUp, after_refusal
from domain.status import PHONE_MODES, DeliveryMode, DeliveryStatus, EventSource, MessageStatus

RUNNING = frozenset({MessageStatus.IN_PROGRESS, MessageStatus.ERROR})
"""The statuses at which deliveries are handed over."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all work on deliveries has in common: the database, the ways to the providers, clock, dice and limits."""

    engine: AsyncEngine
    gateways: Mapping[DeliveryMode, Gateway]
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    """0 to 1, for pauses that should not fall together."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    lease: timedelta = timedelta(minutes=5)
    send_limit: timedelta = timedelta(minutes=2)
    """The longest that a gateway is waited for. Shorter than the lease, or a second worker would send meanwhile."""
    provider_limit: timedelta = timedelta(minutes=60)
    """After the last hand-over: outcomes of calls and texts that are open then make the message an ERROR."""


async def hand_over(bench: Bench, message_id: int, chunk: int) -> int:
    """Hand over what is due of a chunk, and how many deliveries that were. Doing it twice does nothing the second time."""
    token = secrets.token_hex(16)
    claimed, done = await _claim(bench, message_id, chunk, token=token)
    if not claimed:
        return done
    async with reading(bench.engine) as connection:
        content = content_of(message_id, await live.content(connection, message_id))
    by_gateway: dict[str, list[LiveDelivery]] = {}
    for delivery in claimed:
        by_gateway.setdefault(bench.gateways[delivery.mode].name, []).append(delivery)
    counts = await asyncio.gather(
        *(_send_all(bench, some, content, token=token) for some in by_gateway.values())
    )
    return done + sum(counts)


async def _claim(
    bench: Bench, message_id: int, chunk: int, *, token: str
) -> tuple[Sequence[LiveDelivery], int]:
    """Claim what is due; what needs no provider is done at once, and counted."""
    now = bench.clock()
    async with writing(bench.engine) as connection:
        message = await live.lock(connection, message_id)
        if message is None or message.is_recorded or message.status not in RUNNING:
            return [], 0
        modes = await _open_modes(bench, connection, message_id, now=now)
        pending = await live.pending(connection, message_id, chunk, modes=modes, now=now)
        silent = await live.opted_out(
            connection, sorted({d.address_id for d in pending if d.mode is DeliveryMode.TEXT})
        )
        done: list[Change] = []
        rest: list[LiveDelivery] = []
        for delivery in pending:
            if delivery.mode is DeliveryMode.TEXT and delivery.address_id in silent:
                after = delivery._replace(
                    status=DeliveryStatus.OPTED_OUT, call_status=OPTED_OUT, at=now
                )
                done.append(Change(delivery, after, EventSource.DISPATCH, now))
            elif bench.gateways[delivery.mode].in_transaction:
                after = delivery._replace(
                    status=DeliveryStatus.SENT,
                    at=now,
                    attempts=delivery.attempts + 1,
                    first_at=delivery.first_at or now,
                    handed_at=now,
                    gateway=bench.gateways[delivery.mode].name,
                )
                done.append(Change(delivery, after, EventSource.DISPATCH, now))
            else:
                rest.append(delivery)
        claimed = await live.claim(connection, rest, token=token, lease=bench.lease)
        await changes.write(connection, message, done, now=now)
    return claimed, len(done)


async def _open_modes(
    bench: Bench, connection: AsyncConnection, message_id: int, *, now: datetime
) -> frozenset[DeliveryMode]:
    """The modes that have a gateway and may be used now: voice keeps to the district's call window."""
    modes = frozenset(bench.gateways)
    window = await live.call_window(connection, message_id)
    if window is None or DeliveryMode.VOICE not in modes:
        return modes
    local = now.astimezone(ZoneInfo(window.time_zone)).time()
    return modes if window.opens <= local < window.closes else modes - {DeliveryMode.VOICE}


async def _send_all(
    bench: Bench, deliveries: Sequence[LiveDelivery], content: Content, *, token: str
) -> int:
    """Send deliveries of one gateway, as many at once as it takes."""
    gateway = bench.gateways[deliveries[0].mode]
    sent = 0
    for start in range(0, len(deliveries), gateway.batch):
        wave = deliveries[start : start + gateway.batch]
        if gateway.per_second is not None:
            async with writing(bench.engine) as connection:
                wait = await pace.reserve(
                    connection, gateway.name, handovers=len(wave), per_second=gateway.per_second
                )
            if wait:
                await bench.sleep(wait.total_seconds())
        passed = await _pass_gate(bench, wave, gateway, token=token)
        if not passed:
            await _give_back(bench, deliveries[start:], token=token)
            return sent
        outcomes = await _send(bench, passed, content, gateway)
        await _record(bench, passed, outcomes, gateway, token=token)
        sent += len(passed)
    return sent


async def _pass_gate(
    bench: Bench, wave: Sequence[LiveDelivery], gateway: Gateway, *, token: str
) -> Sequence[LiveDelivery]:
    """Those that may still be handed over; from this commit on they count as perhaps having left."""
    now = bench.clock()
    async with writing(bench.engine) as connection:
        message = await live.lock(connection, wave[0].message_id)
        if message is None or message.status not in RUNNING:
            return []
        mine = await live.renew(connection, wave, token=token, lease=bench.lease)
        moves = [
            Change(
                delivery,
                delivery._replace(
                    status=DeliveryStatus.IN_PROGRESS,
                    at=now,
                    attempts=delivery.attempts + 1,
                    first_at=delivery.first_at or now,
                    handed_at=now,
                    due_at=None,
                    gateway=gateway.name,
                ),
                EventSource.DISPATCH,
                now,
            )
            for delivery in mine
            if delivery.status is DeliveryStatus.PENDING
        ]
        has_phone = any(change.after.mode in PHONE_MODES for change in moves)
        await changes.write(
            connection,
            message,
            moves,
            now=now,
            overdue_at=now + bench.provider_limit if has_phone else None,
        )
    return [change.after for change in moves]


async def _give_back(bench: Bench, deliveries: Sequence[LiveDelivery], *, token: str) -> None:
    async with writing(bench.engine) as connection:
        await live.release(connection, [delivery.key for delivery in deliveries], token=token)


async def _send(
    bench: Bench, passed: Sequence[LiveDelivery], content: Content, gateway: Gateway
) -> Sequence[Outcome] | None:
    """What the provider answered; None where it did not answer in time: then each may have left."""
    handovers = [handover_of(delivery, content) for delivery in passed]
    try:
        async with asyncio.timeout(bench.send_limit.total_seconds()):
            return await gateway.send(handovers)
    except TimeoutError:
        _log.warning(
            "a gateway did not answer in time", gateway=gateway.name, deliveries=len(handovers)
        )
        return None


async def _record(
    bench: Bench,
    passed: Sequence[LiveDelivery],
    outcomes: Sequence[Outcome] | None,
    gateway: Gateway,
    *,
    token: str,
) -> None:
    """Write what came of a wave. What was unsure keeps its claim, and is settled when the lease ends."""
    if outcomes is None:
        return
    now = bench.clock()
    by_key = {delivery.key: outcome for delivery, outcome in zip(passed, outcomes, strict=True)}
    async with writing(bench.engine) as connection:
        message = await live.lock(connection, passed[0].message_id)
        assert message is not None
        mine = await live.claimed(connection, list(by_key), token=token)
        moves = [
            change
            for delivery in mine
            if (
                change := outcome_of(delivery, by_key[delivery.key], now=now, chance=bench.chance())
            )
            is not None
        ]
        await changes.write(connection, message, moves, now=now)
    _log.info(
        "handed over",
        gateway=gateway.name,
        message_id=f"message.{message.id}",
        deliveries=len(passed),
        refused=sum(isinstance(outcome, Refused) for outcome in outcomes),
    )


def outcome_of(
    delivery: LiveDelivery, outcome: Outcome, *, now: datetime, chance: float
) -> Change | None:
    """What an outcome makes of a delivery; None where nothing is known yet."""
    free = delivery._replace(claim=None, lease_until=None)
    match outcome:
        case Accepted():
            receipt = Receipt(now, outcome.status, outcome.code, detail=outcome.detail)
            after = with_state(free, apply(state_of(delivery), receipt))._replace(
                reference=outcome.reference
            )
            return Change(delivery, after, EventSource.DISPATCH, now, outcome.detail)
        case Refused():
            after = free._replace(status=outcome.status, call_status=outcome.code, at=now)
            return Change(delivery, after, EventSource.DISPATCH, now, outcome.reason)
        case NotAccepted():
            decided = after_refusal(
                delivery.mode,
                delivery.attempts,
                first_at=delivery.first_at or now,
                now=now,
                chance=chance,
                asked_for=outcome.after,
            )
            if isinstance(decided, GivenUp):
                after = free._replace(
                    status=DeliveryStatus.FAILED, call_status=decided.code, at=now
                )
                return Change(delivery, after, EventSource.DISPATCH, now, decided.reason)
            after = free._replace(
                status=DeliveryStatus.PENDING, due_at=decided.at, handed_at=None, at=now
            )
            return Change(delivery, after, EventSource.DISPATCH, now, outcome.reason)
        case _:
            return None


def handover_of(delivery: LiveDelivery, content: Content) -> Handover:
    """A delivery as a gateway takes it."""
    return Handover(
        key=".".join(map(str, delivery.key)),
        mode=delivery.mode,
        address=delivery.address,
        content=content,
        attempt=delivery.attempts,
    )


def state_of(delivery: LiveDelivery) -> State:
    """What is known about a delivery."""
    return State(delivery.status, delivery.call_status, delivery.confirmed, delivery.at)


def with_state(delivery: LiveDelivery, state: State) -> LiveDelivery:
    """A delivery of which this is known."""
    return delivery._replace(
        status=state.status, call_status=state.code, confirmed=state.confirmed, at=state.at
    )


def content_of(message_id: int, content: LiveContent) -> Content:
    """What a message says, as a gateway takes it."""
    return Content(key=f"message.{message_id}", **content._asdict())
