"""State transitions of a delivery: by a claim, by its outcome, by a later finding, by a receipt.

Pure functions: a delivery goes in, a change comes out. `handover`, `settlement`, `receipts` and `due_work` write it under
the message's lock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from db.dispatch.changes import CANCELED, Change, ReportedStatus
from db.dispatch.in_flight import LiveContent, LiveDelivery, LiveMessage
from delivery.dispatch import delivery_names
from delivery.gateways.base import (
    Accepted,
    CannotTell,
    Finding,
    FoundAtProvider,
    Handover,
    MessageContent,
    NotAccepted,
    NotAtProvider,
    NotAttempted,
    Outcome,
    Refused,
    Unsure,
)
from domain.addresses import InvalidAddress
from domain.call_status import DUPLICATE, INVALID_NUMBER, OPTED_OUT
from domain.delivery_failures import REPEATED, UNREADABLE
from domain.mailbox import Mailbox, read_mailbox
from domain.modes import PHONE_MODES
from domain.receipts import Receipt, State, apply
from domain.retry import EMAIL_SILENCE, GivenUp, RetryAt, after_refusal, after_silence
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus

POLL_AFTER: Final = timedelta(minutes=1)
"""How long after an incomplete receipt the provider is polled first."""


def handover_of(delivery: LiveDelivery, content: MessageContent, *, address: str) -> Handover:
    """Return a delivery as a gateway takes it; `address` is the key of its address."""
    return Handover(
        key=delivery_names.spell(delivery),
        mode=delivery.mode,
        address=address,
        content=content,
        attempt=delivery.attempts,
    )


def content_of(message_id: int, content: LiveContent) -> MessageContent:
    """Return the content of a message as a gateway takes it."""
    fields = content._asdict() | {"reply_to": _reply_to(content.reply_to)}
    return MessageContent(key=f"message.{message_id}", **fields)


def _reply_to(text: str | None) -> Mailbox | None:
    """Return the reply address; None if `text` cannot be read: the message is sent all the same, and the import has warned."""
    if not text:
        return None
    try:
        return read_mailbox(text)
    except InvalidAddress:
        return None


# Before the hand-over


def claim_delivery(
    delivery: LiveDelivery, gateway: str, *, token: str, lease_until: datetime, now: datetime
) -> Change:
    """Mark a delivery as about to be handed over: from now on it may have left. Its outcome will be the event."""
    after = delivery._replace(
        status=DeliveryStatus.IN_PROGRESS,
        at=now,
        attempts=delivery.attempts + 1,
        first_at=delivery.first_at or now,
        due_at=None,
        claim=token,
        lease_until=lease_until,
        handed_at=now,
        gateway=gateway,
    )
    return Change(delivery, after, EventSource.DISPATCH, None)


def deliver_in_place(delivery: LiveDelivery, gateway: str, *, now: datetime) -> Change:
    """Mark a delivery as SENT without a provider: an inbox message is delivered by this write."""
    after = delivery._replace(
        status=DeliveryStatus.SENT,
        at=now,
        attempts=delivery.attempts + 1,
        first_at=delivery.first_at or now,
        due_at=None,
        handed_at=now,
        gateway=gateway,
    )
    return Change(delivery, after, EventSource.DISPATCH, now)


def opt_out(delivery: LiveDelivery, *, now: datetime) -> Change:
    """Mark a text as OPTED_OUT: its number wants no texts, so it is not sent."""
    after = delivery._replace(
        status=DeliveryStatus.OPTED_OUT, call_status=OPTED_OUT, at=now, due_at=None
    )
    return Change(delivery, after, EventSource.DISPATCH, now)


def fail_unreadable(delivery: LiveDelivery, *, now: datetime) -> Change:
    """Fail a delivery whose address cannot be read. It came in before the ingest read addresses."""
    code = INVALID_NUMBER if delivery.mode in PHONE_MODES else None
    return _never_sent(delivery, code, UNREADABLE, "The address cannot be read.", now=now)


def fail_repeated(delivery: LiveDelivery, *, now: datetime) -> Change:
    """Fail a delivery whose address is that of another delivery of its message; the other one is sent."""
    code = DUPLICATE if delivery.mode in PHONE_MODES else None
    reason = "Another delivery of this message goes to the same address."
    return _never_sent(delivery, code, REPEATED, reason, now=now)


def _never_sent(
    delivery: LiveDelivery, code: int | None, failure: str, reason: str, *, now: datetime
) -> Change:
    after = delivery._replace(
        status=DeliveryStatus.FAILED, call_status=code, failure=failure, at=now, due_at=None
    )
    return Change(delivery, after, EventSource.DISPATCH, now, reason)


def cancel_delivery(delivery: LiveDelivery, *, now: datetime) -> Change:
    """Mark a delivery as CANCELED before it was sent."""
    after = delivery._replace(status=DeliveryStatus.CANCELED, at=now, due_at=None)
    return Change(delivery, after, EventSource.CANCEL, now)


# After the hand-over


def apply_outcome(
    delivery: LiveDelivery,
    outcome: Outcome,
    message: LiveMessage,
    *,
    now: datetime,
    chance: float,
) -> Change:
    """Apply a gateway's outcome to a delivery whose claim is still valid. `message` is locked."""
    match outcome:
        case Accepted():
            return apply_receipt(delivery, _receipt(outcome, now), EventSource.DISPATCH)
        case Refused():
            after = _released(delivery)._replace(
                status=outcome.status,
                call_status=outcome.code,
                failure=outcome.failure if outcome.status is DeliveryStatus.FAILED else None,
                at=now,
            )
            return Change(delivery, after, EventSource.DISPATCH, now, outcome.reason)
        case NotAccepted():
            decision = after_refusal(
                delivery.mode,
                delivery.attempts,
                first_at=delivery.first_at or now,
                now=now,
                chance=chance,
                asked_for=outcome.after,
            )
            if message.status in CANCELED:  # it did not leave, so the cancellation stopped it
                decision = RetryAt(now)
            source = EventSource.DISPATCH
            return _retry_or_fail(
                delivery, decision, message.status, source, outcome.reason, now=now
            )
        case NotAttempted():
            # It does not count as an attempt: no request was sent to the provider.
            unsent = delivery._replace(attempts=delivery.attempts - 1)
            source = EventSource.DISPATCH
            change = _retry_or_fail(
                unsent, RetryAt(now), message.status, source, outcome.reason, now=now
            )
            return change._replace(before=delivery)
        case Unsure():
            # The claim stays: after its lease, `settlement` asks the provider.
            after = delivery
            if delivery.mode is DeliveryMode.EMAIL:
                after = delivery._replace(lease_until=message.locked_at + EMAIL_SILENCE)
            return Change(delivery, after, EventSource.DISPATCH, now, outcome.reason)


