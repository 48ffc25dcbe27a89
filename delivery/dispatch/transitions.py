"""What becomes of a delivery: by being handed over, by its outcome, by what was found out later, by what a provider says.

Pure: a delivery goes in, a change comes out. Who writes it, and under which lock, is `hands`', `settlement`'s, `receipts`'
and `sweep`'s.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from db.dispatch.changes import CANCELED, Change, Said
from db.dispatch.in_flight import LiveContent, LiveDelivery, LiveMessage
from delivery.dispatch import delivery_names
from delivery.gateways.base import (
    Accepted,
    CannotTell,
    Content,
    Finding,
    Found,
    Handover,
    Held,
    NotAccepted,
    Outcome,
    Refused,
    SurelyNot,
    Unsure,
)
from domain.addresses import InvalidAddress
from domain.call_status import DUPLICATE, INVALID_NUMBER, OPTED_OUT
from domain.mailbox import Mailbox, read_mailbox
from domain.receipts import Receipt, State, apply
from domain.retry import EMAIL_SILENCE, GivenUp, Later, after_refusal, after_silence
from domain.status import PHONE_MODES, DeliveryMode, DeliveryStatus, EventSource, MessageStatus

POLL_AFTER: Final = timedelta(minutes=1)
"""How long after a report that says too little the provider is asked first."""


def handover_of(delivery: LiveDelivery, content: Content, *, address: str) -> Handover:
    """A delivery as a gateway takes it; `address` is the key of its address."""
    return Handover(
        key=delivery_names.spell(delivery),
        mode=delivery.mode,
        address=address,
        content=content,
        attempt=delivery.attempts,
    )


def content_of(message_id: int, content: LiveContent) -> Content:
    """What a message says, as a gateway takes it."""
    fields = content._asdict() | {"reply_to": _reply_to(content.reply_to)}
    return Content(key=f"message.{message_id}", **fields)


def _reply_to(text: str | None) -> Mailbox | None:
    """Where answers go; None where `text` cannot be read: that keeps no message back, and the import warned of it."""
    if not text:
        return None
    try:
        return read_mailbox(text)
    except InvalidAddress:
        return None


# Before a provider has it


def claimed(
    delivery: LiveDelivery, gateway: str, *, token: str, lease_until: datetime, now: datetime
) -> Change:
    """It is about to be handed over: from here on it may have left. What comes of it will be the event."""
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


def put_in_place(delivery: LiveDelivery, gateway: str, *, now: datetime) -> Change:
    """It was delivered by being written down: the inbox."""
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


def silenced(delivery: LiveDelivery, *, now: datetime) -> Change:
    """Its person asked for no texts: there is none."""
    after = delivery._replace(
        status=DeliveryStatus.OPTED_OUT, call_status=OPTED_OUT, at=now, due_at=None
    )
    return Change(delivery, after, EventSource.DISPATCH, now)


def unreadable(delivery: LiveDelivery, *, now: datetime) -> Change:
    """Its address cannot be read: nothing is sent to it. It came in before addresses were read at their ingest."""
    code = INVALID_NUMBER if delivery.mode in PHONE_MODES else None
    return _never_sent(delivery, code, "The address cannot be read.", now=now)


def repeated(delivery: LiveDelivery, *, now: datetime) -> Change:
    """Its address was found to be that of another delivery of its message, which is the one that is sent."""
    code = DUPLICATE if delivery.mode in PHONE_MODES else None
    reason = "Another delivery of this message goes to the same address."
    return _never_sent(delivery, code, reason, now=now)


def _never_sent(delivery: LiveDelivery, code: int | None, reason: str, *, now: datetime) -> Change:
    after = delivery._replace(status=DeliveryStatus.FAILED, call_status=code, at=now, due_at=None)
    return Change(delivery, after, EventSource.DISPATCH, now, reason)


def stopped(delivery: LiveDelivery, *, now: datetime) -> Change:
    """A cancellation came first."""
    after = delivery._replace(status=DeliveryStatus.CANCELED, at=now, due_at=None)
    return Change(delivery, after, EventSource.CANCEL, now)


# After it


def of_outcome(
    delivery: LiveDelivery,
    outcome: Outcome,
    message: LiveMessage,
    *,
    now: datetime,
    chance: float,
) -> Change:
    """What a gateway's answer makes of a delivery of a locked message that its claimant still has."""
    match outcome:
        case Accepted():
            return heard(delivery, _receipt(outcome, now), EventSource.DISPATCH)
        case Refused():
            after = _free(delivery)._replace(
                status=outcome.status, call_status=outcome.code, at=now
            )
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
            if (
                message.status in CANCELED
            ):  # it surely did not leave: it was stopped, whatever else holds
                decided = Later(now)
            source = EventSource.DISPATCH
            return _again(delivery, decided, message.status, source, outcome.reason, now=now)
        case Held():
            # It was no attempt: nothing was asked of the provider.
            unoffered = delivery._replace(attempts=delivery.attempts - 1)
            source = EventSource.DISPATCH
            change = _again(unoffered, Later(now), message.status, source, outcome.reason, now=now)
            return change._replace(before=delivery)
        case Unsure():
            # The claim stays: when its lease ends, the provider is asked.
            after = delivery
            if delivery.mode is DeliveryMode.EMAIL:
                after = delivery._replace(lease_until=message.locked_at + EMAIL_SILENCE)
            return Change(delivery, after, EventSource.DISPATCH, now, outcome.reason)


