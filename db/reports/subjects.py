"""What a report is about that is not on one message: a family, or the addresses with a problem.

A subject holds the schools of its requester, because the report is made later and shows what that viewer could see. It is
stored as JSON; equal subjects have equal texts.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

import msgspec

from db.derived.addresses.problems import ProblemCriteria
from db.log.districts import DistrictRecord
from db.log.visibility import Visibility
from domain.people import Role
from domain.report import ReportKind


class FamilySubject(msgspec.Struct, frozen=True, kw_only=True, tag=ReportKind.FAMILY.value):
    """What a contact was sent, or was sent about a student, between two local days, both included."""

    person_id: int
    role: Role
    first_day: date
    last_day: date
    created: tuple[datetime, datetime]
    """The instants of these days: from the first to before the second, in UTC."""
    school_ids: tuple[int, ...] | None
    """The schools that the requester may see; None: the whole district."""


class ProblemsSubject(
    msgspec.Struct, frozen=True, kw_only=True, tag=ReportKind.CONTACT_PROBLEMS.value
):
    """The worklist under some criteria."""

    criteria: ProblemCriteria
    school_ids: tuple[int, ...] | None
    """As in `FamilySubject`."""


Subject = FamilySubject | ProblemsSubject

_decode: Final[Callable[[str], Subject]] = msgspec.json.Decoder(Subject).decode


def encode(subject: Subject) -> str:
    """Return the JSON of a subject."""
    return msgspec.json.encode(subject).decode()


def decode(text: str) -> Subject:
    """Return the subject of a stored text. Raises `msgspec.ValidationError` if a later version wrote it."""
    return _decode(text)


def kind_of(text: str | None) -> ReportKind:
    """Return the kind of a report with this stored subject."""
    if text is None:
        return ReportKind.MESSAGE
    is_family = isinstance(decode(text), FamilySubject)
    return ReportKind.FAMILY if is_family else ReportKind.CONTACT_PROBLEMS


def visibility_of(subject: Subject, district: DistrictRecord, *, now: datetime) -> Visibility:
    """Return what the requester of a report could see."""
    return Visibility(district, subject.school_ids, now)


def covers(visibility: Visibility, subject: Subject) -> bool:
    """Return whether a viewer sees all schools of the requester, so that the report shows it nothing else."""
    if visibility.school_ids is None:
        return True
    return subject.school_ids is not None and set(subject.school_ids) <= set(visibility.school_ids)
