"""Resolves people: contacts and students, who belongs to whom, and what they were sent.

Opening a person adds an audit entry. Everything behind a person needs VIEW_LOG, since other rights lead to people too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import strawberry

from db.audit.entries import Action
from db.log.people import PersonRecord, StudentRecord
from db.log.recipients import RecipientRecord
from domain.ids import Kind, key_of, spell
from domain.masking import MASK
from domain.paging import page
from domain.people import Role
from domain.viewer import Right
from resolvers.request.arguments import DateRange
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Listing
from resolvers.request.context import Info
from resolvers.request.list_keys import PersonList, RelatedPeople

KINDS = {Role.CONTACT: Kind.PERSON, Role.STUDENT: Kind.STUDENT}
"""The kind of the ids of each role."""


@dataclass(frozen=True, slots=True)
class PersonListing(Listing[RecipientRecord]):
    """A page of what a contact was sent, or was sent about a student."""

    wanted: PersonList


async def person_by_id(info: Info, id: strawberry.ID) -> PersonRecord | None:
    """The contact with this id, if the viewer may see a message to it."""
    info.context.viewer.require(Right.VIEW_LOG)
    key = key_of(Kind.PERSON, id)
    return None if key is None else (await contacts_by_keys(info, [key]))[0]


async def contacts_by_keys(
    info: Info, keys: Sequence[tuple[int, ...]]
) -> Sequence[PersonRecord | None]:
    """The contacts with these keys, in order; None if the viewer may see no message to them."""
    records = await info.context.loaders.person.load_many([key[0] for key in keys])
    await record_opening(info, Role.CONTACT, [one.id for one in records if one is not None])
    return records


async def students_by_keys(
    info: Info, keys: Sequence[tuple[int, ...]]
) -> Sequence[StudentRecord | None]:
    """The students with these keys, in order; None if the viewer may see no message about them."""
    records = await info.context.loaders.student.load_many([key[0] for key in keys])
    await record_opening(info, Role.STUDENT, [one.id for one in records if one is not None])
    return records


async def record_opening(info: Info, role: Role, ids: Sequence[int]) -> None:
    """Add an audit entry for each of these people, once per request."""
    await info.context.audit.load_all([(Action.OPEN_PERSON, spell(KINDS[role], id)) for id in ids])


@BatchResolver
async def person_of(root: Sequence[RecipientRecord], info: Info) -> Sequence[PersonRecord | None]:
    """The person of each recipient."""
    return await info.context.loaders.person.load_all([recipient.person_id for recipient in root])


@BatchResolver
async def external_id_of_student(root: Sequence[StudentRecord], info: Info) -> Sequence[str]:
    """The id of each student in the sending system."""
    loaded = await info.context.loaders.student.load_all([student.id for student in root])
    return [MASK if student is None else student.external_id or "" for student in loaded]


# What people were sent


@BatchResolver
async def recipients_of_contact(
    root: Sequence[PersonRecord],
    info: Info,
    *,
    created_between: DateRange | None = None,
    first: int | None = None,
    after: str | None = None,
) -> Sequence[PersonListing]:
    """The page of what each contact was sent, newest first. Raises `BadUserInput` and `Forbidden`."""
    ids = [contact.id for contact in root]
    return await _lists(info, Role.CONTACT, ids, created_between, first=first, after=after)


@BatchResolver
async def recipients_of_student(
    root: Sequence[StudentRecord],
    info: Info,
    *,
    created_between: DateRange | None = None,
    first: int | None = None,
    after: str | None = None,
) -> Sequence[PersonListing]:
    """The page of what was sent about each student, newest first. Raises `BadUserInput` and `Forbidden`."""
    ids = [student.id for student in root]
    return await _lists(info, Role.STUDENT, ids, created_between, first=first, after=after)


async def _lists(
    info: Info,
    role: Role,
    ids: Sequence[int],
    days: DateRange | None,
    *,
    first: int | None,
    after: str | None,
) -> Sequence[PersonListing]:
    context = info.context
    context.viewer.require(Right.VIEW_LOG)
    created = None
    if days is not None:
        created = days.instants(ZoneInfo(context.visibility.district.time_zone))
    lists = [PersonList(id, created, role) for id in ids]
    wanted_page = page(first=first, after=after, last=None, before=None)
    pages = await context.loaders.person_page.load_all([(wanted, wanted_page) for wanted in lists])
    await record_opening(info, role, ids)
    return [
        PersonListing(wanted.order(), records, wanted)
        for wanted, records in zip(lists, pages, strict=True)
    ]


@BatchResolver
async def total_of_person(root: Sequence[PersonListing], info: Info) -> Sequence[int]:
    """The number of entries in each list."""
    return await info.context.loaders.person_count.load_all([one.wanted for one in root])


# Who belongs to whom


@BatchResolver
async def students_of_contact(
    root: Sequence[PersonRecord], info: Info
) -> Sequence[Sequence[StudentRecord]]:
    """The students about whom each contact was sent messages, latest first. Raises `Forbidden`."""
    lists = await _related(info, Role.CONTACT, [contact.id for contact in root])
    ids = _distinct(lists)
    loaded = dict(zip(ids, await info.context.loaders.student.load_all(ids), strict=True))
    return [[one for id in related if (one := loaded[id]) is not None] for related in lists]


@BatchResolver
async def contacts_of_student(
    root: Sequence[StudentRecord], info: Info
) -> Sequence[Sequence[PersonRecord]]:
    """The contacts to whom messages about each student were sent, latest first. Raises `Forbidden`."""
    lists = await _related(info, Role.STUDENT, [student.id for student in root])
    ids = _distinct(lists)
    loaded = dict(zip(ids, await info.context.loaders.person.load_all(ids), strict=True))
    return [[one for id in related if (one := loaded[id]) is not None] for related in lists]


async def _related(info: Info, role: Role, ids: Sequence[int]) -> Sequence[Sequence[int]]:
    context = info.context
    context.viewer.require(Right.VIEW_LOG)
    lists = await context.loaders.related_people.load_all([RelatedPeople(id, role) for id in ids])
    await record_opening(info, role, ids)
    return lists


def _distinct(lists: Sequence[Sequence[int]]) -> list[int]:
    return list(dict.fromkeys(id for related in lists for id in related))
