"""Searches people by name, id or address, for viewers with VIEW_RECIPIENTS.

Each search adds an audit entry, and one for each person that it shows. No entry has the text.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import strawberry

from db.audit.entries import Action
from db.log.people import PersonRecord, StudentRecord
from db.log.visibility import Visibility
from db.search.people import PeopleSearch, PersonMatch, best_first, count_people, find_people
from db.sql.keyset_paging import Order
from domain.errors import BadUserInput
from domain.ids import Kind, key_of, spell
from domain.paging import page
from domain.people import Role
from domain.search import count_visible
from domain.viewer import Right
from resolvers.people.persons import KINDS
from resolvers.request import enums
from resolvers.request.arguments import MOST_CHOICES, require_storable
from resolvers.request.connection import Listing
from resolvers.request.context import Context, Info

LONGEST: Final = 200
"""Maximum characters of a text; no name, id or address that people type is longer."""

FEWEST: Final = 2
"""Minimum visible characters: one letter is in nearly every name."""

assert enums  # makes the enumeration that an argument below names


class PersonEdge(NamedTuple):
    """A person that a search found, with its cursor and what matched."""

    node: PersonRecord | StudentRecord
    matched: str
    order: Order
    key: tuple[Any, ...]

    @property
    def cursor(self) -> str:
        return self.order.cursors.encode(self.key)


@dataclass(frozen=True, slots=True)
class PeopleListing(Listing[PersonMatch]):
    """A page of the people that a search found, with their records; a purge may have removed one meanwhile."""

    wanted: PeopleSearch
    records: Mapping[int, PersonRecord | StudentRecord]

    @property
    def people(self) -> Sequence[PersonRecord | StudentRecord]:
        return [edge.node for edge in self.found]

    @property
    def found(self) -> Sequence[PersonEdge]:
        return [
            PersonEdge(self.records[match.person_id], match.matched, self.order, key)
            for match, key in zip(self.slice.rows, self.slice.keys, strict=True)
            if match.person_id in self.records
        ]


async def people(
    info: Info,
    *,
    search: str,
    role: Role | None = None,
    school_ids: list[strawberry.ID] | None = None,
    first: int | None = None,
    after: str | None = None,
) -> PeopleListing:
    """The page of the people that match, best match first. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    context.viewer.require(Right.VIEW_LOG)
    context.viewer.require(Right.VIEW_RECIPIENTS)
    _check_text(search)
    wanted = PeopleSearch(search, role, _within(context.visibility, school_ids))
    wanted_page = page(first=first, after=after, last=None, before=None)
    order = best_first(wanted)
    async with context.database.reading() as connection:
        slice_ = await find_people(connection, wanted, order=order, page=wanted_page)
    matches = list(slice_.rows)
    records, _ = await asyncio.gather(_records(context, matches), _record_search(context, matches))
    return PeopleListing(order, slice_, wanted, records)


async def total(root: PeopleListing, info: Info) -> int:
    """The number of people that match the search."""
    async with info.context.database.reading() as connection:
        return await count_people(connection, root.wanted)


def _check_text(text: str) -> None:
    require_storable(text, argument="search")
    if len(text) > LONGEST:
        raise BadUserInput(
            f"search has {len(text)} characters. Give at most {LONGEST}: a name, an id, an email address or a phone number."
        )
    if count_visible(text) < FEWEST:
        raise BadUserInput(
            f"search is {text!r}, which has too few visible characters. Give at least {FEWEST}: a part of a name, "
            "or an id, email address or phone number."
        )


def _within(visibility: Visibility, ids: Sequence[str] | None) -> Visibility:
    """What the viewer may see of these schools; of all its schools if None."""
    if ids is None:
        return visibility
    if len(ids) > MOST_CHOICES:
        raise BadUserInput(f"schoolIds has {len(ids)} values. Give at most {MOST_CHOICES}.")
    keys = {key[0] for id in ids if (key := key_of(Kind.SCHOOL, id)) is not None}
    if visibility.school_ids is not None:
        keys &= set(visibility.school_ids)
    return visibility._replace(school_ids=tuple(sorted(keys)))


async def _records(
    context: Context, matches: Sequence[PersonMatch]
) -> Mapping[int, PersonRecord | StudentRecord]:
    contacts = [one.person_id for one in matches if one.role is Role.CONTACT]
    students = [one.person_id for one in matches if one.role is Role.STUDENT]
    loaded = await asyncio.gather(
        context.loaders.person.load_all(contacts), context.loaders.student.load_all(students)
    )
    return {record.id: record for records in loaded for record in records if record is not None}


async def _record_search(context: Context, matches: Sequence[PersonMatch]) -> None:
    """Add an audit entry for the search, whose subject is the district, and one for each person on the page."""
    district = spell(Kind.DISTRICT, context.visibility.district.id)
    shown = [(Action.OPEN_PERSON, spell(KINDS[one.role], one.person_id)) for one in matches]
    await context.audit.load_all([(Action.SEARCH_PEOPLE, district), *shown])
