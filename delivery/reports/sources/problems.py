"""Read the worklist as a report: the addresses with a problem, most failures first."""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from db.derived.addresses import records
from db.derived.addresses.problems import (
    ProblemCriteria,
    ProblemRecord,
    count_problems,
    most_failures_first,
    page_of_problems,
)
from db.log import messages, people
from db.log.visibility import Visibility
from db.reports.jobs import ReportJob
from db.reports.subjects import ProblemsSubject
from db.sql.connections import ReadConnection
from db.sql.keyset_paging import Slice
from delivery.reports.sources.family import school_names, with_id
from delivery.reports.sources.pages import ReportReader
from domain.contact_problems import LABELS
from domain.message import Criterion
from domain.modes import AddressKind
from domain.paging import Page
from domain.people import Role
from renderers.cells import Clock
from renderers.contents.problem_report import ProblemReport, ProblemRow


async def begin(
    connection: ReadConnection, job: ReportJob, subject: ProblemsSubject, *, visibility: Visibility
) -> ReportReader:
    """Return the worklist as the report of `job`."""
    counts = await count_problems(connection, subject.criteria, visibility=visibility)
    reading = ReportReader(expected=sum(one.count for one in counts))
    reading.report = ProblemReport(
        district=visibility.district.name,
        schools=await school_names(connection, subject.school_ids or ()),
        zone=ZoneInfo(job.time_zone),
        as_of=visibility.now,
        requested_by=job.requested_by_name,
        criteria=await _criteria(connection, subject.criteria),
        counts=[(LABELS[one.kind], one.count) for one in counts],
        rows=_rows(connection, job, subject, reading, visibility),
    ).document()
    return reading


async def _criteria(connection: ReadConnection, criteria: ProblemCriteria) -> Sequence[Criterion]:
    """Return the filter in words."""
    shown = [
        Criterion("Show", "Open problems" if criteria.is_open else "Open and resolved problems")
    ]
    if criteria.kinds is not None:
        shown.append(Criterion("Kind", ", ".join(LABELS[kind] for kind in criteria.kinds)))
    if criteria.school_ids is not None:
        names = await school_names(connection, criteria.school_ids)
        shown.append(Criterion("School", ", ".join(names)))
    if criteria.min_failures > 1:
        shown.append(Criterion("Failures in a row", f"{criteria.min_failures} or more"))
    if criteria.search:
        shown.append(Criterion("Search", criteria.search))
    return shown


def _rows(
    connection: ReadConnection,
    job: ReportJob,
    subject: ProblemsSubject,
    reading: ReportReader,
    visibility: Visibility,
) -> Iterator[Sequence[ProblemRow]]:
    order = most_failures_first(f"report {job.id}")
    clock = Clock(ZoneInfo(job.time_zone))

    async def fetch(page: Page) -> tuple[Slice[ProblemRecord], Sequence[ProblemRow]]:
        part = await page_of_problems(
            connection, subject.criteria, visibility=visibility, order=order, page=page
        )
        return part, await _rows_of_page(connection, part.rows, visibility, clock=clock)

    return reading.pages(order, fetch)


async def _rows_of_page(
    connection: ReadConnection,
    problems: Sequence[ProblemRecord],
    visibility: Visibility,
    *,
    clock: Clock,
) -> Sequence[ProblemRow]:
    ids = [problem.address_id for problem in problems]
    if not ids:
        return []
    addresses = await records.addresses(connection, ids, visibility=visibility)
    behind = await records.people_of(connection, ids, visibility=visibility)
    names, students = await _names(connection, behind, visibility)
    last = [one.last_message_id for one in problems if one.last_message_id is not None]
    shown = await messages.messages(connection, last, visibility=visibility) if last else {}
    rows = []
    for problem in problems:
        address = addresses[problem.address_id]
        message = shown.get(problem.last_message_id or 0)
        person_ids = behind.get(problem.address_id, ())
        rows.append(
            ProblemRow(
                address=address.value,
                is_phone=address.kind is AddressKind.PHONE,
                kind=LABELS[problem.kind],
                reason=problem.reason,
                advice=problem.advice,
                failures=problem.failures,
                since=problem.since,
                latest_at=problem.latest_at,
                people=", ".join(names[id] for id in person_ids if id in names),
                students=", ".join(dict.fromkeys(one for id in person_ids for one in students[id])),
                last_subject=None if message is None else message.subject,
                resolution=_resolution(problem, clock),
            )
        )
    return rows


async def _names(
    connection: ReadConnection, behind: Mapping[int, Sequence[int]], visibility: Visibility
) -> tuple[Mapping[int, str], Mapping[int, Sequence[str]]]:
    """Return the names of the people behind some addresses, and of the students of each of these people."""
    person_ids = sorted({id for some in behind.values() for id in some})
    if not person_ids:
        return {}, {}
    contacts = await people.contacts(connection, person_ids, visibility=visibility)
    related = await people.related_people(
        connection, person_ids, role=Role.CONTACT, visibility=visibility
    )
    student_ids = sorted({id for some in related.values() for id in some})
    found = (
        await people.students(connection, student_ids, visibility=visibility) if student_ids else {}
    )
    names = {id: with_id(person) for id, person in contacts.items()}
    students = {
        id: [with_id(found[one]) for one in related.get(id, ()) if one in found]
        for id in person_ids
    }
    return names, students


def _resolution(problem: ProblemRecord, clock: Clock) -> str | None:
    """Return who resolved a problem, when, and the note; None if it is open."""
    if problem.is_open or problem.closed_at is None:
        return None
    text = f"Resolved {clock.text(problem.closed_at)} by {problem.closed_by_name or 'the system'}"
    return f"{text}: {problem.note}" if problem.note else text
