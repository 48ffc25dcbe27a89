"""Creates the reports on people: what one family was sent, and the addresses with a problem.

Both show names and addresses, so they need the right to see recipients, when they are made and when they are downloaded.
"""

from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import strawberry

from db.audit.entries import Action
from db.derived.addresses.problems import problems_state
from db.log.people import PersonRecord, StudentRecord
from db.reports.family import family_state
from db.reports.records import ReportRecord
from db.reports.subjects import FamilySubject, ProblemsSubject
from domain.errors import BadUserInput
from domain.ids import Kind, key_of, spell
from domain.people import Role
from domain.report import (
    ReportChoice,
    ReportDetail,
    ReportDevice,
    ReportFormat,
    ReportKind,
    file_name,
)
from domain.viewer import Right
from resolvers.addresses.problems import ContactProblemFilter, criteria_of
from resolvers.mutations.refusals import NO_PERSON, NO_SCHOOL, NotFound
from resolvers.people import persons
from resolvers.reports.reports import request_of, requested
from resolvers.request import enums
from resolvers.request.arguments import DateRange
from resolvers.request.context import Context, Info

assert enums  # makes the enumerations that the arguments below name


@strawberry.input(description="Exactly one of `personId` and `studentId`.")
class CreateFamilyReportInput:
    """Whom the report is about, the days on which its messages were created, and its format."""

    person_id: strawberry.ID | None = None
    student_id: strawberry.ID | None = None
    created_between: DateRange
    format: ReportFormat = ReportFormat.PDF


@strawberry.input
class CreateContactProblemReportInput:
    """The criteria of the worklist, and the format of the report."""

    filter: ContactProblemFilter | None = None
    format: ReportFormat = ReportFormat.CSV


class CreateFamilyReportSuccess(NamedTuple):
    """The report: a new one, or an equal one that was requested just before, if nothing has changed since."""

    report: ReportRecord


class CreateContactProblemReportSuccess(NamedTuple):
    """As `CreateFamilyReportSuccess`."""

    report: ReportRecord


async def create_family_report(
    info: Info, *, input: CreateFamilyReportInput
) -> CreateFamilyReportSuccess | NotFound:
    """Request a report on what a person, or the contacts of a student, were sent. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    _require_rights(context)
    visibility = context.visibility
    created = input.created_between.instants(ZoneInfo(visibility.district.time_zone))
    role, id = _person_of(input)
    about = await _open(info, role, id)
    if about is None:
        return NO_PERSON
    subject = FamilySubject(
        person_id=about.id,
        role=role,
        first_day=input.created_between.from_,
        last_day=input.created_between.to,
        created=created,
        school_ids=_schools(context),
    )
    report = await requested(
        context,
        request_of(
            context,
            _choice(input.format),
            subject=subject,
            name=_file_name(context, ReportKind.FAMILY, about.name, input.format),
        ),
        read_state=lambda connection: family_state(connection, subject, visibility=visibility),
    )
    return NO_PERSON if report is None else CreateFamilyReportSuccess(report)


async def create_contact_problem_report(
    info: Info, *, input: CreateContactProblemReportInput
) -> CreateContactProblemReportSuccess | NotFound:
    """Request the worklist as a file. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    _require_rights(context)
    visibility = context.visibility
    wanted = input.filter or ContactProblemFilter()
    criteria = criteria_of(wanted)
    if not await _are_seen(context, wanted.school_ids or (), criteria.school_ids or ()):
        return NO_SCHOOL
    subject = ProblemsSubject(criteria=criteria, school_ids=_schools(context))
    district = spell(Kind.DISTRICT, visibility.district.id)
    await context.audit.load((Action.OPEN_CONTACT_PROBLEMS, district))
    report = await requested(
        context,
        request_of(
            context,
            _choice(input.format),
            subject=subject,
            name=_file_name(context, ReportKind.CONTACT_PROBLEMS, "", input.format),
        ),
        read_state=lambda connection: problems_state(connection, criteria, visibility=visibility),
    )
    return NO_SCHOOL if report is None else CreateContactProblemReportSuccess(report)


def _require_rights(context: Context) -> None:
    for right in (Right.CREATE_REPORTS, Right.VIEW_LOG, Right.VIEW_RECIPIENTS):
        context.viewer.require(right)


def _person_of(input: CreateFamilyReportInput) -> tuple[Role, str]:
    """The role and the id of the person. Raises `BadUserInput`."""
    given = [
        (role, id)
        for role, id in ((Role.CONTACT, input.person_id), (Role.STUDENT, input.student_id))
        if id is not None
    ]
    if len(given) != 1:
        number = "both" if given else "none"
        raise BadUserInput(f"Give exactly one of input.personId and input.studentId, not {number}.")
    return given[0]


async def _open(info: Info, role: Role, id: str) -> PersonRecord | StudentRecord | None:
    """The person, if the viewer may see a message to or about it. Opening it adds an audit entry."""
    key = key_of(persons.KINDS[role], id)
    if key is None:
        return None
    if role is Role.CONTACT:
        return (await persons.contacts_by_keys(info, [key]))[0]
    return (await persons.students_by_keys(info, [key]))[0]


async def _are_seen(context: Context, given: Sequence[str], school_ids: Sequence[int]) -> bool:
    """Whether each of the given ids is that of a school that the viewer may see."""
    schools = await context.loaders.school.load_many(list(school_ids))
    seen = [one for one in schools if one is not None and context.visibility.shows(one)]
    return len(seen) == len(set(given))


def _schools(context: Context) -> tuple[int, ...] | None:
    """The schools that the viewer is limited to, in the order of their ids, so that equal requests are equal texts."""
    ids = context.visibility.school_ids
    return None if ids is None else tuple(sorted(ids))


def _choice(format: ReportFormat) -> ReportChoice:
    return ReportChoice(tuple(ReportDevice), ReportDetail.ALL, format)


def _file_name(context: Context, kind: ReportKind, about: str, format: ReportFormat) -> str:
    today = context.now.astimezone(ZoneInfo(context.visibility.district.time_zone)).date()
    return file_name(about, today, format=format, kind=kind)
