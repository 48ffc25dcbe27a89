"""Finds people by a text, best match first: by id or address, then by names that begin with it, then by names with it inside.

Only names, addresses and relations in visible messages count. `db.log.people` reads the people that were found.
"""

import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, SmallInteger, column

from db.connect.single_statement import rows_of
from db.log.text_match import TRIGRAM, few_people, is_storable, prefix_end
from db.log.visibility import Visibility, visibility_parameters
from db.search.people_statements import (
    ADDRESSES,
    NAMES,
    NamesShape,
    Shape,
    count_of_names,
    exact,
    names_as_written,
    names_of_few,
    page_of_names,
    people_at,
)
from db.sql.connections import ReadConnection
from db.sql.cursors import Key, Term
from db.sql.keyset_paging import Order, Slice, SortKeys
from db.sql.rows import Rows
from domain.addresses import InvalidAddress, normalise, unreadable
from domain.invisible import without_invisible
from domain.modes import AddressKind
from domain.paging import Page
from domain.people import Role
from domain.search import fold
from domain.status import DeliveryMode

EXACT: Final = 0
"""The rank of a person whose id or address is the text."""
BEGINS: Final = 1
HOLDS: Final = 2

_START: Final[Key] = (-1, "", 0)
"""A place before all people."""

_MODES: Final = {
    AddressKind.ACCOUNT: DeliveryMode.INBOX,
    AddressKind.EMAIL: DeliveryMode.EMAIL,
    AddressKind.PHONE: DeliveryMode.VOICE,
}
"""The mode by whose rules an address of each kind is parsed."""

_ASCII_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class PeopleSearch(NamedTuple):
    """A search for people of a role, or of both, in the messages of `visibility`; `text` is as typed."""

    text: str
    role: Role | None
    visibility: Visibility

    @property
    def shape(self) -> Shape:
        return Shape(self.role, self.visibility.school_ids is not None)

    @property
    def needle(self) -> str:
        return fold(self.text)


class PersonMatch(NamedTuple):
    """A person that a search found, its place in the order, and what matched, as it was written."""

    person_id: int
    role: Role
    rank: int
    key: str
    """The folded name that matched; for an id or address, the first of the person's visible names."""
    matched: str


class _Name(NamedTuple):
    """A name that matches; in the order of the search."""

    rank: int
    key: str
    person_id: int
    role: Role


class _Candidates(NamedTuple):
    """What the pages and the count of names need: who matches exactly, and who is to be looked at (None: all)."""

    exact: Sequence[PersonMatch]
    few: Sequence[int] | None
    values: Mapping[str, Any]


_PLACES_OF_KEY: Final = tuple(map(PersonMatch._fields.index, ("rank", "key", "person_id")))


def best_first(wanted: PeopleSearch) -> Order:
    """Return the order of a search: by rank, then folded name, then id."""
    terms = (
        Term("RANK", column("rank", SmallInteger())),
        Term("NAME", NAMES.c.key),
        Term("ID", column("id", BigInteger())),
    )
    visibility = wanted.visibility
    limits = (visibility.district.id, visibility.school_ids, wanted.role)
    return Order(terms, scope=("people", wanted.needle, without_invisible(wanted.text), limits))


async def find_people(
    connection: ReadConnection, wanted: PeopleSearch, *, order: Order, page: Page
) -> Slice[PersonMatch]:
    """Return the page of the people that match, which is read forward. Raises `BadUserInput` for a cursor of another list."""
    keys = order.cursors.page(page)
    after = keys.after or _START
    rows: list[PersonMatch] = []
    if is_storable(wanted.text):
        candidates = await _candidates(connection, wanted)
        rows = [one for one in candidates.exact if (one.rank, one.key, one.person_id) > after]
        rows = rows[: page.size + 1]
        if len(rows) <= page.size:
            most = page.size + 1 - len(rows)
            rows += await _by_name(connection, wanted, candidates, after=after, most=most)
    on_page = rows[: page.size]
    return Slice(
        rows=Rows(PersonMatch, PersonMatch._fields, on_page),
        keys=SortKeys(on_page, _PLACES_OF_KEY),
        has_previous=keys.after is not None,
        has_next=len(rows) > page.size,
    )


async def count_people(connection: ReadConnection, wanted: PeopleSearch) -> int:
    """Return how many people match."""
    if not is_storable(wanted.text):
        return 0
    candidates = await _candidates(connection, wanted)
    if candidates.few == []:
        return len(candidates.exact)
    statement = count_of_names(wanted.shape, are_few=candidates.few is not None)
    [[count]] = await rows_of(connection, statement, candidates.values)
    return len(candidates.exact) + int(count)


async def _candidates(connection: ReadConnection, wanted: PeopleSearch) -> _Candidates:
    """Return who matches by id or address, and the people with matching names if they are few.

    PostgreSQL has no index for a part of one or two characters: it would scan the names here, and then again.
    """
    found = await _exact(connection, wanted)
    few = None
    if connection.dialect.name == "sqlite" or len(wanted.needle) >= TRIGRAM:
        district = wanted.visibility.district
        few = await few_people(connection, wanted.text, district_id=district.id)
    people = None if few is None else sorted(set(few))
    values = {
        **visibility_parameters(wanted.visibility),
        "needle": wanted.needle,
        "begin": wanted.needle,
        "end": prefix_end(wanted.needle),
        "exact": [one.person_id for one in found],
        "few": people,
    }
    return _Candidates(found, people, values)