def apply_late_outcome(
    delivery: LiveDelivery, claimed: LiveDelivery, outcome: Outcome, *, now: datetime
) -> Change | None:
    """Apply an outcome that came after the claim was lost; None unless the provider accepted the delivery.

    `claimed` is the delivery as it was claimed. If it was resent since, the outcome belongs to the earlier sending.
    """
    if not isinstance(outcome, Accepted):
        return None
    receipt = _receipt(outcome, now)
    if claimed.resends != delivery.resends:
        return keep_old_receipt(delivery, receipt, EventSource.DISPATCH)
    return apply_receipt(delivery, receipt, EventSource.DISPATCH)


def apply_finding(
    delivery: LiveDelivery,
    finding: Finding,
    message: MessageStatus,
    *,
    now: datetime,
    chance: float,
) -> Sequence[Change]:
    """Apply what a provider knows of a delivery without a recorded outcome. Each change starts from the one before it."""
    match finding:
        case FoundAtProvider():
            changes: list[Change] = []
            for receipt in finding.receipts:
                named = receipt._replace(reference=finding.reference)
                latest = changes[-1].after if changes else delivery
                changes.append(apply_receipt(latest, named, EventSource.REFRESH))
            return changes
        case NotAtProvider():
            source, reason = EventSource.TIMEOUT, "it had not arrived at the provider"
            return [_retry_or_fail(delivery, RetryAt(now), message, source, reason, now=now)]
        case CannotTell():
            # One more copy that may or may not have arrived.
            silent = delivery._replace(copies=delivery.copies + 1)
            decision = after_silence(
                silent.mode,
                silent.attempts,
                copies=silent.copies,
                first_at=silent.first_at or now,
                now=now,
                chance=chance,
            )
            if message in CANCELED and isinstance(decision, RetryAt):
                decision = GivenUp(None, f"{finding.reason}; canceled before it went again")
            source = EventSource.TIMEOUT
            change = _retry_or_fail(silent, decision, message, source, finding.reason, now=now)
            return [change._replace(before=delivery)]


