"""Hand over the deliveries of a chunk, one wave at a time: claim, send, record.

    claim   mark unclaimed deliveries of a running message with a token. From this commit on they may have left. The holder
            of the token may hand them over until the lease ends, by the database's clock
    send    outside of any transaction; each request passes the gate, and begins before the claim's time limit
    record  write the outcomes, fenced by the token

If a process dies before it records, `delivery.dispatch.settlement` settles its claims. `delivery.dispatch.due_work` decides
when a chunk is worked on; `delivery.dispatch.transitions` decides what an outcome means.
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

from db.dispatch import changes, claims, in_flight
from db.dispatch.in_flight import DeliveryTerms, LiveDelivery, LiveMessage, Target
from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection, WriteConnection
from delivery.dispatch import provider_health, provider_rate
from delivery.dispatch.cancel_gate import RUNNING, CancelGate
from delivery.dispatch.recording import record
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.transitions import (
    apply_late_outcome,
    apply_outcome,
    claim_delivery,
    content_of,
    deliver_in_place,
    fail_repeated,
    fail_unreadable,
    handover_of,
    opt_out,
)
from delivery.gateways.base import (
    MessageContent,
    NotAccepted,
    NotAttempted,
    Outcome,
    Refused,
    Unsure,
)
from delivery.gateways.port import OUT_OF_TIME, Gateway
from domain.modes import PHONE_MODES
from domain.status import DeliveryMode, DeliveryStatus

LARGEST_WAVE: Final = 500
"""Most deliveries that one transaction claims: more would make a cancellation wait."""

MOST_REASONS: Final = 3
"""Most reasons for "not accepted" that the log names for each wave; the events of the deliveries have all of them."""

_log = structlog.get_logger(__name__)


class _Load(NamedTuple):
    """The deliveries of a chunk that go through one gateway, before they are claimed."""

    message_id: int
    chunk: int
    gateway: Gateway
    terms: DeliveryTerms
    content: MessageContent

    def modes(self, runtime: Runtime) -> frozenset[DeliveryMode]:
        """Return the modes that may be sent now. Called for each wave: the call window may close between two waves."""
        usable = runtime.usable(self.terms)
        return frozenset(mode for mode, gateway in usable.items() if gateway is self.gateway)


class _Wave(NamedTuple):
    """Deliveries that were claimed together, with the key of each address. `done` counts those that need no provider."""

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
    """Hand over the due deliveries of a chunk. Return how many. Idempotent.

    `is_over` is called before each wave: once it returns true, the rest stays unclaimed for a later job.
    """
    async with runtime.database.reading() as connection:
        terms = await in_flight.terms(connection, message_id)
        if terms is None:
            return 0
        content = content_of(message_id, await in_flight.content(connection, message_id))
    gateways = {id(gateway): gateway for gateway in runtime.usable(terms).values()}
    loads = [_Load(message_id, chunk, gateway, terms, content) for gateway in gateways.values()]
    counts = await asyncio.gather(
        *(_hand_over(runtime, load, is_over) for load in loads), return_exceptions=True
    )
    # Raise only after all have ended: no gateway may go on sending after this function has returned.
    for count in counts:
        if isinstance(count, BaseException):
            raise count
    return sum(count for count in counts if isinstance(count, int))


async def _hand_over(runtime: Runtime, load: _Load, is_over: Callable[[], bool]) -> int:
    """Hand over the deliveries of one gateway, in waves of the size that it takes. Return how many."""
    token = secrets.token_hex(16)
    handed = 0
    while not is_over() and (size := await _size_of_wave(runtime, load)):
        wave = await _claim(runtime, load, token=token, most=size)
        handed += wave.size
        if wave.deliveries:
            outcomes = await _send(runtime, load, wave)
            await _record(runtime, load, wave, outcomes, token=token)
            await provider_health.note(
                runtime, load.gateway, outcomes, district=load.terms.district
            )
            if all(isinstance(outcome, NotAccepted) for outcome in outcomes):
                await provider_rate.hold_if_down(runtime, load.gateway, wave.deliveries, outcomes)
                return handed
            if all(isinstance(outcome, NotAccepted | NotAttempted) for outcome in outcomes):
                return handed
        if wave.size < size:
            return handed
    return handed


async def _size_of_wave(runtime: Runtime, load: _Load) -> int:
    """Return how many deliveries to claim next; 0 if none is due or the provider is on hold."""
    most = min(LARGEST_WAVE, load.gateway.batch)
    if load.gateway.per_second is None:
        return most
    async with runtime.database.reading() as connection:
        due = await claims.count_due(
            connection, load.message_id, load.chunk, modes=load.modes(runtime), now=runtime.clock()
        )
    return await provider_rate.reserve(
        runtime, load.gateway, load.gateway.per_second, most=min(due, most)
    )


async def _claim(runtime: Runtime, load: _Load, *, token: str, most: int) -> _Wave:
    """Claim due deliveries. Those that need no provider get their final status at once."""
    now = runtime.clock()
    async with _locked_message(runtime, load.message_id) as (connection, message):
        if message is None or not _runs(message):
            return _Wave([], [], 0, now)
        # For a gateway with a rate limit, the reservation has checked this already.
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
                moves.append(fail_unreadable(delivery, now=now))
            elif delivery.key in repeats:
                moves.append(fail_repeated(delivery, now=now))
            elif delivery.mode is DeliveryMode.TEXT and target.opted_out:
                moves.append(opt_out(delivery, now=now))
            elif load.gateway.in_transaction:
                moves.append(deliver_in_place(delivery, load.gateway.name, now=now))
            else:
                moves.append(
                    claim_delivery(
                        delivery,
                        load.gateway.name,
                        token=token,
                        lease_until=message.locked_at + runtime.lease,
                        now=now,
                    )
                )
        claimed = [m.after for m in moves if m.after.status is DeliveryStatus.IN_PROGRESS]
        has_phone = any(delivery.mode in PHONE_MODES for delivery in claimed)
        await changes.write(
            connection,
            message,
            moves,
            now=now,
            overdue_at=now + runtime.provider_limit if has_phone else None,
        )
    addresses = [targets[delivery.address_id].key for delivery in claimed]
    return _Wave(claimed, addresses, len(moves) - len(claimed), now + runtime.send_limit)


async def _repeats(
    connection: ReadConnection, due: Sequence[LiveDelivery], targets: Mapping[int, Target]
) -> Collection[DeliveryKey]:
    """Return the keys of deliveries whose address another delivery of the same message goes to as well."""
    merged = {
        delivery.key: (delivery.mode, same_as)
        for delivery in due
        if (same_as := targets[delivery.address_id].same_as) is not None
    }
    return await in_flight.repeats(connection, merged) if merged else ()


def _runs(message: LiveMessage) -> bool:
    return message.status in RUNNING and not message.is_recorded


async def _send(runtime: Runtime, load: _Load, wave: _Wave) -> Sequence[Outcome]:
    """Send a wave and return an outcome for each delivery.

    No request begins once the message is canceled or the claim is about to end.
    """
    left = (wave.send_by - runtime.clock()).total_seconds()
    if left <= 0:
        # The process was suspended since the claim. Nothing may be sent after another process takes the claim over.
        return [OUT_OF_TIME] * len(wave.deliveries)
    gate = CancelGate(
        runtime.database,
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
    """Write the outcomes of a wave. A delivery with an `Unsure` outcome keeps its claim until `settlement` settles it."""
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
        "deliveries were handed over",
        gateway=load.gateway.name,
        message_id=f"message.{load.message_id}",
        deliveries=len(outcomes),
        refused=sum(isinstance(outcome, Refused) for outcome in outcomes),
        not_accepted=sum(isinstance(outcome, NotAccepted) for outcome in outcomes),
        held=sum(isinstance(outcome, NotAttempted) for outcome in outcomes),
        unsure=sum(isinstance(outcome, Unsure) for outcome in outcomes),
    )
    _warn_not_accepted(load, outcomes)


def _warn_not_accepted(load: _Load, outcomes: Sequence[Outcome]) -> None:
    """Log why the provider did not accept deliveries: an administrator may have to fix the account or a setting."""
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
    """Write outcomes in one transaction. If a claim was lost, write only an acceptance."""
    now = runtime.clock()
    async with _locked_message(runtime, message_id) as (connection, message):
        assert message is not None
        mine = await claims.still_claimed(connection, list(of_wave), token=token)
        moves = [
            apply_outcome(delivery, outcome, message, now=now, chance=runtime.chance())
            for key, (delivery, outcome) in of_wave.items()
            if key in mine
        ]
        if lost := of_wave.keys() - mine:
            for delivery in await in_flight.by_key(connection, sorted(lost)):
                late = apply_late_outcome(delivery, *of_wave[delivery.key], now=now)
                moves += [] if late is None else [late]
        await changes.write(connection, message, moves, now=now)


@asynccontextmanager
async def _locked_message(
    runtime: Runtime, message_id: int
) -> AsyncIterator[tuple[WriteConnection, LiveMessage | None]]:
    """Yield a transaction and the locked message; None if the message does not exist.

    Tasks of one process queue here and not in the database. There each would hold a connection. And if the process were
    suspended, they would get the lock one after the other and block the message for all that time.
    """
    turn = runtime.turns.setdefault(message_id, asyncio.Lock())
    async with turn, runtime.database.writing() as connection:
        yield connection, await in_flight.lock(connection, message_id)