def of_late_outcome(
    delivery: LiveDelivery, given: LiveDelivery, outcome: Outcome, *, now: datetime
) -> Change | None:
    """What a gateway's answer says of a delivery that its claimant has lost: only that a provider has it is news.

    `given` is the delivery as it was claimed. Where it was sent again since, the answer is about the sending before.
    """
    if not isinstance(outcome, Accepted):
        return None
    receipt = _receipt(outcome, now)
    if given.resends != delivery.resends:
        return outlived(delivery, receipt, EventSource.DISPATCH)
    return heard(delivery, receipt, EventSource.DISPATCH)


def of_finding(
    delivery: LiveDelivery,
    finding: Finding,
    message: MessageStatus,
    *,
    now: datetime,
    chance: float,
) -> Sequence[Change]:
    """What became of a delivery whose claimant never said; the changes follow one another."""
    match finding:
        case Found():
            changes: list[Change] = []
            for receipt in finding.receipts:
                named = receipt._replace(reference=finding.reference)
                latest = changes[-1].after if changes else delivery
                changes.append(heard(latest, named, EventSource.REFRESH))
            return changes
        case SurelyNot():
            reason = "it had not arrived at the provider"
            return [_again(delivery, Later(now), message, EventSource.TIMEOUT, reason, now=now)]
        case CannotTell():
            # A copy more of which nobody can tell whether it arrived.
            silent = delivery._replace(copies=delivery.copies + 1)
            decided = after_silence(
                silent.mode,
                silent.attempts,
                copies=silent.copies,
                first_at=silent.first_at or now,
                now=now,
                chance=chance,
            )
            if message in CANCELED and isinstance(decided, Later):
                decided = GivenUp(None, f"{finding.reason}; canceled before it went again")
            source = EventSource.TIMEOUT
            change = _again(silent, decided, message, source, finding.reason, now=now)
            return [change._replace(before=delivery)]


def heard(delivery: LiveDelivery, receipt: Receipt, source: EventSource) -> Change:
    """What a receipt makes of a delivery. It is an event in any case; a claim that waited for this answer has it."""
    state = apply(_state(delivery), receipt)
    after = _with_state(delivery, state)
    if after.reference is None:
        after = after._replace(reference=receipt.reference)
    if receipt.status is not None and state.status is not DeliveryStatus.PENDING:
        after = _free(after)._replace(
            due_at=_poll_at(delivery, after, receipt, source),
            handed_at=delivery.handed_at or receipt.at,
        )
    said = Said(receipt.status or state.status, receipt.code)
    return Change(delivery, after, source, receipt.at, receipt.detail, said)


def _poll_at(
    before: LiveDelivery, after: LiveDelivery, receipt: Receipt, source: EventSource
) -> datetime | None:
    """When the provider is to be asked about a delivery after a receipt; None where it reports by itself, or has.

    An answer to our own question sets nothing: `polling` decides when to ask again, and when to stop.
    """
    if after.status is not DeliveryStatus.IN_PROGRESS:
        return None
    planned = before.due_at if before.status is DeliveryStatus.IN_PROGRESS else None
    if planned is None and receipt.is_incomplete and source is EventSource.CALLBACK:
        return receipt.at + POLL_AFTER
    return planned


def outlived(delivery: LiveDelivery, receipt: Receipt, source: EventSource) -> Change:
    """What a receipt of an earlier sending makes of a delivery that was sent again since: an event, and no more."""
    said = Said(receipt.status or delivery.status, receipt.code)
    return Change(delivery, delivery, source, receipt.at, receipt.detail, said)


def _again(
    delivery: LiveDelivery,
    decided: Later | GivenUp,
    message: MessageStatus,
    source: EventSource,
    reason: str,
    *,
    now: datetime,
) -> Change:
    """Pending again, or failed for good; of a canceled message it is stopped instead of pending."""
    free = _free(delivery)
    if isinstance(decided, GivenUp):
        after = free._replace(status=DeliveryStatus.FAILED, call_status=decided.code, at=now)
        return Change(delivery, after, source, now, decided.reason)
    if message in CANCELED:
        return stopped(free, now=now)._replace(before=delivery, detail=reason)
    after = free._replace(status=DeliveryStatus.PENDING, due_at=decided.at, handed_at=None, at=now)
    return Change(delivery, after, source, now, reason)


def _receipt(accepted: Accepted, now: datetime) -> Receipt:
    return Receipt(
        now,
        accepted.status,
        accepted.code,
        detail=accepted.detail,
        reference=accepted.reference,
    )


def _free(delivery: LiveDelivery) -> LiveDelivery:
    return delivery._replace(claim=None, lease_until=None)


def _state(delivery: LiveDelivery) -> State:
    return State(delivery.status, delivery.call_status, delivery.confirmed, delivery.at)


def _with_state(delivery: LiveDelivery, state: State) -> LiveDelivery:
    return delivery._replace(
        status=state.status, call_status=state.code, confirmed=state.confirmed, at=state.at
    )
