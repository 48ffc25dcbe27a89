"""Hands a chunk of a message over, a wave at a time: claim, send, record.

    claim   the message runs, the delivery is nobody's. From this commit on it may have left, and the holder of the token may
            hand it over, until the lease ends on the database's clock
    send    outside of any transaction; each request passes the gate, and never later than the claim allows
    record  what came of it, fenced by the token

What is never recorded, because a process died, is settled in `delivery.dispatch.settlement`. When to look at a chunk at all is
`delivery.dispatch.due_work`'s business; what an outcome means, `delivery.dispatch.transitions`'.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.engine import reading, writing
from db.dispatch import changes, claims, in_flight
from db.dispatch.in_flight import LiveDelivery, LiveMessage, Target, Terms
from db.log.deliveries import DeliveryKey
from delivery.dispatch import provider_rate
from delivery.dispatch.cancel_gate import RUNNING, CancelGate
from delivery.dispatch.recording import record
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.transitions import (
    claimed,
    content_of,
    handover_of,
    of_late_outcome,
    of_outcome,
    put_in_place,
    repeated,
    silenced,
    unreadable,
)
from delivery.gateways.base import Content, Held, NotAccepted, Outcome, Refused, Unsure
from delivery.gateways.port import OUT_OF_TIME, Gateway
from domain.status import PHONE_MODES, DeliveryMode, DeliveryStatus

LARGEST_WAVE: Final = 500
"""Deliveries that one transaction claims: more would keep a cancellation waiting."""

MOST_REASONS: Final = 3
"""Reasons for which a provider did not accept that the log names for each wave; the events of the deliveries have all."""

_log = structlog.get_logger(__name__)


class _Load(NamedTuple):
    """The deliveries of a chunk that go through one gateway."""

    message_id: int
    chunk: int
    gateway: Gateway
    terms: Terms
    content: Content

    def modes(self, runtime: Runtime) -> frozenset[DeliveryMode]:
        """The modes that may go now. Asked for each wave: the call window may close while a chunk is on its way."""
        usable = runtime.usable(self.terms)
        return frozenset(mode for mode, gateway in usable.items() if gateway is self.gateway)


class _Wave(NamedTuple):
    """What was claimed at once, and the key of the address of each. `done`: how many needed no provider."""

    deliveries: Sequence[LiveDelivery]
    addresses: Sequence[str]
    done: int
    send_by: datetime

    @property
    def size(self) -> int:
        return len(self.deliveries) + self.done


async def hand_over(
    runtime: Runtime, message_id: int, chunk: int, *, is_over: Callable[[], bool] = lambda: False
) -> int:
    """Hand over what is due of a chunk, and how many deliveries that were. Doing it twice does nothing the second time.

    `is_over` is asked before each wave: once it says so, the rest is left, unclaimed, to another time.
    """
    async with reading(runtime.engine) as connection:
        terms = await in_flight.terms(connection, message_id)
        if terms is None:
            return 0
        content = content_of(message_id, await in_flight.content(connection, message_id))
    gateways = {id(gateway): gateway for gateway in runtime.usable(terms).values()}
    loads = [_Load(message_id, chunk, gateway, terms, content) for gateway in gateways.values()]
    counts = await asyncio.gather(
        *(_hand_over(runtime, load, is_over) for load in loads), return_exceptions=True
    )
    # Only now, when all have ended: what another gateway was given must not go on behind whoever called.
    for count in counts:
        if isinstance(count, BaseException):
            raise count
    return sum(count for count in counts if isinstance(count, int))


async def _hand_over(runtime: Runtime, load: _Load, is_over: Callable[[], bool]) -> int:
    """Hand over what goes through one gateway, as many at once as it takes."""
    token = secrets.token_hex(16)
    handed = 0
    while not is_over() and (size := await _size_of_wave(runtime, load)):
        wave = await _claim(runtime, load, token=token, most=size)
        handed += wave.size
        if wave.deliveries:
            outcomes = await _send(runtime, load, wave)
            await _record(runtime, load, wave, outcomes, token=token)
            if all(isinstance(outcome, NotAccepted) for outcome in outcomes):
                await provider_rate.hold_if_down(runtime, load.gateway, wave.deliveries, outcomes)
                return handed
            if all(isinstance(outcome, NotAccepted | Held) for outcome in outcomes):
                return handed
        if wave.size < size:
            return handed
    return handed


async def _size_of_wave(runtime: Runtime, load: _Load) -> int:
    """How many may be claimed next; 0 where nothing is due, or the provider is not to be used for now."""
    most = min(LARGEST_WAVE, load.gateway.batch)
    if load.gateway.per_second is None:
        return most
    async with reading(runtime.engine) as connection:
        due = await claims.count_due(
            connection, load.message_id, load.chunk, modes=load.modes(runtime), now=runtime.clock()
        )
    return await provider_rate.reserve(
        runtime, load.gateway, load.gateway.per_second, most=min(due, most)
    )


async def _claim(runtime: Runtime, load: _Load, *, token: str, most: int) -> _Wave:
    """Claim what is due; what needs no provider is done at once."""
    now = runtime.clock()
    async with _alone_with(runtime, load.message_id) as (connection, message):
        if message is None or not _runs(message):
            return _Wave([], [], 0, now)
        # Of one with a pace, the reservation said so.
        if load.gateway.per_second is None and await provider_rate.is_held(
            connection, load.gateway
        ):
            return _Wave([], [], 0, now)
        due = await claims.due(
            connection, message.id, load.chunk, modes=load.modes(runtime), now=now, most=most
        )
        targets = await in_flight.targets(connection, {delivery.address_id for delivery in due})
        repeats = await _repeats(connection, due, targets)
        moves: list[changes.Change] = []
        for delivery in due:
            target = targets[delivery.address_id]
            if not target.is_readable:
                moves.append(unreadable(delivery, now=now))
            elif delivery.key in repeats:
                moves.append(repeated(delivery, now=now))
            elif delivery.mode is DeliveryMode.TEXT and target.opted_out:
                moves.append(silenced(delivery, now=now))
            elif load.gateway.in_transaction:
                moves.append(put_in_place(delivery, load.gateway.name, now=now))
            else:
                moves.append(
                    claimed(
                        delivery,
                        load.gateway.name,
                        token=token,
                        lease_until=message.locked_at + runtime.lease,
                        now=now,
                    )
                )
        handed = [m.after for m in moves if m.after.status is DeliveryStatus.IN_PROGRESS]
        calls = any(delivery.mode in PHONE_MODES for delivery in handed)
        await changes.write(
            connection,
            message,
            moves,
            now=now,
            overdue_at=now + runtime.provider_limit if calls else None,
        )
    addresses = [targets[delivery.address_id].key for delivery in handed]
    return _Wave(handed, addresses, len(moves) - len(handed), now + runtime.send_limit)


async def _repeats(
    connection: AsyncConnection, due: Sequence[LiveDelivery], targets: Mapping[int, Target]
) -> Collection[DeliveryKey]:
    """Those that go to an address to which another delivery of their message goes as well."""
    merged = {
        delivery.key: (delivery.mode, same_as)
        for delivery in due
        if (same_as := targets[delivery.address_id].same_as) is not None
    }
    return await in_flight.repeats(connection, merged) if merged else ()


def _runs(message: LiveMessage) -> bool:
    return message.status in RUNNING and not message.is_recorded


async def _send(runtime: Runtime, load: _Load, wave: _Wave) -> Sequence[Outcome]:
    """What came of each delivery of a wave. No request begins when the message is canceled, or the claim about to end."""
    left = (wave.send_by - runtime.clock()).total_seconds()
    if left <= 0:
        # The process was suspended since the claim. Whoever takes the claim over must find nothing that leaves later.
        return [OUT_OF_TIME] * len(wave.deliveries)
    gate = CancelGate(
        runtime.engine,
        load.message_id,
        send_by=wave.send_by,
        clock=runtime.clock,
        monotonic=runtime.monotonic,
    )
    handovers = [
        handover_of(delivery, load.content, address=address)
        for delivery, address in zip(wave.deliveries, wave.addresses, strict=True)
    ]
    return await load.gateway.send(handovers, gate=gate, seconds=left)


async def _record(
    runtime: Runtime, load: _Load, wave: _Wave, outcomes: Sequence[Outcome], *, token: str
) -> None:
    """Write what came of a wave. What was unsure keeps its claim, and is settled when the lease ends."""
    of_wave = {
        delivery.key: (delivery, outcome)
        for delivery, outcome in zip(wave.deliveries, outcomes, strict=True)
    }
    await record(
        runtime,
        of_wave,
        partial(_write, runtime, load.message_id, token),
        lease_until=wave.send_by - runtime.send_limit + runtime.lease,
        gateway=load.gateway.name,
        message_id=f"message.{load.message_id}",
    )
    _log.info(
        "handed over",
        gateway=load.gateway.name,
        message_id=f"message.{load.message_id}",
        deliveries=len(outcomes),
        refused=sum(isinstance(outcome, Refused) for outcome in outcomes),
        not_accepted=sum(isinstance(outcome, NotAccepted) for outcome in outcomes),
        held=sum(isinstance(outcome, Held) for outcome in outcomes),
        unsure=sum(isinstance(outcome, Unsure) for outcome in outcomes),
    )
    _warn_of_refusals(load, outcomes)


def _warn_of_refusals(load: _Load, outcomes: Sequence[Outcome]) -> None:
    """Say in the log why the provider accepted less than it was given: the account or a setting may have to be mended."""
    reasons = Counter(outcome.reason for outcome in outcomes if isinstance(outcome, NotAccepted))
    for reason, number in reasons.most_common(MOST_REASONS):
        _log.warning(
            "provider did not accept",
            gateway=load.gateway.name,
            message_id=f"message.{load.message_id}",
            deliveries=number,
            reason=reason,
        )


async def _write(
    runtime: Runtime,
    message_id: int,
    token: str,
    of_wave: Mapping[DeliveryKey, tuple[LiveDelivery, Outcome]],
) -> None:
    """Write outcomes in one transaction; of those whose claim was lost, what is still news."""
    now = runtime.clock()
    async with _alone_with(runtime, message_id) as (connection, message):
        assert message is not None
        mine = await claims.held(connection, list(of_wave), token=token)
        moves = [
            of_outcome(delivery, outcome, message, now=now, chance=runtime.chance())
            for key, (delivery, outcome) in of_wave.items()
            if key in mine
        ]
        if lost := of_wave.keys() - mine:
            for delivery in await in_flight.by_key(connection, sorted(lost)):
                late = of_late_outcome(delivery, *of_wave[delivery.key], now=now)
                moves += [] if late is None else [late]
        await changes.write(connection, message, moves, now=now)


@asynccontextmanager
async def _alone_with(
    runtime: Runtime, message_id: int
) -> AsyncIterator[tuple[AsyncConnection, LiveMessage | None]]:
    """A transaction, and the message, locked.

    Tasks of one process wait for each other here and not in the database. There each would hold a connection; and if the
    process stood still, they would come by the lock one after the other, and keep everybody from the message for so long.
    """
    turn = runtime.turns.setdefault(message_id, asyncio.Lock())
    async with turn, writing(runtime.engine) as connection:
        yield connection, await in_flight.lock(connection, message_id)
