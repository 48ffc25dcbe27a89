"""Read a family report: what one contact was sent, or was sent about one student, oldest message first."""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from db.log import deliveries, districts, messages, people
from db.log.messages import MessageRecord
from db.log.people import PersonRecord, StudentRecord
from db.log.recipients import RecipientRecord
from db.log.visibility import Visibility
from db.reports.family import family_figures, is_in_report
from db.reports.jobs import ReportJob
from db.reports.subjects import FamilySubject
from db.sql.connections import ReadConnection
from db.sql.keyset_paging import Slice
from delivery.reports.failures import PersonPurged
from delivery.reports.sources.pages import ReportReader
from domain.paging import Page
from domain.people import Role
from renderers.contents.family_report import FamilyReport, FamilyRow


async def begin(
    connection: ReadConnection, job: ReportJob, subject: FamilySubject, *, visibility: Visibility
) -> ReportReader:
    """Return the report of `job` about a person. Raises `PersonPurged` if no visible message to the person is left."""
    about = (await _people(connection, [subject.person_id], subject.role, visibility)).get(
        subject.person_id
    )
    if about is None:
        raise PersonPurged
    figures = await family_figures(connection, subject, visibility=visibility)
    reading = ReportReader(expected=figures.recipients)
    reading.report = FamilyReport(
        district=visibility.district.name,
        schools=await school_names(connection, subject.school_ids or ()),
        zone=ZoneInfo(job.time_zone),
        as_of=visibility.now,
        about=about.name,
        role=subject.role,
        external_id=about.external_id or "",
        first_day=subject.first_day,
        last_day=subject.last_day,
        requested_by=job.requested_by_name,
        messages=figures.messages,
        deliveries=figures.deliveries,
        reached=figures.reached,
        unfinished=figures.unfinished,
        not_reached=figures.messages - figures.reached - figures.unfinished,
        removed=figures.removed,
        relatives=await _relatives(connection, subject, visibility),
        has_duplicates=figures.duplicates > 0,
        rows=_rows(connection, job, subject, reading, visibility),
    ).document()
    return reading


async def _people(
    connection: ReadConnection, ids: Sequence[int], role: Role, visibility: Visibility
) -> Mapping[int, PersonRecord | StudentRecord]:
    if role is Role.CONTACT:
        return await people.contacts(connection, ids, visibility=visibility)
    return await people.students(connection, ids, visibility=visibility)


async def _relatives(
    connection: ReadConnection, subject: FamilySubject, visibility: Visibility
) -> Sequence[str]:
    """Return the students of a contact, or the contacts of a student, with their ids in the sending system."""
    related = await people.related_people(
        connection, [subject.person_id], role=subject.role, visibility=visibility
    )
    ids = related.get(subject.person_id, ())
    other = Role.STUDENT if subject.role is Role.CONTACT else Role.CONTACT
    found = await _people(connection, ids, other, visibility) if ids else {}
    return [with_id(found[id]) for id in ids if id in found]


async def school_names(connection: ReadConnection, ids: Sequence[int]) -> Sequence[str]:
    """Return the names of these schools, in alphabetical order."""
    found = await districts.schools(connection, ids) if ids else {}
    return sorted(school.name for school in found.values())


def with_id(person: PersonRecord | StudentRecord) -> str:
    """Return a person's name, with the id in the sending system in brackets if it has one."""
    return f"{person.name} ({person.external_id})" if person.external_id else person.name


def _rows(
    connection: ReadConnection,
    job: ReportJob,
    subject: FamilySubject,
    reading: ReportReader,
    visibility: Visibility,
) -> Iterator[Sequence[FamilyRow]]:
    order = people.by_time(f"report {job.id}", descending=False)
    created = is_in_report(subject)

    async def fetch(page: Page) -> tuple[Slice[RecipientRecord], Sequence[FamilyRow]]:
        parts = await people.pages_of_people(
            connection,
            [subject.person_id],
            role=subject.role,
            created=created,
            visibility=visibility,
            order=order,
            page=page,
        )
        part = parts[subject.person_id]
        return part, await _rows_of_page(connection, part.rows, visibility)

    return reading.pages(order, fetch)


async def _rows_of_page(
    connection: ReadConnection, entries: Sequence[RecipientRecord], visibility: Visibility
) -> Sequence[FamilyRow]:
    """Return the rows of these entries: one for each delivery, or one for a person without a device."""
    keys = [(entry.message_id, entry.number) for entry in entries]
    ids = list(dict.fromkeys(entry.message_id for entry in entries))
    sent = await deliveries.of_recipients(connection, keys) if keys else {}
    shown = await messages.messages(connection, ids, visibility=visibility) if ids else {}
    school_ids = {one.school_id for one in shown.values() if one.school_id is not None}
    schools = await districts.schools(connection, sorted(school_ids)) if school_ids else {}
    rows: list[FamilyRow] = []
    for entry, key in zip(entries, keys, strict=True):
        message = shown[entry.message_id]
        school = None if message.school_id is None else schools[message.school_id].name
        row = _row(message, entry, school=school)
        of_entry = [
            row._replace(
                mode=delivery.mode,
                address=delivery.address,
                status=delivery.status,
                call_status=delivery.call_status_code,
                at=delivery.at,
                is_duplicate=delivery.is_duplicate,
            )
            for delivery in sent.get(key, ())
        ]
        rows += of_entry or [row]
    return rows


def _row(message: MessageRecord, entry: RecipientRecord, *, school: str | None) -> FamilyRow:
    return FamilyRow(
        created_at=message.created_at,
        message_type=message.type_label,
        category=message.category,
        subject=message.subject,
        sender=message.sender_name,
        school=school,
        recipient=entry.name,
        student=entry.student_name,
    )
