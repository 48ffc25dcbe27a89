"""How a line becomes a staged row: folded, normalised, dated.

Which lines come together, and what is done with them, is in `resolvers.ingest`.
"""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

from db.districts import SchoolRecord
from db.stage import DeliveryRow, MessageRow, RecipientRow
from domain.addresses import InvalidAddress, normalise
from domain.counting import is_reached
from domain.message import CHUNK, first_status, recorded_status, visible_from
from domain.search import date_text, fold
from domain.status import PHONE_MODES, DeliveryMode, DeliveryStatus
from resolvers.lines import BadLine, Device, Message, Recipient

_ATTEMPTED = frozenset(
    {
        DeliveryStatus.IN_PROGRESS,
        DeliveryStatus.SENT,
        DeliveryStatus.DELIVERED,
        DeliveryStatus.FAILED,
    }
)

key = fold
"""What a name is searched and sorted by."""


def message_row(
    line: Message,
    *,
    ref: int,
    district_id: int,
    zone: ZoneInfo,
    school: SchoolRecord | None,
    digest: bytes,
    has_deliveries: bool,
    now: datetime,
) -> MessageRow:
    """The row of a message that is whole."""
    status = line.status or first_status(
        scheduled_at=line.scheduledAt, now=now, has_deliveries=has_deliveries
    )
    canceled = line.cancellation
    return MessageRow(
        ref=ref,
        district_id=district_id,
        external_id=line.id,
        school_id=school.id if school else None,
        school_key=school.key if school else None,
        visible_from=visible_from(line.source, line.scheduledAt),
        status=status.value,
        type_code=line.type.code,
        type_label=line.type.label,
        type_key=fold(line.type.label),
        subject=line.subject,
        subject_key=fold(line.subject),
        sender_id=line.sender.id,
        sender_name=line.sender.name,
        sender_key=fold(line.sender.name),
        created_at=line.createdAt,
        created_text=fold(date_text(line.createdAt, zone)),
        scheduled_at=line.scheduledAt,
        scheduled_text=fold(date_text(line.scheduledAt, zone)),
        schedule_id=line.scheduleId,
        schedule_key=None if line.scheduleId is None else fold(line.scheduleId),
        source=line.source.value,
        modes=",".join(mode for mode in DeliveryMode if mode in line.modes),
        is_recorded=line.status is not None,
        body=line.body,
        body_format=line.bodyFormat.value,
        text_body=line.textBody,
        voice_script=line.voiceScript,
        reply_to=line.replyTo,
        filter_criteria=json.dumps(
            [(criterion.label, criterion.value) for criterion in line.filterCriteria or ()],
            ensure_ascii=False,
        ),
        digest=digest,
        canceled_at=canceled.at if canceled else None,
        canceled_by_id=canceled.by.id if canceled and canceled.by else None,
        canceled_by_name=canceled.by.name if canceled and canceled.by else None,
        cancel_reason=canceled.reason if canceled else None,
    )


def recipient_row(line: Recipient, *, ref: int, number: int) -> RecipientRow:
    """The row of the recipient that stands at place `number` of its list."""
    student = line.student
    return RecipientRow(
        ref,
        number,
        line.person.id,
        line.person.name,
        fold(line.person.name),
        student.id if student else None,
        student.name if student else None,
        fold(student.name) if student else None,
    )


def check_device(device: Device, place: int, message: Message, *, has_voice: bool) -> None:
    """Pass if the message can have this device; raises `BadLine`."""
    is_phone = device.mode in PHONE_MODES
    if is_phone and not has_voice:
        raise BadLine(
            f"devices[{place}].mode",
            f"{device.mode}: district {message.district!r} has no voice and text messages",
        )
    if device.mode not in message.modes:
        modes = ", ".join(message.modes) or "none"
        raise BadLine(
            f"devices[{place}].mode",
            f"{device.mode} is not among the modes of the message ({modes})",
        )
    if message.status is None and device.is_recorded:
        raise BadLine(
            f"devices[{place}]",
            "it has an outcome, but the message has no status: one to be sent cannot have been delivered",
        )
    if device.callStatus is not None and not is_phone:
        raise BadLine(
            f"devices[{place}].callStatus",
            f"{device.mode} has no call status: only VOICE and TEXT do",
        )
    if device.confirmed and device.mode is not DeliveryMode.VOICE:
        raise BadLine(
            f"devices[{place}].confirmed",
            f"{device.mode} cannot be confirmed: only a VOICE call can",
        )


def delivery_row(
    device: Device, message: Message, *, ref: int, recipient: int, number: int, nth: int
) -> DeliveryRow:
    """The row of a device: the `nth` of its message, from 0. Raises `BadLine` where the address is none."""
    try:
        address = normalise(device.mode, device.address)
    except InvalidAddress as invalid:
        raise BadLine(f"devices[{number}].address", str(invalid)) from None
    confirmed = bool(device.confirmed)
    status = DeliveryStatus.PENDING
    if message.status is not None:
        status = recorded_status(
            message.status,
            device.mode,
            status=device.status,
            code=device.callStatus,
            confirmed=confirmed,
        )
    return DeliveryRow(
        ref,
        recipient,
        number,
        nth // CHUNK,
        device.mode.value,
        address.kind.value,
        address.shown,
        address.key,
        status.value,
        device.callStatus,
        confirmed,
        device.mode in PHONE_MODES and is_reached(device.callStatus, confirmed),
        device.at,
        1 if status in _ATTEMPTED else 0,
    )
