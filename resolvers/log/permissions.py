"""What the viewer may do with a message now, by the rules of the mutations."""

from collections.abc import Collection, Sequence

from db.dispatch.in_flight import DeliveryTerms
from db.log.messages import MessageRecord
from domain.cancel import may_cancel
from domain.counting import Tally
from domain.refresh import may_refresh
from domain.resend import resend_refusal
from domain.status import DeliveryMode, DeliveryStatus
from domain.viewer import Right
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import Context, Info


@BatchResolver
async def viewer_can_cancel(root: Sequence[MessageRecord], info: Info) -> Sequence[bool]:
    """Whether the viewer can cancel each now."""
    may = info.context.viewer.may(Right.CANCEL_MESSAGES)
    return [may and may_cancel(message.status) for message in root]


@BatchResolver
async def viewer_can_refresh(root: Sequence[MessageRecord], info: Info) -> Sequence[bool]:
    """Whether a provider can be asked for an outcome of each that may still change."""
    context = info.context
    modes = _polled_modes(context)
    return [
        may_refresh(
            tallies,
            modes=modes,
            is_recorded=message.is_recorded,
            is_purged=message.purged_at is not None,
        )
        for message, tallies in zip(root, await _tallies(root, context), strict=True)
    ]


@BatchResolver
async def viewer_can_resend(root: Sequence[MessageRecord], info: Info) -> Sequence[bool]:
    """Whether the viewer can send failed deliveries of each again now."""
    context = info.context
    if not context.viewer.may(Right.CANCEL_MESSAGES):
        return [False] * len(root)
    allowed = [message for message in root if _is_resendable(message)]
    failed = [
        message.id
        for message, tallies in zip(allowed, await _tallies(allowed, context), strict=True)
        if any(tally.status is DeliveryStatus.FAILED and tally.deliveries for tally in tallies)
    ]
    has_failed = dict(zip(failed, await context.loaders.has_failed.load_all(failed), strict=True))
    return [has_failed.get(message.id, False) for message in root]


def _is_resendable(message: MessageRecord) -> bool:
    refusal = resend_refusal(
        message.status,
        is_recorded=message.is_recorded,
        is_purged=message.purged_at is not None,
    )
    return refusal is None


async def _tallies(
    messages: Sequence[MessageRecord], context: Context
) -> Sequence[Sequence[Tally]]:
    counters = await context.loaders.counters.load_all([message.id for message in messages])
    return [own.tallies for own in counters]


def _polled_modes(context: Context) -> Collection[DeliveryMode]:
    """The modes of which the provider of the viewer's district can be polled."""
    runtime = context.process_services.runtime
    terms = DeliveryTerms(context.visibility.district.external_id, None)
    gateways = {mode: runtime.gateway_of(terms, mode) for mode in DeliveryMode}
    return {
        mode for mode, gateway in gateways.items() if gateway is not None and gateway.can_be_polled
    }