def apply_receipt(delivery: LiveDelivery, receipt: Receipt, source: EventSource) -> Change:
    """Apply a receipt to a delivery. It is always kept as an event; it ends a claim that waits for an outcome."""
    state = apply(_state(delivery), receipt)
    after = _with_complaint(_with_state(delivery, state), receipt)
    if after.reference is None:
        after = after._replace(reference=receipt.reference)
    if receipt.status is not None and state.status is not DeliveryStatus.PENDING:
        after = _released(after)._replace(
            due_at=_poll_at(delivery, after, receipt, source),
            handed_at=delivery.handed_at or receipt.at,
        )
    reported = ReportedStatus(receipt.status or state.status, receipt.code)
    return Change(delivery, after, source, receipt.at, receipt.detail, reported)


def _poll_at(
    before: LiveDelivery, after: LiveDelivery, receipt: Receipt, source: EventSource
) -> datetime | None:
    """Return when to poll the provider after a receipt; None if the provider reports without a poll or has reported.

    A poll's own answer plans no poll: `delivery.receipts.polling` decides when to ask again, and when to stop.
    """
    if after.status is not DeliveryStatus.IN_PROGRESS:
        return None
    planned = before.due_at if before.status is DeliveryStatus.IN_PROGRESS else None
    if planned is None and receipt.is_incomplete and source is EventSource.CALLBACK:
        return receipt.at + POLL_AFTER
    return planned


def keep_old_receipt(delivery: LiveDelivery, receipt: Receipt, source: EventSource) -> Change:
    """Keep a receipt of an earlier sending as an event only: the delivery was resent since."""
    reported = ReportedStatus(receipt.status or delivery.status, receipt.code)
    after = _with_complaint(delivery, receipt)
    return Change(delivery, after, source, receipt.at, receipt.detail, reported)


def _retry_or_fail(
    delivery: LiveDelivery,
    decision: RetryAt | GivenUp,
    message: MessageStatus,
    source: EventSource,
    reason: str,
    *,
    now: datetime,
) -> Change:
    """Make a delivery pending again, or FAILED if `decision` gives up. In a canceled message it is CANCELED, not pending."""
    released = _released(delivery)._replace(failure=None)
    if isinstance(decision, GivenUp):
        after = released._replace(status=DeliveryStatus.FAILED, call_status=decision.code, at=now)
        return Change(delivery, after, source, now, decision.reason)
    if message in CANCELED:
        return cancel_delivery(released, now=now)._replace(before=delivery, detail=reason)
    after = released._replace(
        status=DeliveryStatus.PENDING, due_at=decision.at, handed_at=None, at=now
    )
    return Change(delivery, after, source, now, reason)


def _receipt(accepted: Accepted, now: datetime) -> Receipt:
    return Receipt(
        now,
        accepted.status,
        accepted.code,
        detail=accepted.detail,
        reference=accepted.reference,
        failure=accepted.failure,
    )


def _released(delivery: LiveDelivery) -> LiveDelivery:
    return delivery._replace(claim=None, lease_until=None)


def _state(delivery: LiveDelivery) -> State:
    return State(
        delivery.status, delivery.call_status, delivery.confirmed, delivery.at, delivery.failure
    )


def _with_state(delivery: LiveDelivery, state: State) -> LiveDelivery:
    return delivery._replace(
        status=state.status,
        call_status=state.code,
        confirmed=state.confirmed,
        at=state.at,
        failure=state.failure,
    )


def _with_complaint(delivery: LiveDelivery, receipt: Receipt) -> LiveDelivery:
    """Keep the latest complaint about a delivery."""
    if not receipt.is_complaint:
        return delivery
    known = delivery.complained_at
    return delivery._replace(complained_at=receipt.at if known is None else max(known, receipt.at))
