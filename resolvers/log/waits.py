"""Why deliveries of a message still wait, by what the dispatcher knows. `domain.waits` has the rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from db.dispatch.in_flight import DeliveryTerms
from db.log.messages import MessageRecord
from delivery.dispatch.provider_rate import held_gateways
from delivery.gateways.port import Gateway
from domain.counting import Tally
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from domain.waits import WAITING, ModeFacts, Retries, Surroundings, WaitReason, wait_reasons
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import Context, Info

Gateways = Mapping[DeliveryMode, Gateway]


@BatchResolver
async def waits_for(root: Sequence[MessageRecord], info: Info) -> Sequence[Sequence[WaitReason]]:
    """Why something of each waits, in the order of modes; empty if nothing does."""
    context = info.context
    pending = await _pending(root, context)
    begun = [id for id in pending if not _is_scheduled(pending[id][0], context.now)]
    retries = dict(zip(begun, await context.loaders.retries.load_all(begun), strict=True))
    gateways = _gateways(context) if pending else {}
    waits = await _waits(gateways if begun else {}, context)
    around = await _surroundings(context, has_begun=bool(begun))
    reasons: dict[int, Sequence[WaitReason]] = {}
    for id, (message, counts) in pending.items():
        scheduled_at = message.scheduled_at if message.status is MessageStatus.WAITING else None
        reasons[id] = [
            reason
            for mode, count in counts.items()
            for reason in wait_reasons(
                _facts(mode, count, gateways.get(mode), waits, retries.get(id, {}), context.now),
                around,
                scheduled_at=scheduled_at,
            )
        ]
    return [reasons.get(message.id, ()) for message in root]


async def _pending(
    messages: Sequence[MessageRecord], context: Context
) -> Mapping[int, tuple[MessageRecord, Mapping[DeliveryMode, int]]]:
    """The messages with pending deliveries that will be handed over, each with their number by mode."""
    alive = [
        message
        for message in messages
        if message.status in WAITING and not message.is_recorded and message.purged_at is None
    ]
    counters = await context.loaders.counters.load_all([message.id for message in alive])
    counted = zip(alive, (_pending_by_mode(own.tallies) for own in counters), strict=True)
    return {message.id: (message, counts) for message, counts in counted if counts}


def _pending_by_mode(tallies: Sequence[Tally]) -> Mapping[DeliveryMode, int]:
    counts = dict.fromkeys(DeliveryMode, 0)
    for tally in tallies:
        if tally.status is DeliveryStatus.PENDING and not tally.is_duplicate:
            counts[tally.mode] += tally.deliveries
    return {mode: count for mode, count in counts.items() if count}


def _is_scheduled(message: MessageRecord, now: datetime) -> bool:
    return message.status is MessageStatus.WAITING and now < message.scheduled_at


def _gateways(context: Context) -> Gateways:
    """The gateways for the viewer's district, by mode."""
    runtime = context.process_services.runtime
    terms = DeliveryTerms(context.visibility.district.external_id, None)
    gateways = {mode: runtime.gateway_of(terms, mode) for mode in DeliveryMode}
    return {mode: gateway for mode, gateway in gateways.items() if gateway is not None}


async def _waits(gateways: Gateways, context: Context) -> Mapping[str, timedelta]:
    """How long each provider cannot be used."""
    names = sorted({gateway.name for gateway in gateways.values()})
    return dict(zip(names, await context.loaders.provider_wait.load_all(names), strict=True))


def _facts(
    mode: DeliveryMode,
    pending: int,
    gateway: Gateway | None,
    waits: Mapping[str, timedelta],
    retries: Mapping[DeliveryMode, Retries],
    now: datetime,
) -> ModeFacts:
    if gateway is None:
        return ModeFacts(mode, pending, has_gateway=False)
    wait = waits.get(gateway.name, timedelta())
    is_held = gateway in held_gateways([gateway], waits)
    return ModeFacts(
        mode,
        pending,
        has_gateway=True,
        held_until=now + wait if is_held else None,
        paced_until=now + wait if wait and not is_held else None,
        retries=retries.get(mode, Retries()),
    )


async def _surroundings(context: Context, *, has_begun: bool) -> Surroundings:
    district = context.visibility.district
    return Surroundings(
        now=context.now,
        zone=ZoneInfo(district.time_zone),
        call_window=district.call_window,
        has_worker=not has_begun or await context.loaders.has_worker.load(district.id),
    )
