"""Converts lines into rows of the staging tables: checks them against their message, folds texts, normalizes addresses."""

import json
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from db.ingest.staging_tables import StagedDelivery, StagedFailure, StagedMessage, StagedRecipient
from db.log.districts import SchoolRecord
from db.log.message_words import words_of_message
from domain.addresses import InvalidAddress, normalise, unreadable
from domain.call_status import INVALID_NUMBER
from domain.counting import is_reached
from domain.mailbox import read_mailbox
from domain.message import CHUNK, first_status, recorded_status, visible_from
from domain.modes import PHONE_MODES
from domain.search import date_text, fold
from domain.status import DeliveryMode, DeliveryStatus
from resolvers.ingest.line_types import BadLine, UploadedDevice, UploadedMessage, UploadedRecipient

LONGEST_KEY: Final = 2_600
"""Maximum bytes of a sort key: PostgreSQL refuses an index entry of more than 2,704, other columns included."""

_NOT_ATTEMPTED: Final = (
    DeliveryStatus.PENDING,
    DeliveryStatus.CANCELED,
    DeliveryStatus.OPTED_OUT,
)


def key(text: str, field: str) -> str:
    """The folded text for search and sorting. Raises `BadLine` if it is too long."""
    folded = fold(text)
    _check_key(folded, field)
    return folded


def message_row(
    line: UploadedMessage,
    *,
    ref: int,
    district_id: int,
    zone: ZoneInfo,
    school: SchoolRecord | None,
    digest: bytes,
    has_open: bool,
    now: datetime,
) -> StagedMessage:
    """The row of a complete message, for which `check_message` has passed."""
    status = line.status or first_status(scheduled_at=line.scheduledAt, now=now, has_open=has_open)
    canceled = line.cancellation
    return StagedMessage(
        ref=ref,
        district_id=district_id,
        external_id=line.id,
        school_id=school.id if school else None,
        visible_from=visible_from(line.source, line.scheduledAt),
        status=status.value,
        type_code=line.type.code,
        type_label=line.type.label,
        type_key=fold(line.type.label),
        category=line.category or None,
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
        has_open=has_open,
        body=line.body,
        body_format=line.bodyFormat.value,
        text_body=line.textBody,
        voice_script=line.voiceScript,
        reply_to=line.replyTo,
        filter_criteria=json.dumps(
            [(criterion.label, criterion.value) for criterion in line.filterCriteria or ()],
            ensure_ascii=False,
        ),
        words=words_of_message(
            line.subject,
            body=line.body,
            body_format=line.bodyFormat,
            text_body=line.textBody,
            voice_script=line.voiceScript,
        ),
        digest=digest,
        canceled_at=canceled.at if canceled else None,
        canceled_by_id=canceled.by.id if canceled and canceled.by else None,
        canceled_by_name=canceled.by.name if canceled and canceled.by else None,
        cancel_reason=canceled.reason if canceled else None,
    )


def check_message(line: UploadedMessage) -> None:
    """Pass if the texts that the log sorts by are short enough. Raises `BadLine`."""
    key(line.subject, "subject")
    key(line.type.label, "type.label")
    key(line.sender.name, "sender.name")
    key(line.scheduleId or "", "scheduleId")


def unusable_reply_to(line: UploadedMessage) -> str | None:
    """Why the emails of a message go out without its `replyTo`; None if it is usable or absent."""
    if not line.replyTo:
        return None
    try:
        read_mailbox(line.replyTo)
    except InvalidAddress as invalid:
        return f"{invalid} The emails go without it."
    return None


def recipient_row(line: UploadedRecipient, *, ref: int, number: int) -> StagedRecipient:
    """The row of the recipient at position `number` of its list. Raises `BadLine`."""
    person, student = line.person, line.student
    name_key = fold(person.name)
    if student is None:
        _check_key(name_key, "person.name")
        return StagedRecipient(
            ref, number, person.id, person.name, name_key, None, None, None, len(line.devices)
        )
    student_key = fold(student.name)
    _check_key(name_key + student_key, "student.name")
    return StagedRecipient(
        ref,
        number,
        person.id,
        person.name,
        name_key,
        student.id,
        student.name,
        student_key,
        len(line.devices),
    )