# By id and address


async def _exact(connection: ReadConnection, wanted: PeopleSearch) -> Sequence[PersonMatch]:
    """Return the people whose id or one of whose addresses is the text, in order."""
    values = visibility_parameters(wanted.visibility)
    at = await _people_at(connection, wanted)
    by_id = exact(wanted.shape, by_id=True)
    rows = list(
        await rows_of(connection, by_id, {**values, "external_keys": _lowered(wanted.text)})
    )
    matched = {row[0]: row[2] for row in rows}
    if others := sorted(at.keys() - matched.keys()):
        by_key = exact(wanted.shape, by_id=False)
        rows += await rows_of(connection, by_key, {**values, "people": others})
    return sorted(
        (
            PersonMatch(id, role, EXACT, name, matched[id] if id in matched else at[id])
            for id, role, _, name in rows
            if name is not None
        ),
        key=lambda one: (one.key, one.person_id),
    )


def _lowered(text: str) -> Sequence[str]:
    """Return an id as typed, in lower case as each engine makes it (SQLite of ASCII letters only), and folded."""
    typed = without_invisible(text)
    return sorted({typed.translate(_ASCII_LOWER), typed.lower(), fold(typed)})


async def _people_at(connection: ReadConnection, wanted: PeopleSearch) -> Mapping[int, str]:
    """Return the contacts with a visible delivery to the address in the text, each with the address as it was written last."""
    if wanted.role is Role.STUDENT:
        return {}
    district = wanted.visibility.district
    keys = {
        kind.lower(): _address_key(mode, wanted.text, district.country)
        for kind, mode in _MODES.items()
    }
    found = await rows_of(connection, ADDRESSES, {"district": district.id, **keys})
    if not found:
        return {}
    values = {**visibility_parameters(wanted.visibility), "addresses": [row[0] for row in found]}
    return {row[0]: row[1] for row in await rows_of(connection, people_at(wanted.shape), values)}


def _address_key(mode: DeliveryMode, text: str, country: str) -> str:
    try:
        return normalise(mode, text, country=country).key
    except InvalidAddress:
        return unreadable(mode, text).key


# By name


async def _by_name(
    connection: ReadConnection,
    wanted: PeopleSearch,
    candidates: _Candidates,
    *,
    after: Key,
    most: int,
) -> Sequence[PersonMatch]:
    """Return the first `most` people after the place `after` whose names match, without those that match exactly."""
    if candidates.few is not None:
        return await _of_few(connection, wanted, candidates, after=after, most=most)
    found: list[_Name] = []
    for rank in (BEGINS, HOLDS):
        if after[0] > rank or len(found) == most:
            continue
        names_shape = NamesShape(rank == BEGINS, bool(after[0] == rank))
        statement = page_of_names(wanted.shape, names_shape)
        cursor = {"rows": most - len(found), "after_key": after[1], "after_id": after[2]}
        rows = await rows_of(connection, statement, {**candidates.values, **cursor})
        found += [_Name(rank, key, person_id, role) for person_id, key, role in rows]
    written = await _written(connection, wanted, found)
    return [_match(one, text) for one in found if (text := written.get(one)) is not None]


async def _of_few(
    connection: ReadConnection,
    wanted: PeopleSearch,
    candidates: _Candidates,
    *,
    after: Key,
    most: int,
) -> Sequence[PersonMatch]:
    """Return what `_by_name` does, if the people whose names match are few.

    Their names are put in order here. So only the names on the page are looked for in visible messages, not all of them.
    """
    if not candidates.few:
        return []
    rows = await rows_of(connection, names_of_few(wanted.shape), candidates.values)
    needle = wanted.needle
    names = sorted(
        _Name(BEGINS if key.startswith(needle) else HOLDS, key, id, role) for id, key, role in rows
    )
    of_person: dict[int, list[_Name]] = defaultdict(list)
    for name in names:
        of_person[name.person_id].append(name)
    # Each person is at the place of its first name that is visible: the names before it must be looked up too.
    rest = [name for name in names if name[:3] > after]
    found: list[PersonMatch] = []
    # A viewer of all schools sees nearly every name.
    size = len(rest) if wanted.shape.is_limited else most
    while rest and len(found) < most:
        part, rest = rest[:size], rest[size:]
        looked_up = {one for name in part for one in of_person[name.person_id] if one <= name}
        written = await _written(connection, wanted, sorted(looked_up))
        for name in part:
            shown = [one for one in of_person[name.person_id] if written.get(one) is not None]
            if shown and shown[0] == name:
                found.append(_match(name, written[name]))
        size *= 2
    return found[:most]


async def _written(
    connection: ReadConnection, wanted: PeopleSearch, names: Sequence[_Name]
) -> Mapping[_Name, str]:
    """Return how the newest visible message writes these names; one that no visible message has is left out."""
    if not names:
        return {}
    values = {
        **visibility_parameters(wanted.visibility),
        "people": sorted({name.person_id for name in names}),
        "keys": sorted({name.key for name in names}),
    }
    rows = await rows_of(connection, names_as_written(wanted.shape), values)
    texts = {(row[0], row[1]): row[2] for row in rows}
    return {
        name: text for name in names if (text := texts.get((name.person_id, name.key))) is not None
    }


def _match(name: _Name, written: str) -> PersonMatch:
    return PersonMatch(name.person_id, name.role, name.rank, name.key, written)
