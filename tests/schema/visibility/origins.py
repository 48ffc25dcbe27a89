"""A log of two districts and their schools, in which every text says where it comes from.

All four origins send to the same addresses and phones, and name things by the same ids.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import select, update

from db.connect.database import Database
from db.reports.records import ReportRequest, request_report
from db.reports.subjects import FamilySubject, encode
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS, DELIVERY, MESSAGE, RECIPIENT, SCHOOL
from db.tables.operations import REPORT
from domain.ids import Kind, spell
from domain.people import Role
from domain.report import KEPT, ReportChoice, ReportDetail, ReportDevice, ReportFormat
from domain.status import DeliveryStatus, MessageStatus
from tests.log import NOON, district, email, inbox, load, message, recipient, school, text, voice


class Origin(NamedTuple):
    """Who sends: a district or one of its schools, and the ids of the two messages that it sends."""

    district: str
    school: str | None
    messages: tuple[str, str]


ORIGINS: Final = {
    "nordost": Origin("north", "ost", ("1", "2")),
    "nordwest": Origin("north", "west", ("3", "4")),
    "nordweit": Origin("north", None, ("5", "6")),
    "suedost": Origin("south", "ost", ("1", "2")),
}


def messages_of(name: str) -> bytes:
    """What an origin sends: twice to somebody whom all know, and to somebody whom it alone knows."""
    origin = ORIGINS[name]
    shared = recipient(
        "p1",
        inbox("shared", at=NOON),
        email("shared@nomail.example", at=NOON),
        voice("+16125550101", call_status=5, at=NOON),
        text("+16125550101", call_status=-28, at=NOON),
        name=f"Shared, {origin.district}",
        student=("s1", f"Calvin, {origin.district}"),
    )
    own = recipient(
        f"p-{name}",
        email(f"{name}@nomail.example", status=DeliveryStatus.FAILED, at=NOON),
        email(f"unreadable {name}", status=DeliveryStatus.FAILED, at=NOON),
        name=f"Own, {name}",
        student=(f"s-{name}", f"Kid, {name}"),
    )
    return b"".join(
        message(
            id,
            [shared, own],
            district=origin.district,
            school=origin.school,
            type=(f"T-{name}", f"Type of {name}"),
            category=f"Category of {name}",
            subject=f"Subject of {name}",
            body=f"Body of {name}",
            text_body=f"Text of {name}",
            voice_script=f"Script of {name}",
            reply_to=f"office@{name}.example",
            sender=("u1", f"Sender of {name}"),
            schedule_id=f"Schedule of {name}",
            filter_criteria=[(f"Deliver To {name}", f"Contacts of {name}")],
            status=MessageStatus.CANCELED_IN_PROGRESS,
            cancellation={
                "at": NOON.isoformat(),
                "by": {"id": f"u-{name}", "name": f"Canceler of {name}"},
                "reason": f"Reason of {name}",
            },
        )
        for id in origin.messages
    )


async def load_origins(database: Database) -> None:
    """Put all that they send, and a report of each, into an empty log."""
    await load(
        database,
        district("north", name="District of nord"),
        district("south", name="District of sued"),
        school("ost", district="north", name="School of nordost"),
        school("west", district="north", name="School of nordwest"),
        school("ost", district="south", name="School of suedost"),
        *map(messages_of, ORIGINS),
    )
    async with database.writing() as connection:
        for name in ORIGINS:
            own = select(ADDRESS.c.id).where(ADDRESS.c.key.contains(f"unreadable {name}"))
            await connection.execute(
                update(ADDRESS_FAILURES)
                .where(ADDRESS_FAILURES.c.address_id.in_(own))
                .values(
                    resolved_at=NOON,
                    resolved_by_id=f"u-{name}",
                    resolved_by_name=f"Resolver of {name}",
                    note=f"Note of {name}",
                )
            )
        for name, origin in ORIGINS.items():
            await _request_report(connection, name, origin)


async def _request_report(connection: WriteConnection, name: str, origin: Origin) -> None:
    """Request a report on the person whom an origin alone knows, as a viewer who sees only this origin."""
    district_id, school_id, person_id = (
        await connection.execute(
            select(MESSAGE.c.district_id, MESSAGE.c.school_id, RECIPIENT.c.person_id)
            .join(RECIPIENT, RECIPIENT.c.message_id == MESSAGE.c.id)
            .where(RECIPIENT.c.name == f"Own, {name}")
            .limit(1)
        )
    ).one()
    subject = FamilySubject(
        person_id=person_id,
        role=Role.CONTACT,
        first_day=NOON.date(),
        last_day=NOON.date(),
        created=(NOON, NOON + timedelta(days=1)),
        school_ids=None if school_id is None else (school_id,),
    )
    request = ReportRequest(
        message_id=None,
        district_id=district_id,
        choice=ReportChoice((ReportDevice.EMAIL,), ReportDetail.ALL, ReportFormat.CSV),
        is_masked=False,
        time_zone="UTC",
        file_name=f"Family Report - Own, {name}.csv",
        requested_by_id=f"u-{name}",
        requested_by_name=f"Clerk of {name}",
        requested_at=NOON,
        expires_at=NOON + KEPT,
        subject=encode(subject),
    )

    async def read_state(connection: ReadConnection) -> str:
        return "1"

    await request_report(connection, request, read_state=read_state)


async def ids_of(database: Database, origins: Iterable[str]) -> set[str]:
    """The ids of all that belongs to these origins, as the tables have it."""
    subjects = [f"Subject of {name}" for name in origins]
    messages = select(MESSAGE.c.id).where(MESSAGE.c.subject.in_(subjects))
    of_message = RECIPIENT.c.message_id.in_(messages)
    statements = {
        Kind.DISTRICT: select(MESSAGE.c.district_id).where(MESSAGE.c.subject.in_(subjects)),
        Kind.SCHOOL: select(SCHOOL.c.id).where(
            SCHOOL.c.name.in_([f"School of {name}" for name in origins])
        ),
        Kind.MESSAGE: messages,
        Kind.PERSON: select(RECIPIENT.c.person_id).where(of_message),
        Kind.STUDENT: select(RECIPIENT.c.student_id).where(
            of_message, RECIPIENT.c.student_id.is_not(None)
        ),
        Kind.RECIPIENT: select(RECIPIENT.c.message_id, RECIPIENT.c.number).where(of_message),
        Kind.DELIVERY: select(
            DELIVERY.c.message_id, DELIVERY.c.recipient_number, DELIVERY.c.number
        ).where(DELIVERY.c.message_id.in_(messages)),
        Kind.ADDRESS: select(DELIVERY.c.address_id).where(DELIVERY.c.message_id.in_(messages)),
        Kind.REPORT: select(REPORT.c.id).where(
            REPORT.c.requested_by_id.in_([f"u-{name}" for name in origins])
        ),
    }
    async with database.reading() as connection:
        return {
            spell(kind, *row)
            for kind, statement in statements.items()
            for row in await connection.execute(statement)
        }