class UnreadableAddress(NamedTuple):
    """An unreadable address: the field of the line, and the reason for the person who wrote the file."""

    field: str
    reason: str


class DeviceRows(NamedTuple):
    """The rows of the devices of one recipient."""

    rows: list[StagedDelivery]
    failures: list[StagedFailure]
    """Deliveries that have failed already."""
    unread: list[UnreadableAddress]


def delivery_rows(
    line: UploadedRecipient,
    message: UploadedMessage,
    *,
    ref: int,
    number: int,
    nth: int,
    has_voice: bool,
    country: str,
    now: datetime,
) -> DeviceRows:
    """The rows of the devices of recipient `number`; its first device is the `nth` delivery of the message, from 0.

    An unreadable address makes a delivery that is FAILED at `now`; history keeps its given status. Raises `BadLine` if the
    message cannot have a device.
    """
    # `list[DeliveryRow]()` takes ten times as long.
    rows: list[StagedDelivery] = []
    failures: list[StagedFailure] = []
    unread: list[UnreadableAddress] = []
    for place, device in enumerate(line.devices):
        mode, code, confirmed = device.mode, device.callStatus, device.confirmed is True
        is_phone = mode in PHONE_MODES
        _check_device(device, place, message, is_phone=is_phone, has_voice=has_voice)
        status, at, attempts = DeliveryStatus.PENDING, device.at, 0
        try:
            address = normalise(mode, device.address, country=country)
        except InvalidAddress as invalid:
            address = unreadable(mode, device.address)
            unread.append(UnreadableAddress(f"devices[{place}].address", str(invalid)))
            if message.status is None:
                status, at = DeliveryStatus.FAILED, now
                code = INVALID_NUMBER if is_phone else None
                failures.append(StagedFailure(ref, number, place, now, code, invalid.reason))
        if message.status is not None:
            status = recorded_status(
                message.status, mode, status=device.status, code=code, confirmed=confirmed
            )
            attempts = 0 if status in _NOT_ATTEMPTED else 1
        rows.append(
            StagedDelivery(
                ref,
                number,
                place,
                (nth + place) // CHUNK,
                mode._value_,  # `value` takes six times as long, and this is the innermost loop
                address.kind._value_,
                address.shown,
                address.key,
                status._value_,
                code,
                1 if confirmed else 0,
                1 if is_phone and is_reached(code, confirmed) else 0,
                at,
                attempts,
            )
        )
    return DeviceRows(rows, failures, unread)


def _check_device(
    device: UploadedDevice, place: int, message: UploadedMessage, *, is_phone: bool, has_voice: bool
) -> None:
    if device.mode not in message.modes:
        modes = ", ".join(message.modes) or "none"
        raise BadLine(
            f"devices[{place}].mode",
            f"{device.mode} is not among the modes of the message ({modes})",
        )
    if is_phone:
        if not has_voice:
            raise BadLine(
                f"devices[{place}].mode",
                f"{device.mode}: district {message.district!r} has no voice and text messages",
            )
    elif device.callStatus is not None:
        raise BadLine(
            f"devices[{place}].callStatus",
            f"{device.mode} has no call status: only VOICE and TEXT do",
        )
    if device.confirmed and device.mode is not DeliveryMode.VOICE:
        raise BadLine(
            f"devices[{place}].confirmed",
            f"{device.mode} cannot be confirmed: only a VOICE call can",
        )
    if message.status is None and device.is_recorded:
        raise BadLine(
            f"devices[{place}]",
            "it has an outcome, but the message has no status: one to be sent cannot have been delivered",
        )


def _check_key(folded: str, field: str) -> None:
    # A character has at most four bytes, so the length of nearly every text decides cheaply.
    if len(folded) * 4 > LONGEST_KEY and (size := len(folded.encode())) > LONGEST_KEY:
        raise BadLine(
            field,
            f"too long to be sorted by: {size} bytes without accents and case, {LONGEST_KEY} are allowed",
        )
